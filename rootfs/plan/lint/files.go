package lint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// filesByName returns the first path for each name of a file, or of a link to one.
func filesByName(t *rootfs.Tree) map[string]string {
	names := make(map[string]string)
	for e := range t.All() {
		base := path.Base(e.Path)
		if names[base] != "" || e.Mode.IsDir() {
			continue
		}
		real, err := t.RealPath(e.Path)
		if have := t.Entry(real); err == nil && have != nil && have.Mode.IsRegular() {
			names[base] = e.Path
		}
	}
	return names
}

// sort finds the programs and the scripts among the files that can be executed.
// Of several links of one file it takes the first.
func (c *checker) sort(ctx context.Context) (programs, scripts []string, err error) {
	for e := range c.Tree.All() {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if !executable(e) || e.Hardlink != "" {
			continue
		}
		head, err := headOf(e)
		if errors.Is(err, rootfs.ErrChanged) {
			continue // in a folder that is in use
		}
		if err != nil {
			return nil, nil, err
		}
		switch {
		case bytes.HasPrefix(head, []byte("\x7fELF")) && !isData(head):
			programs = append(programs, e.Path)
		case bytes.HasPrefix(head, []byte("#!")):
			scripts = append(scripts, e.Path)
		}
	}
	return programs, scripts, nil
}

func executable(e *rootfs.Entry) bool { return e.Mode.IsRegular() && e.Mode.Perm()&0o111 != 0 }

// isData reports whether an ELF file is one that nobody executes: an object file
// or a core.
func isData(head []byte) bool {
	const typeAt = 16
	if len(head) < typeAt+2 {
		return false
	}
	little, big := head[typeAt], head[typeAt+1]
	typ := max(little, big)
	return little*big == 0 && (typ == 1 || typ == 4)
}

// headOf returns the first bytes of a file.
func headOf(e *rootfs.Entry) ([]byte, error) {
	f, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, elfdeps.ScriptHead)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// lookUp returns the file that a command is, nil if there is none.
func (c *checker) lookUp(name string) *rootfs.Entry {
	dirs := []string{""}
	if !strings.Contains(name, "/") {
		dirs = c.Path
	}
	var found *rootfs.Entry
	for _, dir := range dirs {
		file := path.Join(dir, name)
		if !path.IsAbs(file) {
			file = path.Join("/", c.WorkingDir, file)
		}
		real, err := c.Tree.RealPath(file)
		if err != nil {
			continue
		}
		if e := c.Tree.Entry(real); e != nil && e.Mode.IsRegular() {
			if executable(e) {
				return e
			}
			found = e
		}
	}
	return found
}

// inPath reports whether a file lies in a folder where programs are looked up.
func (c *checker) inPath(file string) bool {
	return slices.ContainsFunc(c.Path, func(dir string) bool {
		real, err := c.Tree.RealPath(dir)
		return err == nil && real == path.Dir(file)
	})
}
