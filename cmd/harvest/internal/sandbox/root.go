package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/user"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Root is a root file system on the disk, for commands to run in. What one
// writes, the next finds.
type Root struct {
	temp string // holds the root, and is removed
	dir  string // the root
	tree *rootfs.Tree
}

// Stage writes a tree to a temporary folder, as [rootfs.Tree.Stage] does, but
// for devices, FIFOs and sockets, which engines make themselves. The caller
// closes the root; with an error nothing is left.
func Stage(ctx context.Context, tree *rootfs.Tree, latest time.Time) (_ *Root, err error) {
	r := &Root{}
	if r.tree, err = withoutSpecial(tree); err != nil {
		return nil, err
	}
	if r.temp, err = os.MkdirTemp("", "harvest-root-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	r.dir = filepath.Join(r.temp, "root")
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(r.dir, 0o755); err != nil { // whatever the umask
		return nil, err
	}
	return r, r.tree.Stage(ctx, r.dir, latest)
}

// withoutSpecial returns a tree of the folders, files and links of another.
func withoutSpecial(tree *rootfs.Tree) (*rootfs.Tree, error) {
	t := &rootfs.Tree{}
	for e := range tree.All() {
		if !e.Mode.IsRegular() && !e.Mode.IsDir() && e.Mode&fs.ModeSymlink == 0 {
			continue
		}
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Close removes the root, whoever owns what is in it by now.
func (r *Root) Close() error {
	if err := os.RemoveAll(r.temp); err == nil {
		return nil
	}
	if err := r.removeInside(); err != nil {
		return err
	}
	return os.RemoveAll(r.temp)
}

// user looks a user up in the root, as engines do.
func (r *Root) user(spec string) (*user.ExecUser, error) {
	passwd, err := r.open("etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	group, err := r.open("etc/group")
	if err != nil {
		return nil, err
	}
	defer group.Close()
	who, err := user.GetExecUser(spec, &user.ExecUser{Home: "/"}, passwd, group)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", spec, err)
	}
	return who, nil
}

// open opens a file of the root, an empty one if it is not there.
func (r *Root) open(name string) (fs.File, error) {
	f, err := r.tree.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Open(os.DevNull)
	}
	return f, err
}
