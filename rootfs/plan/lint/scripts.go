package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// badScript notes a script whose first line starts nothing, if that is what an
// error is about.
func (c *checker) badScript(err *fs.PathError) bool {
	var script *elfdeps.ScriptError
	if !errors.As(err, &script) {
		return false
	}
	text := fmt.Sprintf("its first line, %s, %s", script.Line, strings.TrimPrefix(script.Why, "that "))
	c.findScript(err.Path, "", text, "write one there that starts something, as in #!/bin/sh")
	return true
}

// unstarted notes a script whose interpreter will not do.
func (c *checker) unstarted(m elfdeps.Missing) {
	name, returns := strings.CutSuffix(m.Need.Name, "\r")
	switch tried := m.Need.Tried[0]; {
	case strings.HasPrefix(tried.Reason, "damaged"): // which is a finding of its own
	case !path.IsAbs(name) && !m.Need.Env() && c.lookUp(path.Join("/", c.WorkingDir, name)) != nil:
	case returns:
		c.findScript(m.By, name, "its first line ends in a carriage return, which is part of the interpreter's name",
			`sed -i 's/\r$//' takes them out of the file`)
	case tried.Reason != absent && !m.Need.Env():
		c.findScript(m.By, name, fmt.Sprintf("its interpreter %s: %s", name, tried.Reason), c.mendScript(path.Base(name)))
	case !m.Need.Env(), strings.Contains(name, "/"):
		c.findScript(m.By, name, fmt.Sprintf("its interpreter %s is not in the image", name), c.mendScript(path.Base(name)))
	default:
		c.findScript(m.By, name, fmt.Sprintf("its interpreter %s, which env is to find, is not in %s", name, strings.Join(c.Path, ", ")), c.mendScript(name))
	}
}

// absent is why there is nothing at a place.
const absent = "no such file"

// findScript notes what is wrong with a script. One that nobody finds by its name,
// as in a folder of examples, is a warning.
func (c *checker) findScript(file, need, text, mend string) {
	c.lacks(Script, file, need, text, mend)
	c.result.Findings[len(c.result.Findings)-1].Warning = !c.inPath(file)
}

// mendScript says what helps a script without its interpreter.
func (c *checker) mendScript(name string) string {
	if at := c.names[name]; at != "" {
		return fmt.Sprintf("there is %s: name it in the first line, or put a link there", at)
	}
	return fmt.Sprintf("add the interpreter: harvest --from IMAGE --bin %s", name)
}
