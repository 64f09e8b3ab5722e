package rootfs

import (
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"syscall"
)

// look tells what the tree holds at a rooted path whose parents are no links.
func (t *Tree) look(p string) (fs.FileMode, string, error) {
	return t.lookAfter(p, fs.ErrNotExist)
}

// RealPath returns the rooted path that name leads to once every symbolic link
// is followed.
func (t *Tree) RealPath(name string) (string, error) { return resolve(name, true, t.look) }

// Way returns what the kernel meets when it opens name: every folder that it
// searches and every link that it follows, but for the root folder, in this
// order, and then what name leads to.
func (t *Tree) Way(name string) ([]*Entry, error) {
	var way []*Entry
	_, err := resolve(name, true, func(p string) (fs.FileMode, string, error) {
		mode, link, err := t.look(p)
		if err == nil {
			way = append(way, t.entries[p])
		}
		return mode, link, err
	})
	return way, err
}

// find returns the entry that name leads to.
func (t *Tree) find(op, name string, last bool) (*Entry, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	p, err := resolve(name, last, t.look)
	if err != nil {
		return nil, err
	}
	if e := t.entries[p]; e != nil {
		return e, nil
	}
	return Dir("/", 0o755), nil
}

func (t *Tree) stat(name string, last bool) (fs.FileInfo, error) {
	e, err := t.find("stat", name, last)
	if err != nil {
		return nil, err
	}
	if name == "." {
		return rootInfo{fileInfo{e}}, nil
	}
	return fileInfo{e}, nil
}

// Stat returns what name leads to. For an entry that came from a host, the
// result's Sys is the host's, so that a file can be recognised on both sides.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat(name, true) }

// Lstat is like Stat, but does not follow a link that is the last component.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat(name, false) }

// ReadLink returns the target of a symbolic link, unchanged.
func (t *Tree) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if e.Mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return e.Link, nil
}

// Open opens a folder or the contents of a regular file, following links.
func (t *Tree) Open(name string) (fs.File, error) {
	e, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if !e.Mode.IsDir() {
		return e.Open()
	}
	info, err := t.stat(name, true)
	if err != nil {
		return nil, err
	}
	return &treeDir{name: name, info: info, entries: t.children(e.Path)}, nil
}

// ReadDir lists a folder, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !e.Mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	return t.children(e.Path), nil
}

// children lists what lies directly in the folder at dir.
func (t *Tree) children(dir string) []fs.DirEntry {
	all := t.list()
	prefix := join(strings.TrimSuffix(dir, "/"), "")
	first := sort.Search(len(all), func(i int) bool { return all[i].Path >= prefix })
	var list []fs.DirEntry
	for _, e := range all[first:] {
		if !strings.HasPrefix(e.Path, prefix) {
			break
		}
		if path.Dir(e.Path) == dir {
			list = append(list, fileInfo{e})
		}
	}
	return list
}

// treeDir is an open folder of a tree.
type treeDir struct {
	name    string
	info    fs.FileInfo
	entries []fs.DirEntry
}

func (d *treeDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *treeDir) Close() error               { return nil }

func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: syscall.EISDIR}
}

func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	list := d.entries[:n]
	d.entries = d.entries[n:]
	return list, nil
}
