package pack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

const (
	maxMembers = 100_000
	maxNames   = 16 << 20 // bytes of all names of members
	maxHops    = 10       // from one link of an archive to the next
)

// A tarIndex is a tar as an [fs.FS] whose files are read where they lie. Links
// lead to members and never outside.
type tarIndex struct {
	r       io.ReaderAt
	members map[string]tarMember
}

// A tarMember says where the bytes of a member are.
type tarMember struct {
	at, size int64
	link     string // the member that is meant instead
	dir      bool
}

// indexTar reads the headers of a tar of the given size, and passes over what is
// between them.
func indexTar(r io.ReaderAt, size int64) (*tarIndex, error) {
	x := &tarIndex{r: r, members: make(map[string]tarMember)}
	section := io.NewSectionReader(r, 0, size)
	names := 0
	for in := tar.NewReader(section); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return x, nil
		}
		at, serr := section.Seek(0, io.SeekCurrent)
		if serr != nil {
			return nil, serr
		}
		if err != nil {
			return nil, tarError(err, at)
		}
		if names += len(h.Name) + len(h.Linkname); names > maxNames || len(x.members) >= maxMembers {
			return nil, fmt.Errorf("more than %d members, or more than %d bytes of names: this is no image", maxMembers, maxNames)
		}
		if err := x.add(h, at, size); err != nil {
			return nil, err
		}
	}
}

// tarError says where a tar is broken.
func tarError(err error, at int64) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is cut off after %d bytes", at)
	case at <= blockSize:
		return errors.New("this is no tar")
	}
	return fmt.Errorf("the archive is broken before byte %d: %w", at, err)
}

// add enters the member whose contents begin at a place of the tar.
func (x *tarIndex) add(h *tar.Header, at, end int64) error {
	name := path.Clean(h.Name) // "./index.json" is as good as "index.json"
	if !fs.ValidPath(name) {
		return faultf(h.Name, "is no name of a member: it leads out of the archive")
	}
	m := tarMember{at: at, size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg:
		if isSparse(h) {
			return faultf(h.Name, "is a sparse file, which cannot be read in place")
		}
		if h.Size > end-at {
			return fmt.Errorf("the archive is cut off in %s", h.Name)
		}
	case tar.TypeDir:
		m = tarMember{dir: true}
	case tar.TypeSymlink:
		m = tarMember{link: path.Join(path.Dir(name), h.Linkname)}
		if path.IsAbs(h.Linkname) {
			m.link = path.Clean(h.Linkname)[1:]
		}
	case tar.TypeLink:
		m = tarMember{link: path.Clean(h.Linkname)}
	default: // which is nothing that an image consists of
		return nil
	}
	if have, twice := x.members[name]; twice && !(have.dir && m.dir) {
		return faultf(h.Name, "is there twice")
	}
	x.members[name] = m
	return nil
}

// isSparse reports whether a member leaves out the zeros of its file.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// Open opens a member.
func (x *tarIndex) Open(name string) (fs.File, error) {
	m, found := x.members[name]
	for hops := 0; found && m.link != ""; hops++ {
		if hops == maxHops {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("too many links")}
		}
		m, found = x.members[m.link]
	}
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &tarFile{io.NewSectionReader(x.r, m.at, m.size), path.Base(name), m}, nil
}

// A tarFile is an open member, and what fs.Stat says of it.
type tarFile struct {
	*io.SectionReader
	name   string
	member tarMember
}

func (f *tarFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *tarFile) Close() error               { return nil }
func (f *tarFile) Name() string               { return f.name }
func (f *tarFile) Size() int64                { return f.member.size }
func (f *tarFile) ModTime() time.Time         { return time.Time{} }
func (f *tarFile) IsDir() bool                { return f.member.dir }
func (f *tarFile) Sys() any                   { return nil }

func (f *tarFile) Mode() fs.FileMode {
	if f.member.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
