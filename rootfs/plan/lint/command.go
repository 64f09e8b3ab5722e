package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// command checks that what the image runs is there.
func (c *checker) command() {
	if c.Command == "" {
		return
	}
	e := c.lookUp(c.Command)
	switch {
	case e == nil && strings.Contains(c.Command, "/"):
		c.noCommand(path.Join("/", c.WorkingDir, c.Command))
	case e == nil:
		c.lacks(Command, c.Command, c.Command, "is what the image runs, and is not in "+strings.Join(c.Path, ", "), c.mendCommand())
		c.inCase(Absent)
	case !executable(e):
		c.find(Command, e.Path, "is what the image runs, and is not executable", "chmod +x it before it is packed")
		c.inCase(Closed)
	case c.isText(e):
		c.find(Command, e.Path, "is what the image runs, and is neither an ELF file nor a script that says what it is started with",
			"write a first line there, as in #!/bin/sh, or start it as the argument of a shell")
		c.inCase(Text)
	default:
		c.commandPlatform(e)
	}
}

// noCommand notes that there is no command at a path.
func (c *checker) noCommand(file string) {
	if path.IsAbs(c.Command) {
		file = c.Command
	}
	mend := "add it, or name what is there with --entrypoint"
	text := "is what the image runs, and is not in it"
	switch e := c.Tree.Entry(path.Clean(file)); {
	case e != nil && e.Mode.IsDir():
		text = "is what the image runs, and is a folder"
	case e != nil && e.Mode&fs.ModeSymlink != 0:
		text = fmt.Sprintf("is what the image runs, and is a link to %s, which is not there", e.Link)
	default:
		if dir := c.oneTooHigh(file); dir != "" {
			mend = fmt.Sprintf("it is at %s%s: what was packed is the folder above the root; pack what is in it, as in tar -C %s -cf layer.tar .", dir, file, path.Base(dir))
		}
	}
	c.lacks(Command, c.Command, c.Command, text, mend)
	c.inCase(Absent)
}

// mendCommand says what helps a command that is not in the search path.
func (c *checker) mendCommand() string {
	if at := c.names[c.Command]; at != "" {
		return fmt.Sprintf("it is at %s: give it as that path, or add the folder to PATH", at)
	}
	return "add it, set PATH, or give the entrypoint as a path"
}

// oneTooHigh returns a folder of the root in which a file lies as it should in the
// root itself, "" if there is none.
func (c *checker) oneTooHigh(file string) string {
	for e := range c.Tree.All() {
		if !e.Mode.IsDir() || path.Dir(e.Path) != "/" {
			continue
		}
		at := e.Path
		for part := range strings.SplitSeq(strings.TrimPrefix(file, "/"), "/") { // links are meant for the root
			at = path.Join(at, part)
			if link := c.Tree.Entry(at); link != nil && link.Mode&fs.ModeSymlink != 0 {
				if at = path.Join(path.Dir(at), link.Link); path.IsAbs(link.Link) {
					at = path.Join(e.Path, link.Link)
				}
			}
		}
		if c.Tree.Entry(at) != nil {
			return e.Path
		}
	}
	return ""
}

// isText reports whether the kernel would find nothing in a file that it can start.
func (c *checker) isText(e *rootfs.Entry) bool {
	head, err := headOf(e)
	return err == nil && !bytes.HasPrefix(head, []byte("\x7fELF")) && !bytes.HasPrefix(head, []byte("#!"))
}

// user checks that an engine finds the accounts of who the image runs as. Numbers
// need none.
func (c *checker) user() error {
	user, group, _ := strings.Cut(c.User, ":")
	for _, account := range []struct{ name, kind, file string }{{user, "user", "/etc/passwd"}, {group, "group", "/etc/group"}} {
		if _, err := strconv.Atoi(account.name); err == nil || account.name == "" {
			continue
		}
		text, err := fs.ReadFile(c.Tree, account.file[1:])
		mend := fmt.Sprintf("add a line for %s, as harvest -u %s does; a number, as in -u 1000, needs none", account.name, c.User)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.lacks(User, account.file, account.name, fmt.Sprintf("is not there, and the image runs as %s %s", account.kind, account.name), mend)
		case err != nil:
			return err
		case !hasLine(string(text), account.name):
			c.lacks(User, account.file, account.name, fmt.Sprintf("has no line for %s, the %s that the image runs as", account.name, account.kind), mend)
		}
	}
	return nil
}

// hasLine reports whether a passwd(5) or group(5) file has an account.
func hasLine(text, name string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+":") {
			return true
		}
	}
	return false
}
