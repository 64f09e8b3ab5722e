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

// A Root is a root file system on the disk, for commands to run in, one at a
// time. Each finds what was staged: what one writes, no other sees.
type Root struct {
	temp   string // holds the root, and is removed
	dir    string // the root
	tree   *rootfs.Tree
	latest time.Time // of the tree
	used   bool      // a command may have written to it

	noOverlay bool // for tests, as where the kernel has none
}

// Stage writes a tree to a temporary folder, as [rootfs.Tree.Stage] does, but
// for devices, FIFOs and sockets, which engines make themselves. The caller
// closes the root; with an error, which may be [ErrNoTemp], nothing is left.
func Stage(ctx context.Context, tree *rootfs.Tree, latest time.Time) (_ *Root, err error) {
	r := &Root{latest: latest}
	if r.tree, err = withoutSpecial(tree); err != nil {
		return nil, err
	}
	if r.temp, err = os.MkdirTemp("", "harvest-root-"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTemp, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	r.dir = filepath.Join(r.temp, "root")
	return r, r.stage(ctx)
}

// stage writes the tree to the root.
func (r *Root) stage(ctx context.Context) error {
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o755); err != nil { // whatever the umask
		return err
	}
	return r.tree.Stage(ctx, r.dir, r.latest)
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
func (r *Root) Close() error { return r.remove(r.temp) }

// remove removes a folder of the root, or the root with all that was made for it.
func (r *Root) remove(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	if err := removeInside(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
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
