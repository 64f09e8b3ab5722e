package elfdeps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// A root reads the files that searches come across, each once.
type root struct {
	fs       fs.FS
	files    memo[string, *candidate] // by the path that was asked for
	folders  memo[string, bool]       // whether there is one at a path
	decoders sync.Pool                // of *decoder, which are idle
	unwinds  bool                     // candidates are to have their imports
}

// A candidate is what stands at a path.
type candidate struct {
	file    *File    // nil if its header cannot be read
	imports []string // of unwinders
	id      any      // equal for two paths of one file
	err     error
	met     []atomic.Pointer[File] // who has been found to have all versions, by index of VerNeed
}

// kindError is what a candidate that is no regular file has for an error.
type kindError string

func (e kindError) Error() string { return string(e) }

// open reads the ELF file at a rooted path.
func (r *root) open(name string) *candidate {
	return r.files.get(name, func() *candidate {
		d, _ := r.decoders.Get().(*decoder)
		if d == nil {
			d = new(decoder)
		}
		defer r.decoders.Put(d)
		return r.read(d, name)
	})
}

func (r *root) read(d *decoder, name string) *candidate {
	f, info, err := r.openRegular(name)
	if err != nil {
		return &candidate{err: err}
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return &candidate{err: errors.New("the file system cannot read at an offset")}
	}
	id, err := r.identity(name, info)
	if err != nil {
		return &candidate{err: err}
	}
	c := &candidate{id: id}
	c.file, c.err = d.read(at, info.Size())
	if c.err == nil {
		c.met = make([]atomic.Pointer[File], len(c.file.VerNeed))
	}
	if c.err == nil && r.unwinds {
		c.imports, c.err = d.unwinds(c.file)
	}
	return c
}

// hasFolder reports whether there is a folder at a path that is searched.
func (r *root) hasFolder(name string) bool {
	return r.folders.get(name, func() bool {
		valid, err := r.valid(name)
		if err != nil || !path.IsAbs(name) {
			return false
		}
		info, err := fs.Stat(r.fs, valid)
		return err == nil && info.IsDir()
	})
}

// contents returns the file at a rooted path, unless it has more than limit
// bytes.
func (r *root) contents(name string, limit int64) ([]byte, error) {
	f, info, err := r.openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d that are read", info.Size(), limit)
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}

// openRegular opens what a rooted path leads to, after making sure that opening
// it neither blocks nor acts.
func (r *root) openRegular(name string) (fs.File, fs.FileInfo, error) {
	valid, err := r.valid(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := fs.Stat(r.fs, valid)
	if err != nil {
		return nil, nil, cause(err)
	}
	switch {
	case info.IsDir():
		return nil, nil, kindError("is a directory")
	case !info.Mode().IsRegular():
		return nil, nil, kindError("is a device, pipe or socket")
	}
	f, err := r.fs.Open(valid)
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
func (r *root) valid(name string) (string, error) {
	if strings.Contains(name, "/..") {
		real, err := r.realPath(name)
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
func (r *root) realPath(name string) (string, error) {
	if fsys, ok := r.fs.(interface {
		RealPath(name string) (string, error)
	}); ok {
		return fsys.RealPath(name)
	}
	return path.Clean(name), nil
}

// identity returns a value that is equal for two names of one file.
func (r *root) identity(name string, info fs.FileInfo) (any, error) {
	if id, ok := inodeOf(info); ok {
		return id, nil
	}
	return r.realPath(name)
}
