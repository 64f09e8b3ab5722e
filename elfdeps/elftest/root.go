package elftest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Root is a root file system in memory. Its links lead where they lead a process that called chroot(2) on it: absolute
// targets begin at the root, and .. stops there. The zero Root is empty.
//
// It differs from [testing/fstest.MapFS] in that, and in what the callers of this package look at: files are
// [io.ReaderAt], and on Unix [fs.FileInfo.Sys] is a *syscall.Stat_t with Dev 1 and an Ino that hard links share. As for
// a user without privileges, a file whose mode has no read bits cannot be opened.
//
// Reading is safe for concurrent use; [Root.Add] and [Root.Remove] are not.
type Root struct {
	top    *node // nil if empty
	inodes uint64
}

var (
	_ fs.StatFS     = (*Root)(nil)
	_ fs.ReadDirFS  = (*Root)(nil)
	_ fs.ReadLinkFS = (*Root)(nil)
)

// ErrSpecial is the error of opening a fifo, socket or device, on which a real Open might block or have effects.
var ErrSpecial = errors.New("opening a special file")

// maxLinks is the number of symbolic links that Linux follows in one lookup.
const maxLinks = 40

// node is a file, a directory or a symbolic link, under as many names as it has hard links.
type node struct {
	mode    fs.FileMode
	ino     uint64
	data    []byte           // of a regular file
	target  string           // of a symbolic link
	entries map[string]*node // of a directory
}

// Open opens the file after following symbolic links. It returns an error that wraps [ErrSpecial] for a fifo, socket or
// device.
func (r *Root) Open(name string) (fs.File, error) {
	n, err := r.lookup("open", name, followAll)
	if err != nil {
		return nil, err
	}
	at := info{path.Base(name), n}
	switch {
	case n.mode.Perm()&0o444 == 0:
		err = fs.ErrPermission
	case n.mode.IsDir():
		return &openDir{info: at, rest: n.list()}, nil
	case n.mode.IsRegular():
		return &openFile{bytes.NewReader(n.data), at}, nil
	default:
		err = ErrSpecial
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: err}
}

// Stat describes the file after following symbolic links.
func (r *Root) Stat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("stat", name, followAll)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// Lstat describes the file, or the symbolic link if name is one.
func (r *Root) Lstat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("lstat", name, followParents)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// ReadLink returns the target of the symbolic link as it was given to Add.
func (r *Root) ReadLink(name string) (string, error) {
	n, err := r.lookup("readlink", name, followParents)
	if err != nil {
		return "", err
	}
	if n.mode.Type() != fs.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.target, nil
}

// ReadDir lists the directory by name.
func (r *Root) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := r.lookup("readdir", name, followAll)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	return n.list(), nil
}

// RealPath returns the absolute path that name leads to after following symbolic links. Unlike the methods of [fs.FS] it
// takes absolute names, with . and .., too.
func (r *Root) RealPath(name string) (string, error) {
	at, err := r.trail(name, followAll)
	if err != nil {
		return "", &fs.PathError{Op: "realpath", Path: name, Err: err}
	}
	elems := make([]string, len(at)-1)
	for i, s := range at[1:] {
		elems[i] = s.name
	}
	return "/" + path.Join(elems...), nil
}

// Remove takes the absolute path out of the root, with all that is below it.
func (r *Root) Remove(name string) error {
	dir, base := path.Split(name)
	parent, err := r.walk(dir, followAll)
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	if parent.entries[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(parent.entries, base)
	return nil
}

// put enters n under the absolute path, with the parent directories that it lacks.
func (r *Root) put(name string, n *node) error {
	if r.top == nil {
		r.top = r.newDir()
	}
	dir, base := path.Split(name)
	parent, err := r.walk(dir, followAll|makeDirs)
	if err != nil {
		return err
	}
	if !parent.mode.IsDir() {
		return syscall.ENOTDIR
	}
	if parent.entries[base] != nil {
		return fs.ErrExist
	}
	if n.ino == 0 {
		r.inodes++
		n.ino = r.inodes
	}
	parent.entries[base] = n
	return nil
}

func (r *Root) newDir() *node {
	r.inodes++
	return &node{mode: fs.ModeDir | 0o755, ino: r.inodes, entries: map[string]*node{}}
}

// lookup is walk with what the methods of [fs.FS] owe their callers.
func (r *Root) lookup(op, name string, how walkMode) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := r.walk(name, how)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

type walkMode int

const (
	followParents walkMode = 0
	followAll     walkMode = 1 << iota // the last component, too
	makeDirs                           // that do not exist
)

// walk finds the node of a path, which counts from the root whether or not it is absolute.
func (r *Root) walk(name string, how walkMode) (*node, error) {
	at, err := r.trail(name, how)
	if err != nil {
		return nil, err
	}
	return at[len(at)-1].node, nil
}

// step is a node under the name by which its directory has it.
type step struct {
	name string
	node *node
}

// trail finds the nodes from the root, which has no name, to the one that a path leads to.
func (r *Root) trail(name string, how walkMode) ([]step, error) {
	top := r.top
	if top == nil {
		top = &node{mode: fs.ModeDir | 0o755}
	}
	at := []step{{"", top}}
	links := 0
	for todo := strings.Split(name, "/"); len(todo) > 0; {
		elem := todo[0]
		todo = todo[1:]
		here := at[len(at)-1].node
		if !here.mode.IsDir() {
			return nil, syscall.ENOTDIR
		}
		if elem == "" || elem == "." {
			continue
		}
		if elem == ".." {
			at = at[:max(1, len(at)-1)]
			continue
		}
		next := here.entries[elem]
		if next == nil && how&makeDirs != 0 {
			next = r.newDir()
			here.entries[elem] = next
		}
		if next == nil {
			return nil, fs.ErrNotExist
		}
		if next.mode.Type() != fs.ModeSymlink || len(todo) == 0 && how&followAll == 0 {
			at = append(at, step{elem, next})
			continue
		}
		if links++; links > maxLinks {
			return nil, syscall.ELOOP
		}
		if path.IsAbs(next.target) {
			at = at[:1]
		}
		todo = append(strings.Split(next.target, "/"), todo...)
	}
	return at, nil
}

// list returns the entries of a directory by name.
func (n *node) list() []fs.DirEntry {
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		list = append(list, info{name, n.entries[name]})
	}
	return list
}

// info is a node under one of its names: an [fs.FileInfo] and an [fs.DirEntry].
type info struct {
	name string
	node *node
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return int64(len(i.node.data) + len(i.node.target)) }
func (i info) Mode() fs.FileMode          { return i.node.mode }
func (i info) Type() fs.FileMode          { return i.node.mode.Type() }
func (i info) ModTime() time.Time         { return time.Unix(1e9, 0).UTC() }
func (i info) IsDir() bool                { return i.node.mode.IsDir() }
func (i info) Sys() any                   { return sysOf(i.node.ino) }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) String() string             { return fs.FormatFileInfo(i) }

// openFile is an open regular file.
type openFile struct {
	*bytes.Reader
	info info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openDir is an open directory.
type openDir struct {
	info info
	rest []fs.DirEntry // not yet read
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: syscall.EISDIR}
}

// ReadDir returns the next n entries, or all that remain if n <= 0.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	list := d.rest[:n]
	d.rest = d.rest[n:]
	return list, nil
}
