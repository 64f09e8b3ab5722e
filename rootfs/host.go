package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"
)

// A Host is a directory seen as under chroot(2): links never lead outside. It
// is an [fs.FS], [fs.StatFS], [fs.ReadDirFS] and [fs.ReadLinkFS], safe for
// concurrent use. Unlike [os.DirFS] it takes the target of an absolute link
// from its own root.
//
// A Host remembers what it has seen of a path and does not look again: it is
// a view of the directory as it was when first asked. Contents are read from
// the file that is there when it is opened; [Entry.Open] checks that it is the
// same.
type Host struct {
	dir string

	nodes sync.Map // of node, by path without links
	dirs  sync.Map // of string: where the names of folders lead to
}

// errSocket is why a host's entry cannot be had. A tar has no type for it, and
// whoever listens on it would not be in the image.
var errSocket = errors.New("a socket cannot be part of an image; add what lies beside it by name")

type node struct {
	info fs.FileInfo
	link string
	err  error
}

// OpenHost returns the directory dir as a root. It must exist.
func OpenHost(dir string) (*Host, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	h := &Host{dir: abs}
	h.nodes.Store("/", &node{info: info})
	return h, nil
}

// Dir returns the directory that the host shows, as an absolute path.
func (h *Host) Dir() string { return h.dir }

// osPath returns the operating system's name for a path without links.
func (h *Host) osPath(rooted string) string {
	if h.dir == "/" {
		return rooted
	}
	return h.dir + filepath.FromSlash(rooted)
}

// node looks at a rooted path whose parents are no links, once.
func (h *Host) node(path string) *node {
	n, known := h.nodes.Load(path)
	if !known {
		n, _ = h.nodes.LoadOrStore(path, h.lstat(path)) // unless somebody else has looked meanwhile
	}
	return n.(*node)
}

func (h *Host) lstat(path string) *node {
	n := &node{}
	n.info, n.err = os.Lstat(h.osPath(path))
	if n.err == nil && n.info.Mode()&fs.ModeSymlink != 0 {
		n.link, n.err = os.Readlink(h.osPath(path))
	}
	n.err = bare(n.err)
	return n
}

// bare takes the operating system's path out of an error; the caller's error
// names the host's own.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (h *Host) look(path string) (fs.FileMode, string, error) {
	n := h.node(path)
	if n.err != nil {
		return 0, "", n.err
	}
	return n.info.Mode(), n.link, nil
}

// RealPath returns the rooted path that name leads to once every symbolic link
// is followed.
func (h *Host) RealPath(name string) (string, error) {
	real, _, err := h.find(name, true)
	return real, err
}

// find is the walk of the package, with what stands at its end. That takes a step
// at a time; here the steps of each folder are taken once, because most names lie
// in few of them.
func (h *Host) find(name string, last bool) (string, *node, error) {
	dir, base := path.Split(name)
	if base != "" && base != "." && base != ".." {
		if real, err := h.realDir(dir); err == nil {
			file := join(real, base)
			n := h.node(file)
			if n.err == nil && !(last && n.info.Mode()&fs.ModeSymlink != 0) {
				return file, n, nil
			}
		}
	}
	real, err := resolve(name, last, h.look) // for an error about the whole name, too
	if err != nil {
		return real, nil, err
	}
	return real, h.node(real), nil
}

func (h *Host) realDir(dir string) (string, error) {
	if real, known := h.dirs.Load(dir); known {
		return real.(string), nil
	}
	real, err := resolve(dir+".", true, h.look)
	if err == nil {
		h.dirs.Store(dir, real)
	}
	return real, err
}

// Stat returns what name leads to. The result's Sys is the operating system's.
func (h *Host) Stat(name string) (fs.FileInfo, error) { return h.stat(name, true) }

// Lstat is like Stat, but does not follow a link that is the last component.
func (h *Host) Lstat(name string) (fs.FileInfo, error) { return h.stat(name, false) }

func (h *Host) stat(name string, last bool) (fs.FileInfo, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	_, n, err := h.find(name, last)
	if err != nil {
		return nil, err
	}
	if name == "." {
		return rootInfo{n.info}, nil
	}
	return n.info, nil
}

// rootInfo is the root folder under the name that fs.FS demands.
type rootInfo struct{ fs.FileInfo }

func (rootInfo) Name() string { return "." }

// ReadLink returns the target of a symbolic link, unchanged.
func (h *Host) ReadLink(name string) (string, error) {
	if !validPath(name) {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	_, n, err := h.find(name, false)
	if err != nil {
		return "", err
	}
	if n.info.Mode()&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.link, nil
}

// Open opens a folder or a regular file; anything else, which could block or
// act when opened, is an error.
func (h *Host) Open(name string) (fs.File, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	real, n, err := h.find(name, true)
	if err != nil {
		return nil, err
	}
	var f fs.File
	switch mode := n.info.Mode(); {
	case mode.IsRegular():
		f, err = h.openPlain(real, n.info)
	case mode.IsDir():
		f, err = h.open(real)
	default:
		err = fmt.Errorf("is a %s", kind(mode))
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: rooted(name), Err: bare(err)}
	}
	return f, nil
}

// openFlags are for a path that held a folder or a regular file when it was
// looked at. Should it have become a link or a pipe, they neither follow nor wait.
const openFlags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func (h *Host) open(real string) (*os.File, error) {
	return os.OpenFile(h.osPath(real), openFlags, 0)
}

// ReadDir lists a folder, sorted by name.
func (h *Host) ReadDir(name string) ([]fs.DirEntry, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	real, err := h.RealPath(name)
	if err != nil {
		return nil, err
	}
	return h.readDir(real)
}

// readDir lists the folder at a path without links.
func (h *Host) readDir(real string) ([]fs.DirEntry, error) {
	list, err := os.ReadDir(h.osPath(real))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: real, Err: bare(err)}
	}
	return list, nil
}

// folderAt returns, as a side of a conflict, what h has at a path that leads to a
// folder, nil if it leads to none.
func (h *Host) folderAt(name string) *Entry {
	if info, err := h.Stat(fsName(name)); err != nil || !info.IsDir() {
		return nil
	}
	e, err := h.Entry(name)
	if err != nil {
		return nil
	}
	return e.For(Reason{Kind: "on the host"})
}

// linksToDir reports whether h, which may be nil, has a link to a folder there.
func (h *Host) linksToDir(name string) bool {
	if h == nil {
		return false
	}
	link, err1 := h.Lstat(fsName(name))
	dir, err2 := h.Stat(fsName(name))
	return err1 == nil && err2 == nil && link.Mode()&fs.ModeSymlink != 0 && dir.IsDir()
}

// Entry returns the entry for name, with its owners, extended attributes and
// device numbers. A link that is the last component is not followed.
func (h *Host) Entry(name string) (*Entry, error) {
	real, n, err := h.find(name, false)
	if err != nil {
		return nil, err
	}
	info := n.info
	e := &Entry{
		Path:    rooted(name),
		Mode:    info.Mode(),
		ModTime: info.ModTime(),
		Link:    n.link,
		Source:  real,
		host:    h,
		seen:    info,
	}
	st := statOf(info)
	e.UID, e.GID = st.uid, st.gid
	switch {
	case info.Mode().IsRegular():
		e.Size = info.Size()
		e.XAttrs, err = capability(h.osPath(real))
	case info.Mode()&fs.ModeDevice != 0:
		e.Major, e.Minor = st.major, st.minor
	case info.Mode()&fs.ModeSocket != 0:
		err = errSocket
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: real, Err: err}
	}
	return e, nil
}
