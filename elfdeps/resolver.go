package elfdeps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

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
	// FileInfo.Sys says so (device and inode), else if their real paths are. It
	// must be safe for concurrent use.
	FS fs.FS

	// LibraryPath is the LD_LIBRARY_PATH to assume. Its elements are split at
	// ":" and ";", and may hold $ORIGIN and the like, for the program.
	LibraryPath []string

	// Dlopen says how far to follow what objects open later, by their own notes,
	// and that glibc opens libgcc_s.so.1 for backtrace, pthread_cancel and
	// pthread_exit. NoDlopen is what the loader does.
	Dlopen Priority

	// Hwcaps are the subdirectories of glibc-hwcaps whose libraries suit the
	// processor, the best first: "x86-64-v3", "x86-64-v2". Without any, what is
	// found runs on every processor.
	Hwcaps []string

	// Mentions asks for a search through all bytes of all objects, for names of
	// libraries that they may open later.
	Mentions bool

	// Path is the PATH to assume, in which env(1) looks for the interpreters of
	// scripts. Without one, it looks where execvp(3) does.
	Path []string
}

// Resolve returns the closure of the files with the given names, which begin at
// the root of FS whether or not there is a slash. Whatever goes wrong, it returns
// all that it found: the error joins one *[fs.PathError] for each program that
// could not be read and one *[MissingError] for all needs that are unmet.
func (r *Resolver) Resolve(ctx context.Context, names ...string) (*Closure, error) {
	s := &search{
		root:        root{fs: r.FS, unwinds: r.Dlopen >= Recommended},
		libraryPath: strings.Join(r.LibraryPath, ":"),
		dlopen:      r.Dlopen,
		hwcaps:      r.Hwcaps,
		mention:     r.Mentions,
		path:        strings.Join(r.Path, ":"),
	}
	closure := &Closure{}
	var errs []error
	for i, found := range s.programs(ctx, names) {
		switch {
		case found.err != nil:
			errs = append(errs, &fs.PathError{Op: "resolving", Path: names[i], Err: found.err})
		case found.program != nil:
			closure.Programs = append(closure.Programs, found.program)
		}
	}
	if err := ctx.Err(); err != nil {
		return closure, err
	}
	if missing := closure.Missing(); len(missing) > 0 {
		errs = append(errs, &MissingError{missing})
	}
	return closure, errors.Join(errs...)
}

// A search is one run of Resolve. What it learns of a file or a loader it
// keeps; who gets what when asking for a name depends on the program.
type search struct {
	root
	libraryPath string
	dlopen      Priority
	hwcaps      []string
	mention     bool
	path        string
	loaders     memo[loaderKey, loaderOrError]
	names       memo[*File, []nameAt]
	libcs       memo[*File, bool]
	interps     memo[string, programOrError] // ELF programs that scripts are started with
	linkMaps    sync.Pool                    // of *linkMap, which are idle
}

// A loaderKey is what decides how an interpreter searches.
type loaderKey struct {
	path string
	abi  abi
}

type loaderOrError struct {
	loader *Loader
	err    error
}

type programOrError struct {
	program *Program
	err     error
}

// programs resolves many programs at once, which have nothing to do with each
// other but the files that they share. The results are in the order of names, and
// zero for what was not begun when ctx was done.
func (s *search) programs(ctx context.Context, names []string) []programOrError {
	found := make([]programOrError, len(names))
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(names) {
				return
			}
			found[i].program, found[i].err = s.program(names[i])
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
	return found
}

// program resolves one program.
func (s *search) program(name string) (*Program, error) {
	c := s.open(name)
	if errors.Is(c.err, ErrNotELF) {
		return s.script(c, name, lineage{})
	}
	if c.err != nil {
		return nil, c.err
	}
	if !c.file.loadable() {
		return nil, fmt.Errorf("an ELF file of type %v, neither program nor library", c.file.Type)
	}
	self := &Object{File: c.file, Path: rooted(name), candidate: c}
	p := &Program{Name: name, Objects: []*Object{self}, self: self}
	if c.file.Static() {
		return p, nil
	}
	interp := c.file.Interp
	if interp == "" { // a library: it will be opened by a program of its architecture
		interp = cmp.Or(muslInterp(c.file), c.file.Arch.abi().interp)
	}
	var err error
	if p.Loader, err = s.loader(interp, c.file.Arch); err != nil {
		return nil, err
	}
	m := newLinkMap(s, p)
	defer m.release()
	m.start(interp)
	return p, nil
}

// loader reads the interpreter at path, once for each architecture. One that
// is not there, or no file, has the rules of its architecture's usual one; the
// need for it is unmet.
func (s *search) loader(name string, arch Arch) (*Loader, error) {
	found := s.loaders.get(loaderKey{name, arch.abi()}, func() (l loaderOrError) {
		l.loader, l.err = s.readLoader(name, arch)
		return l
	})
	return found.loader, found.err
}

func (s *search) readLoader(name string, arch Arch) (*Loader, error) {
	var data []byte
	if c := s.open(name); c.err == nil {
		var err error
		if data, err = s.contents(name, maxLoader); err != nil {
			return nil, fmt.Errorf("reading its loader %s: %w", name, err)
		}
		switch libcOf(data) {
		case musl:
			return s.newMuslLoader(name, data, arch.abi()), nil
		case unknownLibc:
			return nil, fmt.Errorf("%s is neither glibc's nor musl's loader, and only their rules are known here", name)
		}
	}
	l := newLoader(name, data, arch.abi())
	l.hwcaps = s.hwcaps
	if l.CachePath != "" {
		s.readCache(l, arch)
	}
	return l, nil
}

// readCache gives a loader its ld.so.cache, unless it would not use it. Where
// there is none, ld.so.conf says what ldconfig would put into one: what the
// loader does not find as it is, it would find then.
func (s *search) readCache(l *Loader, arch Arch) {
	data, err := s.contents(l.CachePath, maxLoader)
	if errors.Is(err, fs.ErrNotExist) {
		l.ConfDirs = s.confDirs(strings.TrimSuffix(l.CachePath, "cache") + "conf")
	}
	if err != nil {
		return
	}
	if c, err := ldcache.Parse(data, arch.ByteOrder()); err == nil {
		l.Cache = c
	}
}
