package lint

import (
	"fmt"
	"path"
	"strings"
)

// script checks that what runs a script is there. A script that nobody finds by
// its name, as in a folder of examples, is a warning.
func (c *checker) script(s scriptFile) {
	before := len(c.result.Findings)
	c.checkScript(s)
	if len(c.result.Findings) > before && !c.inPath(s.path) {
		c.result.Findings[before].Warning = true
	}
}

func (c *checker) checkScript(s scriptFile) {
	interp, argument, _ := strings.Cut(strings.Trim(s.line, " \t"), " ")
	switch {
	case strings.HasSuffix(s.line, "\r"):
		c.find(Script, s.path, "its first line ends in a carriage return, which is part of the interpreter's name",
			`sed -i 's/\r$//' takes them out of the file`)
		return
	case interp == "":
		c.find(Script, s.path, "its first line, #!, names no interpreter", "write one there, as in #!/bin/sh")
		return
	}
	file := interp
	if !path.IsAbs(interp) { // which is taken from where the script is started
		file = path.Join("/", c.WorkingDir, interp)
	}
	if c.lookUp(file) == nil {
		c.find(Script, s.path, fmt.Sprintf("its interpreter %s is not in the image", interp), c.mendScript(path.Base(interp)))
		return
	}
	if path.Base(interp) != "env" {
		return
	}
	if name := envName(argument); name != "" && c.lookUp(name) == nil {
		c.find(Script, s.path, fmt.Sprintf("its interpreter %s, which %s is to find, is not in %s", name, interp, strings.Join(c.Path, ", ")),
			c.mendScript(name))
	}
}

// envName returns the program that env(1) is told to start, "" if that cannot be
// told.
func envName(arguments string) string {
	for _, word := range strings.Fields(arguments) {
		switch {
		case word == "-S", word == "-i", word == "-", strings.Contains(word, "="):
			continue
		case strings.HasPrefix(word, "-"):
			return ""
		}
		return word
	}
	return ""
}

// mendScript says what helps a script without its interpreter.
func (c *checker) mendScript(name string) string {
	if at := c.names[name]; at != "" {
		return fmt.Sprintf("there is %s: name it in the first line, or put a link there", at)
	}
	return fmt.Sprintf("add the interpreter: harvest --from IMAGE --bin %s", name)
}
