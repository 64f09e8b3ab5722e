package pack

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
)

// The names by which a layer removes what is below it (OCI image spec, layer.md).
const (
	whiteout = ".wh."         // before the name that is removed
	opaque   = ".wh..wh..opq" // in a folder of which everything is
)

// A change is an entry of a layer: a path that is set, or one that is removed from
// the layers below.
type change struct {
	*tar.Header
	path   string // rooted and clean; of what a whiteout is about, not its own
	target string // of a hard link, rooted and clean
	remove bool   // the path is removed
	opaque bool   // all that is in the folder is removed
	at     int64  // where in the tar contents begin
}

// A scan goes through a layer's tar and holds it to the rules.
type scan struct {
	name    string // of the blob
	budget  *budget
	seen    map[string]seen               // by rooted path
	folders map[string]access             // of the seen that are folders
	fault   func(*FaultError) error       // nil to go on without the entry
	visit   func(change, io.Reader) error // with contents
}

// access is who may do what with a path.
type access struct {
	mode     int64
	uid, gid int
}

// seen is what a layer has at a path.
type seen byte

const (
	nothing seen = iota
	implied      // a folder, because something is in it
	aFolder
	aFile // or anything else that has no paths below it
	aLink
	aWhiteout
)

func newScan(l Layer, b *budget) *scan {
	return &scan{
		name:    l.Blob().name(),
		budget:  b,
		seen:    make(map[string]seen),
		folders: make(map[string]access),
		fault:   func(f *FaultError) error { return f },
		visit:   func(change, io.Reader) error { return nil },
	}
}

// stream goes through the whole of a layer, which is checked at its end.
func (s *scan) stream(ctx context.Context, l Layer, limits Limits) error {
	r, err := OpenTar(l, limits)
	if err != nil {
		return err
	}
	defer r.Close()
	source := &tarSource{ctx: ctx, r: r, spend: func(n int64) error { return s.budget.read(s.name, n) }}
	if err := s.tar(source, source.where); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, source) // what pads the tar counts too
	return err
}

// headers goes through a tar that can be read in place, and reads no contents.
func (s *scan) headers(ctx context.Context, r io.ReaderAt, size int64) error {
	if err := s.budget.read(s.name, size); err != nil {
		return err
	}
	source := &tarSource{ctx: ctx, at: r}
	section := io.NewSectionReader(source, 0, size)
	return s.tar(section, func() (int64, error) {
		n, err := section.Seek(0, io.SeekCurrent)
		return n, cmp.Or(source.err, err)
	})
}

// A tarSource is what a tar is read from, in order or here and there. It knows
// its own errors from those that the tar is to blame for.
type tarSource struct {
	ctx   context.Context
	r     io.Reader
	spend func(n int64) error // counts bytes read in order
	at    io.ReaderAt
	n     int64 // bytes read in order
	err   error
}

func (s *tarSource) Read(p []byte) (int, error) {
	if s.err = cmp.Or(s.err, s.ctx.Err()); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	if limit := s.spend(int64(n)); limit != nil {
		return 0, s.own(limit)
	}
	return n, s.own(err)
}

func (s *tarSource) ReadAt(p []byte, at int64) (int, error) {
	if s.err = cmp.Or(s.err, s.ctx.Err()); s.err != nil {
		return 0, s.err
	}
	n, err := s.at.ReadAt(p, at)
	return n, s.own(err)
}

// own remembers an error that is not just the end.
func (s *tarSource) own(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return err
}

// where returns how much has been read in order, and the source's error.
func (s *tarSource) where() (int64, error) { return s.n, s.err }

// tar goes through the entries of a tar; where tells how much of it has been read.
func (s *scan) tar(r io.Reader, where func() (int64, error)) error {
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		at, broken := where()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case broken != nil:
			return broken
		case err != nil:
			return s.broken(r, at, err)
		case h.Typeflag == tar.TypeXGlobalHeader: // which is about the tar, as of git archive
			continue
		}
		if err := s.budget.spend(s.name, h); err != nil {
			return err
		}
		c, text := s.change(h)
		if c.at = at; text == "" {
			err = s.visit(c, in)
		} else {
			err = s.fault(&FaultError{Blob: s.name, Path: shortened(h.Name), Text: text})
		}
		if err != nil {
			return err
		}
	}
}

// broken says why a tar cannot be read on: if it is because a blob is not the one
// that it should be, that its end tells.
func (s *scan) broken(r io.Reader, at int64, err error) error {
	if _, inPlace := r.(io.Seeker); !inPlace {
		_, atEnd := io.Copy(io.Discard, r)
		if fault := (*FaultError)(nil); errors.As(atEnd, &fault) {
			return fault
		}
	}
	return faultf(s.name, "its tar is broken before byte %d: %s", at, err)
}

func shortened(name string) string {
	if len(name) > 100 {
		return name[:100] + "..."
	}
	return name
}

// change returns what an entry is about, or says what is wrong with it.
func (s *scan) change(h *tar.Header) (c change, wrong string) {
	own, wrong := cleanPath(h.Name)
	if wrong != "" {
		return c, wrong
	}
	h.Mode &= 0o7777 // some tars have the type in it, too, which engines pass over
	c = change{Header: h, path: own}
	switch dir, base := path.Split(own); {
	case isSparse(h):
		return c, "is a sparse file; layers hold files in full"
	case strings.Contains(dir, "/"+whiteout):
		return c, "lies below a whiteout"
	case strings.HasPrefix(base, whiteout):
		wrong = c.whiteout(path.Clean(dir), base)
	default:
		wrong = s.checkType(&c)
	}
	if wrong != "" {
		return c, wrong
	}
	return c, s.place(own, c)
}

// cleanPath returns the rooted form of a path in a layer.
func cleanPath(name string) (clean, wrong string) {
	switch {
	case name == "":
		return "", "has no name"
	case path.IsAbs(name):
		return "", "is an absolute path"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", "leads out of the image"
		}
	}
	return path.Join("/", name), ""
}

// whiteout makes a change of a whiteout, or says why it is none.
func (c *change) whiteout(dir, base string) (wrong string) {
	if c.Typeflag != tar.TypeReg && c.Typeflag != tar.TypeLink { // links are what AUFS made of them
		return "is a whiteout, and no file"
	}
	if base == opaque {
		c.path, c.opaque = dir, true
		return ""
	}
	name := base[len(whiteout):]
	switch {
	case name == "", name == ".", name == "..":
		return "is a whiteout of no name"
	case strings.HasPrefix(name, whiteout):
		return "is a whiteout of a kind that engines do not know"
	}
	c.path, c.remove = path.Join(dir, name), true
	return ""
}

// checkType refuses what cannot be in a root file system.
func (s *scan) checkType(c *change) (wrong string) {
	if !isID(c.Uid) || !isID(c.Gid) {
		return fmt.Sprintf("has the owner %d:%d, which is none", c.Uid, c.Gid)
	}
	switch c.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeFifo:
	case tar.TypeChar, tar.TypeBlock:
		if !isUint32(c.Devmajor) || !isUint32(c.Devminor) {
			return fmt.Sprintf("is the device %d,%d, which is none", c.Devmajor, c.Devminor)
		}
	case tar.TypeSymlink:
		if c.Linkname == "" {
			return "is a link to nothing"
		}
	case tar.TypeLink:
		if c.target, wrong = cleanPath(strings.TrimPrefix(c.Linkname, "/")); wrong != "" {
			return fmt.Sprintf("is a hard link to %q, which %s", c.Linkname, wrong)
		}
		if have := s.seen[c.target]; have != aFile && have != aLink {
			return fmt.Sprintf("is a hard link to %s, which is no file before it in the layer", c.Linkname)
		}
	default:
		return fmt.Sprintf("is an entry of the unknown type %q", c.Typeflag)
	}
	if c.path == "/" && c.Typeflag != tar.TypeDir {
		return "is the root, and no folder"
	}
	return ""
}

// isID reports whether an owner or group is one. The last number of 32 bits says to
// chown(2) that it is to leave them as they are.
func isID(id int) bool { return isUint32(int64(id)) && int64(id) != math.MaxUint32 }

func isUint32(n int64) bool { return n >= 0 && n <= math.MaxUint32 }

// place enters the entry's own path, or says why it cannot be there. Folders that
// are there twice, as in what Bazel makes of several tars, mean the same to all
// engines, if they are alike.
func (s *scan) place(own string, c change) (wrong string) {
	kind, may := c.kind(), access{c.Mode, c.Uid, c.Gid}
	switch have := s.seen[own]; {
	case have == aFolder && kind == aFolder && s.folders[own] == may:
		return ""
	case have == aFolder && kind == aFolder:
		return "is there twice, with another mode or owner"
	case have > implied:
		return "is there twice"
	case have == implied && c.Typeflag != tar.TypeDir:
		return "is no folder, but something before it lies below it"
	}
	for dir := path.Dir(own); dir != "/"; dir = path.Dir(dir) {
		switch s.seen[dir] {
		case aLink:
			return fmt.Sprintf("lies below %s, which is a link", dir[1:])
		case aFile:
			return fmt.Sprintf("lies below %s, which is a file", dir[1:])
		case nothing:
			s.seen[dir] = implied
		}
	}
	s.seen[own] = kind
	if kind == aFolder {
		s.folders[own] = may
	}
	return ""
}

func (c *change) kind() seen {
	switch {
	case c.remove || c.opaque:
		return aWhiteout
	case c.Typeflag == tar.TypeDir:
		return aFolder
	case c.Typeflag == tar.TypeSymlink:
		return aLink
	}
	return aFile
}
