package sandbox

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// The folders of a view.
const (
	viewUpper = "upper" // what is written
	viewWork  = "work"  // overlayfs's own
)

// newView sees to it that the next command finds what was staged, and returns a
// folder for what it writes, as overlayfs wants it. A root that was written to is
// staged again.
func (r *Root) newView(ctx context.Context) (string, error) {
	if r.used {
		if err := r.remove(r.dir); err != nil {
			return "", err
		}
		if err := r.stage(ctx); err != nil {
			return "", err
		}
	}
	r.used = true // unless the command says otherwise
	if r.noOverlay {
		return "", nil
	}
	view, err := os.MkdirTemp(r.temp, "view-")
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(view, viewWork), 0o700); err != nil {
		return "", err
	}
	return view, copyFolder(r.dir, filepath.Join(view, viewUpper))
}

// copyFolder makes a folder with mode and owner of another.
func copyFolder(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	if err := chownLike(to, info); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode())
}

// chownLike gives a folder the owner of another.
func chownLike(name string, other fs.FileInfo) error {
	st, ok := other.Sys().(*syscall.Stat_t)
	if !ok {
		panic("BUG: no stat data of a file on the disk")
	}
	return os.Lchown(name, int(st.Uid), int(st.Gid))
}

// mountRoot mounts the root over itself, with the view for what is written if the
// kernel has overlayfs for this user, as it does since Linux 5.11. How the folder
// is mounted in which both lie does not matter then: temporary folders often
// forbid setuid programs, and some all.
func (j *job) mountRoot() error {
	if j.View != "" && j.overlay() == nil {
		j.apart = true
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(j.Root, &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: j.Root, Err: err}
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("%s is mounted noexec: name another folder in TMPDIR", filepath.Dir(filepath.Dir(j.Root)))
	}
	return mount(j.Root, j.Root, "", unix.MS_BIND, "")
}

// overlay mounts the view over the root. Names are relative: options are separated
// by commas, and folders by colons. Nothing that is written outlives the view, so
// the kernel need not bring it to the disk, with all else that waits there.
func (j *job) overlay() error {
	if err := os.Chdir(filepath.Dir(j.Root)); err != nil {
		return err
	}
	root, view := filepath.Base(j.Root), filepath.Base(j.View)
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr,volatile", root, filepath.Join(view, viewUpper), filepath.Join(view, viewWork))
	return mount("overlay", root, "overlay", 0, options)
}
