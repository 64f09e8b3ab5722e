package rootfs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Stage writes the tree below dir, which must exist and should be empty. Mtimes
// later than latest become latest. Owners, and with them capabilities and most
// extended attributes, need privilege: an ordinary user gets everything under its
// own name, as with tar(1). Devices need it, too: without it they are an error.
// Attributes other than capabilities are left out where the file system takes
// none, and always if they would mean something to this machine alone.
//
// Stage never writes outside dir. An error, such as that of a ctx that is done,
// leaves what was written so far.
func (t *Tree) Stage(ctx context.Context, dir string, latest time.Time) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	s := stager{ctx: ctx, root: root, latest: latest, privileged: os.Geteuid() == 0}
	for e := range t.All() {
		if err := s.write(e); err != nil {
			return fmt.Errorf("staging %s: %w", e.Path, err)
		}
	}
	// Folders last and innermost first: writing into one changes its mtime,
	// and its mode may forbid writing.
	for _, e := range slices.Backward(t.list()) {
		if e.Mode.IsDir() {
			if err := s.folder(e); err != nil {
				return fmt.Errorf("staging %s: %w", e.Path, err)
			}
		}
	}
	return nil
}

type stager struct {
	ctx        context.Context
	root       *os.Root
	latest     time.Time
	privileged bool
}

func (s *stager) write(e *Entry) error {
	name := fsName(e.Path)
	switch {
	case e.Hardlink != "":
		return s.root.Link(fsName(e.Hardlink), name)
	case e.Mode.IsDir():
		return s.root.Mkdir(name, 0o700)
	case e.Mode&fs.ModeSymlink != 0:
		return s.link(e)
	case e.Mode.IsRegular():
		return s.file(e)
	case e.Mode&(fs.ModeNamedPipe|fs.ModeDevice) != 0:
		if err := s.below(e, makeNode); err != nil {
			return err
		}
		return s.attributes(e)
	}
	return fmt.Errorf("a %s cannot be staged", kind(e.Mode))
}

func (s *stager) link(e *Entry) error {
	if err := s.root.Symlink(e.Link, fsName(e.Path)); err != nil {
		return err
	}
	if err := s.owner(e); err != nil {
		return err
	}
	return s.below(e, func(dir *os.File, name string, e *Entry) error {
		return setLinkTime(dir, name, Clamp(e.ModTime, s.latest))
	})
}

// below has do done to an entry's name in its open folder, which is one of the
// root whatever happens meanwhile.
func (s *stager) below(e *Entry, do func(dir *os.File, name string, e *Entry) error) (err error) {
	dir, err := s.root.Open(fsName(path.Dir(e.Path)))
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, dir.Close()) }()
	return do(dir, path.Base(e.Path), e)
}

func (s *stager) file(e *Entry) (err error) {
	src, err := e.Open()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, src.Close()) }()
	dst, err := s.root.OpenFile(fsName(e.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, dst.Close()) }()
	if _, err := io.Copy(dst, contextReader{s.ctx, src}); err != nil {
		return err
	}
	if err := s.attributes(e); err != nil {
		return err
	}
	return s.setXAttrs(dst, e) // after chown(2), which takes capabilities away
}

// folder gives a folder the attributes that it is to have when all is in it.
func (s *stager) folder(e *Entry) (err error) {
	if len(e.XAttrs) == 0 {
		return s.attributes(e)
	}
	dir, err := s.root.Open(fsName(e.Path))
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, dir.Close()) }()
	if err := s.attributes(e); err != nil {
		return err
	}
	return s.setXAttrs(dir, e)
}

// setXAttrs gives a file or folder its extended attributes, of which an ordinary
// user may set its own (xattr(7)).
func (s *stager) setXAttrs(f *os.File, e *Entry) error {
	for _, name := range slices.Sorted(maps.Keys(e.XAttrs)) {
		if !s.privileged && !strings.HasPrefix(name, "user.") || isLocal(name) {
			continue
		}
		if err := setXAttr(f, name, e.XAttrs[name]); err != nil {
			return err
		}
	}
	return nil
}

// isLocal reports whether an extended attribute means something to the machine
// that it is on alone: what overlayfs notes, and labels of SELinux's policy.
func isLocal(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") || name == "security.selinux"
}

// contextReader is a reader that fails once its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// attributes sets owner, mode and mtime of a file or folder, in that order:
// chown(2) takes setuid bits away.
func (s *stager) attributes(e *Entry) error {
	if err := s.owner(e); err != nil {
		return err
	}
	name := fsName(e.Path)
	if err := s.root.Chmod(name, e.Mode); err != nil {
		return err
	}
	mtime := Clamp(e.ModTime, s.latest)
	return s.root.Chtimes(name, mtime, mtime)
}

func (s *stager) owner(e *Entry) error {
	if !s.privileged {
		return nil
	}
	return s.root.Lchown(fsName(e.Path), e.UID, e.GID)
}

// Clamp returns t in whole seconds, but nothing later than latest and nothing
// before 1970: what an image can say of a file on every engine.
func Clamp(t, latest time.Time) time.Time {
	if t.After(latest) {
		t = latest
	}
	if t.Unix() < 0 {
		return time.Unix(0, 0)
	}
	return time.Unix(t.Unix(), 0)
}
