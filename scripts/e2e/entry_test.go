package e2e

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An entry is one path of a root, with everything that an image keeps of it but
// its time.
type entry struct {
	path       string
	mode       fs.FileMode
	uid, gid   int
	content    string // of a regular file
	link       string // target of a symbolic link
	twin       string // the first path of a hard-linked file, on the others
	capability string // as capabilities(7) stores it
	major      uint32 // of a device
	minor      uint32
}

// String returns "-rwsr-xr-x 0:0 "bin/su" ...", quoted so that any name is one line.
func (e entry) String() string {
	if e.twin != "" {
		return fmt.Sprintf("hard link %q = %q", e.path, e.twin)
	}
	s := fmt.Sprintf("%v %d:%d %q", e.mode, e.uid, e.gid, e.path)
	switch e.mode.Type() {
	case 0:
		s += fmt.Sprintf(" holds %q", e.content)
	case fs.ModeSymlink:
		s += fmt.Sprintf(" -> %q", e.link)
	case fs.ModeDevice | fs.ModeCharDevice:
		s += fmt.Sprintf(" is %d,%d", e.major, e.minor)
	}
	if e.capability != "" {
		s += fmt.Sprintf(" may %x", e.capability)
	}
	return s
}

func text(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// entriesBelow returns what a tar has in a folder, the folder included.
func entriesBelow(dir string, members []member) []entry {
	var entries []entry
	for _, m := range members {
		if name := path.Clean(m.Name); name == dir || strings.HasPrefix(name, dir+"/") {
			entries = append(entries, m.entry(name))
		}
	}
	return entries
}

func (m member) entry(name string) entry {
	if m.Typeflag == tar.TypeLink {
		return entry{path: name, twin: path.Clean(m.Linkname)}
	}
	e := entry{
		path: name, mode: m.FileInfo().Mode(), uid: m.Uid, gid: m.Gid, content: string(m.content),
		capability: m.PAXRecords["SCHILY.xattr.security.capability"],
		major:      uint32(m.Devmajor), minor: uint32(m.Devminor),
	}
	if e.mode&fs.ModeSymlink != 0 {
		e.link = m.Linkname
	}
	return e
}

// create makes the entry below dir. Only root can give files away.
func (e entry) create(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, e.path)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("creating %v: %v", e, err)
		}
	}
	perm := uint32(e.mode.Perm())
	switch {
	case e.twin != "":
		check(os.Link(filepath.Join(dir, e.twin), file))
		return
	case e.mode.IsDir():
		check(os.MkdirAll(file, 0o700))
	case e.mode&fs.ModeSymlink != 0:
		check(os.Symlink(e.link, file))
		check(os.Lchown(file, e.uid, e.gid))
		return
	case e.mode&fs.ModeNamedPipe != 0:
		check(unix.Mkfifo(file, perm))
	case e.mode&fs.ModeCharDevice != 0:
		check(unix.Mknod(file, unix.S_IFCHR|perm, int(unix.Mkdev(e.major, e.minor))))
	default:
		check(os.WriteFile(file, []byte(e.content), 0o600))
	}
	check(e.attributes(file))
}

// attributes gives a file the owner, mode and capability of the entry, in this
// order: each change takes away what the next one gives.
func (e entry) attributes(file string) error {
	if err := os.Lchown(file, e.uid, e.gid); err != nil {
		return err
	}
	if err := os.Chmod(file, e.mode); err != nil {
		return err
	}
	if e.capability == "" {
		return nil
	}
	return unix.Setxattr(file, "security.capability", []byte(e.capability), 0)
}
