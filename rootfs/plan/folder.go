package plan

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Folder is one that is to be made, whatever the host has.
type Folder struct {
	Path     string // rooted
	Mode     fs.FileMode
	UID, GID int
}

// String returns the folder as it is given on a command line.
func (f Folder) String() string {
	return fmt.Sprintf("%s:%04o:%d:%d", f.Path, rootfs.UnixPerm(f.Mode), f.UID, f.GID)
}

// folders makes the folders that the user wants.
func (b *builder) folders() error {
	for _, f := range b.spec.Folders {
		e := rootfs.Dir(f.Path, f.Mode)
		e.UID, e.GID = f.UID, f.GID
		if err := b.tree.AddDir(b.host, e.For(rootfs.Reason{Kind: "added", From: "--mkdir " + f.String()})); err != nil {
			return err
		}
	}
	return nil
}

// unprivileged takes setuid, setgid and capabilities from all files but a base's,
// and says of which.
func (b *builder) unprivileged() {
	var names []string
	for e := range b.tree.All() {
		if b.tree.InBase(e.Path) || !e.Mode.IsRegular() {
			continue
		}
		plain := e.Mode &^ (fs.ModeSetuid | fs.ModeSetgid)
		if _, capable := e.XAttrs[rootfs.Capability]; plain == e.Mode && !capable {
			continue
		}
		e.Mode = plain
		delete(e.XAttrs, rootfs.Capability)
		names = append(names, e.Path)
	}
	if len(names) > 0 {
		b.plan.Notes = append(b.plan.Notes, "--no-setuid takes setuid, setgid and capabilities from "+strings.Join(names, ", "))
	}
}
