package elfdeps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

// A Resolver holds what the loader would know besides the files. FS is
// required; other zero values mean the loader's default. The environment of the
// running process plays no part.
type Resolver struct {
	// FS is the root to search. If it has a method RealPath(name string)
	// (string, error), which follows all links of a name to a rooted path, that
	// is what "..", $ORIGIN and identity go by; else names are taken to hold no
	// links. Files must implement io.ReaderAt. Two files are the same if their
	// FileInfo.Sys says so (device and inode), else if their real paths are.
	FS fs.FS

	// LibraryPath is the LD_LIBRARY_PATH to assume, split at ":" and ";".
	LibraryPath []string
}

// Resolve returns the closure of the files with the given rooted names.
// Whatever goes wrong, it returns all that it found: the error joins one
// *[fs.PathError] for each program that could not be read and one *[MissingError]
// for all needs that are unmet.
func (r *Resolver) Resolve(ctx context.Context, names ...string) (*Closure, error) {
	s := &search{fs: r.FS, files: make(map[string]*candidate), loaders: make(map[string]*Loader)}
	for _, dir := range r.LibraryPath {
		s.libraryPath = append(s.libraryPath, searchDir{dir: strings.TrimRight(dir, "/"), text: dir})
	}
	closure := &Closure{}
	var errs []error
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return closure, err
		}
		p, err := s.program(name)
		if err != nil {
			errs = append(errs, &fs.PathError{Op: "resolving", Path: name, Err: err})
			continue
		}
		closure.Programs = append(closure.Programs, p)
	}
	if missing := closure.Missing(); len(missing) > 0 {
		errs = append(errs, &MissingError{missing})
	}
	return closure, errors.Join(errs...)
}

// A ScriptError means that a program is a script, which is the interpreter's
// matter and not the loader's.
type ScriptError struct{ Line string }

func (e *ScriptError) Error() string { return fmt.Sprintf("a script (%s), not an ELF file", e.Line) }

// Unwrap makes a script errors.Is [ErrNotELF].
func (e *ScriptError) Unwrap() error { return ErrNotELF }

// A search is one run of Resolve. What it learns of a path it keeps: the answer
// to who needs what depends on the program, what a file says does not.
type search struct {
	fs          fs.FS
	libraryPath []searchDir
	files       map[string]*candidate
	loaders     map[string]*Loader
}

// A candidate is what stands at a path.
type candidate struct {
	file *File // nil if its header cannot be read
	id   any
	err  error
}

// errKind is what a candidate that is no regular file has for an error.
type errKind string

func (e errKind) Error() string { return string(e) }

// open reads the ELF file at a rooted path, once.
func (s *search) open(name string) *candidate {
	if c, ok := s.files[name]; ok {
		return c
	}
	c := &candidate{}
	c.file, c.id, c.err = s.read(name)
	s.files[name] = c
	return c
}

func (s *search) read(name string) (*File, any, error) {
	f, info, err := s.openRegular(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, nil, errors.New("the file system cannot read at an offset")
	}
	id, err := s.identity(name, info)
	if err != nil {
		return nil, nil, err
	}
	file, err := Read(r, info.Size())
	return file, id, err
}

// openRegular opens what a rooted path leads to, after making sure that opening
// it neither blocks nor acts.
func (s *search) openRegular(name string) (fs.File, fs.FileInfo, error) {
	valid, err := s.valid(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := fs.Stat(s.fs, valid)
	if err != nil {
		return nil, nil, cause(err)
	}
	switch {
	case info.IsDir():
		return nil, nil, errKind("is a directory")
	case !info.Mode().IsRegular():
		return nil, nil, errKind("is a device, pipe or socket")
	}
	f, err := s.fs.Open(valid)
	return f, info, cause(err)
}

// cause takes the path, which the caller knows better, out of an error.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// valid turns a rooted path into a name for the fs.FS. A ".." is the parent of
// where the path leads to, not of how it is spelt.
func (s *search) valid(name string) (string, error) {
	if strings.Contains(name, "/..") {
		real, err := s.realPath(name)
		if err != nil {
			return "", cause(err)
		}
		name = real
	}
	name = strings.TrimPrefix(path.Clean(name), "/")
	if name == "" {
		name = "."
	}
	return name, nil
}

// realPath follows every link in name.
func (s *search) realPath(name string) (string, error) {
	if r, ok := s.fs.(interface {
		RealPath(name string) (string, error)
	}); ok {
		return r.RealPath(name)
	}
	return path.Clean(name), nil
}

// identity returns a value that is equal for two names of one file.
func (s *search) identity(name string, info fs.FileInfo) (any, error) {
	if id, ok := inodeOf(info); ok {
		return id, nil
	}
	return s.realPath(name)
}

// program resolves one program.
func (s *search) program(name string) (*Program, error) {
	c := s.open(name)
	if errors.Is(c.err, ErrNotELF) {
		return nil, s.notELF(name)
	}
	if c.err != nil {
		return nil, c.err
	}
	if !c.file.loadable() {
		return nil, fmt.Errorf("an ELF file of type %v, neither program nor library", c.file.Type)
	}
	p := &Program{Name: name}
	self := &Object{File: c.file, Path: name, id: c.id}
	p.Objects = []*Object{self}
	if c.file.Static() {
		return p, nil
	}
	m := &linkMap{search: s, prog: p, self: self, known: make(map[string]*Object), inodes: make(map[any]*Object)}
	if err := m.start(); err != nil {
		return nil, err
	}
	return p, nil
}

// notELF tells a script from other files that are not ELF.
func (s *search) notELF(name string) error {
	f, _, err := s.openRegular(name)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 256) // BINPRM_BUF_SIZE: what the kernel reads of a #! line
	n, _ := io.ReadFull(f, buf)
	line, _, _ := bytes.Cut(buf[:n], []byte("\n"))
	if bytes.HasPrefix(line, []byte("#!")) {
		return &ScriptError{strings.TrimSpace(string(line))}
	}
	return ErrNotELF
}

// loader reads the interpreter at path, once for each architecture.
func (s *search) loader(name string, arch Arch) (*Loader, error) {
	key := name + " " + arch.String()
	if l := s.loaders[key]; l != nil {
		return l, nil
	}
	data, err := s.contents(name, maxLoader)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if bytes.Contains(data, []byte("/etc/ld-musl-")) {
		return nil, fmt.Errorf("%s is musl's loader, and only glibc's rules are known here", name)
	}
	l := newLoader(name, data, arch)
	if l.CachePath != "" {
		data, err := s.contents(l.CachePath, maxLoader)
		if err == nil {
			if cache, err := ldcache.Parse(data, arch.ByteOrder()); err == nil {
				l.useCache(cache, arch)
			}
		}
	}
	s.loaders[key] = l
	return l, nil
}

// contents returns at most limit bytes of the file at a rooted path.
func (s *search) contents(name string, limit int64) ([]byte, error) {
	f, info, err := s.openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes are too many", name, info.Size())
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}
