package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"time"
)

// ErrChanged is what opening or closing a host file returns when the file is no
// longer the one that was listed: gone, or of another inode, size or mtime.
var ErrChanged = errors.New("file changed while packing")

// errMadeUp is why files such as those of /proc cannot be read: they are of
// another length than they say, and of another one next time.
var errMadeUp = errors.New("its contents are made up when it is read, so they cannot be part of an image")

// An Entry is one path of a tree. Its contents stay on the host until it is
// opened.
type Entry struct {
	Path         string            // rooted and clean: "/usr/bin/bash"
	Mode         fs.FileMode       // type and permission bits, setuid, setgid and sticky among them
	Size         int64             // bytes of contents; 0 unless a regular file
	Link         string            // target of a symbolic link, unchanged
	Hardlink     string            // path of the entry that carries the contents of this one, if another does
	UID, GID     int               // numeric owners
	ModTime      time.Time         // as on the host; zero for entries that no host has
	XAttrs       map[string]string // raw values by name; of what a host has, security.capability only
	Major, Minor uint32            // of a device
	Source       string            // the host's path of the contents, "" if they are in memory
	Why          []Reason          // what led here; never empty in a finished plan

	implied  bool        // a folder that only exists because something lies in it
	below    bool        // of the tree that this one lies upon
	data     []byte      // contents that no host has
	contents Contents    // likewise
	host     *Host       // where Source lies
	seen     fs.FileInfo // the file as it was listed
}

// Contents are the bytes of a file that lie neither in memory nor on a host, but
// in a layer of an image, say. Values must be comparable: entries of one tree
// with equal ones are hard links of each other. They may have a method Same(Contents)
// bool that knows of copies without reading them.
type Contents interface {
	// Open returns a file of the size that the entry says.
	Open() (fs.File, error)
}

// A Reason says by which rule an entry came in, and where the rule started.
type Reason struct {
	Kind string `json:"kind"`           // "program", "interpreter", "library", "loader", "link", "folder", "added", "skeleton", "generated", "recipe", "package"
	From string `json:"from,omitempty"` // the path or flag that asked for it
	Text string `json:"text,omitempty"` // the rule in words: "libc.so.6, by ld.so.cache"
}

// String returns the reason as a phrase that can follow a path.
func (r Reason) String() string {
	s := r.Kind
	if r.Text != "" {
		s += " " + r.Text
	}
	if r.From != "" {
		s += " for " + r.From
	}
	return s
}

// Capability is the extended attribute in which a file has its capabilities, the
// only one that is taken from a host and given to one: others say something of
// that host.
const Capability = "security.capability"

// Dir returns a folder owned by root.
func Dir(name string, mode fs.FileMode) *Entry {
	return &Entry{Path: rooted(name), Mode: fs.ModeDir | mode}
}

// File returns a regular file owned by root with the given contents.
func File(name string, mode fs.FileMode, data []byte) *Entry {
	return &Entry{Path: rooted(name), Mode: mode, Size: int64(len(data)), data: data}
}

// FileFrom returns a regular file owned by root whose size bytes are elsewhere.
func FileFrom(name string, mode fs.FileMode, size int64, c Contents) *Entry {
	return &Entry{Path: rooted(name), Mode: mode, Size: size, contents: c}
}

// Symlink returns a symbolic link owned by root.
func Symlink(name, target string) *Entry {
	return &Entry{Path: rooted(name), Mode: fs.ModeSymlink | 0o777, Link: target}
}

// For adds a reason to the entry and returns it.
func (e *Entry) For(why Reason) *Entry {
	e.Why = append(e.Why, why)
	return e
}

// Open opens the contents of a regular file, of which Size bytes can be read,
// neither more nor less. If the host's file is not the one that was listed, Open,
// Read or Close returns an error that wraps [ErrChanged]; if it has more or less
// in it than its size, as in /proc, Read returns an error.
func (e *Entry) Open() (fs.File, error) {
	switch {
	case !e.Mode.IsRegular():
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: errors.New("not a regular file")}
	case e.contents != nil:
		return e.contents.Open()
	case e.host == nil:
		return &memFile{Reader: bytes.NewReader(e.data), info: fileInfo{e}}, nil
	}
	f, err := e.host.open(e.Source)
	if err != nil {
		if now, lerr := os.Lstat(e.host.osPath(e.Source)); lerr != nil || !os.SameFile(now, e.seen) {
			return nil, e.changed()
		}
		return nil, &fs.PathError{Op: "open", Path: e.Source, Err: bare(err)}
	}
	hf := &hostFile{f: f, entry: e, left: e.Size}
	if err := hf.check(); err != nil {
		f.Close()
		return nil, err
	}
	return hf, nil
}

// String describes the entry in the form that tests compare:
// "file 0755 1265648", "dir 1777", "link usr/bin", "hardlink /usr/bin/perl",
// "pipe 0644", "device 0666 1,3", with " 1000:1000" for owners other than root.
func (e *Entry) String() string {
	var s string
	switch {
	case e.Hardlink != "":
		return "hardlink " + e.Hardlink
	case e.Mode&fs.ModeSymlink != 0:
		return "link " + e.Link
	case e.Mode.IsDir():
		s = fmt.Sprintf("dir %04o", UnixPerm(e.Mode))
	case e.Mode.IsRegular():
		s = fmt.Sprintf("file %04o %d", UnixPerm(e.Mode), e.Size)
	default:
		s = fmt.Sprintf("%s %04o", kind(e.Mode), UnixPerm(e.Mode))
		if e.Mode&fs.ModeDevice != 0 {
			s += fmt.Sprintf(" %d,%d", e.Major, e.Minor)
		}
	}
	if e.UID != 0 || e.GID != 0 {
		s += fmt.Sprintf(" %d:%d", e.UID, e.GID)
	}
	return s
}

// UnixPerm returns the twelve permission bits of chmod(2): those of mode, with
// setuid, setgid and sticky at 04000, 02000 and 01000.
func UnixPerm(mode fs.FileMode) uint32 {
	p := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		p |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		p |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		p |= 0o1000
	}
	return p
}

// FileMode returns the mode whose permission bits are those of chmod(2): it is
// what [UnixPerm] undoes.
func FileMode(perm uint32) fs.FileMode {
	mode := fs.FileMode(perm) & fs.ModePerm
	for bit, m := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if perm&bit != 0 {
			mode |= m
		}
	}
	return mode
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeNamedPipe:
		return "pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

func rooted(name string) string { return path.Join("/", name) }

// equal reports whether both entries would ship the same thing, so that one may
// stand for the other. It reads contents only if nothing else differs.
func (e *Entry) equal(o *Entry) (bool, error) {
	if !sameMode(e.Mode, o.Mode) || e.Link != o.Link || e.UID != o.UID || e.GID != o.GID ||
		e.Major != o.Major || e.Minor != o.Minor || !maps.Equal(e.XAttrs, o.XAttrs) {
		return false, nil
	}
	if !e.Mode.IsRegular() {
		return true, nil
	}
	return e.SameContents(o)
}

// sameMode reports whether modes mean the same: the permissions of a link mean
// nothing, and every tool writes its own.
func sameMode(a, b fs.FileMode) bool {
	return a == b || a.Type() == fs.ModeSymlink && b.Type() == fs.ModeSymlink
}

// serves reports whether e may stand for o, which wants its place. Of a file that
// a base has, just the contents count.
func (e *Entry) serves(o *Entry) (bool, error) {
	if e.below && e.Mode.IsRegular() && o.Mode.IsRegular() {
		return e.SameContents(o)
	}
	return e.equal(o)
}

// lacks reports whether e, a file with the contents of o, does not allow what that
// does: it may not be read or executed by all, or does not act for another user.
func (e *Entry) lacks(o *Entry) bool {
	const setID = fs.ModeSetuid | fs.ModeSetgid
	return !sameMode(e.Mode, o.Mode) && UnixPerm(o.Mode)&^UnixPerm(e.Mode) != 0 ||
		o.Mode&setID != 0 && (e.UID != o.UID || e.GID != o.GID) ||
		o.XAttrs[Capability] != "" && o.XAttrs[Capability] != e.XAttrs[Capability]
}

// SameContents reports whether two regular files are one, or copies of one.
func (e *Entry) SameContents(o *Entry) (bool, error) { return new(contentComparer).same(e, o) }

// A contentComparer compares contents, one pair after the other in the same memory.
type contentComparer struct{ a, b []byte }

func (c *contentComparer) same(e, o *Entry) (bool, error) {
	switch {
	case e.Size != o.Size:
		return false, nil
	case e.seen != nil && o.seen != nil && os.SameFile(e.seen, o.seen), e.contents != nil && e.contents == o.contents:
		return true, nil
	}
	if known, ok := e.contents.(interface{ Same(Contents) bool }); ok && known.Same(o.contents) {
		return true, nil
	}
	a, err := e.Open()
	if err != nil {
		return false, err
	}
	b, err := o.Open()
	if err != nil {
		return false, errors.Join(err, a.Close())
	}
	same, err := c.read(a, b)
	return same, errors.Join(err, a.Close(), b.Close())
}

// read reads two files of one size up to where they differ.
func (c *contentComparer) read(a, b io.Reader) (bool, error) {
	const size = 64 << 10
	if c.a == nil {
		c.a, c.b = make([]byte, size), make([]byte, size)
	}
	for {
		n, err := readFull(a, c.a)
		if err != nil {
			return false, err
		}
		m, err := readFull(b, c.b)
		if err != nil || !bytes.Equal(c.a[:n], c.b[:m]) {
			return false, err
		}
		if n < size {
			return true, nil
		}
	}
}

// readFull reads until p is full or r ends.
func readFull(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

// fileInfo shows an entry as an fs.FileInfo. Sys returns what the host said of
// the file, so identity on the host is identity in the tree.
type fileInfo struct{ e *Entry }

func (i fileInfo) Name() string               { return path.Base(i.e.Path) }
func (i fileInfo) Size() int64                { return i.e.Size }
func (i fileInfo) Mode() fs.FileMode          { return i.e.Mode }
func (i fileInfo) Type() fs.FileMode          { return i.e.Mode.Type() }
func (i fileInfo) ModTime() time.Time         { return i.e.ModTime }
func (i fileInfo) IsDir() bool                { return i.e.Mode.IsDir() }
func (i fileInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i fileInfo) String() string             { return fs.FormatFileInfo(i) }

func (i fileInfo) Sys() any {
	if i.e.seen == nil {
		return nil
	}
	return i.e.seen.Sys()
}

// memFile is an open file whose contents are in memory.
type memFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *memFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memFile) Close() error               { return nil }

// hostFile is an open file of a host that must stay as it was listed.
type hostFile struct {
	f     *os.File
	entry *Entry
	left  int64 // bytes that are still to come
	more  [1]byte
}

func (f *hostFile) Stat() (fs.FileInfo, error)              { return fileInfo{f.entry}, nil }
func (f *hostFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Read holds the file to the size that it was listed with.
func (f *hostFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.left == 0 {
		return 0, f.end()
	}
	n, err := f.f.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = f.lied()
	}
	return n, err
}

// end returns io.EOF if the file has no more to give.
func (f *hostFile) end() error {
	n, err := f.f.Read(f.more[:])
	if n > 0 {
		return f.lied()
	}
	return err
}

// lied says why the file is of another length than it was listed with.
func (f *hostFile) lied() error {
	if err := f.check(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", f.entry.Source, errMadeUp)
}

// Close closes the file and says whether it changed while it was open.
func (f *hostFile) Close() error {
	changed := f.check()
	if err := f.f.Close(); err != nil {
		return err
	}
	return changed
}

func (f *hostFile) check() error {
	now, err := f.f.Stat()
	if err != nil {
		return err
	}
	was := f.entry.seen
	if !os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) {
		return f.entry.changed()
	}
	return nil
}

func (e *Entry) changed() error { return fmt.Errorf("%s: %w", e.Source, ErrChanged) }
