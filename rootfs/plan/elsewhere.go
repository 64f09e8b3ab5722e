package plan

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// An Elsewhere is a file by the name of a library that was not found, in a
// folder where the loader does not look.
type Elsewhere struct {
	Name string // that is missing
	Path string
	Arch elfdeps.Arch
	Fits bool // it is for the platform of who needs it
}

// likely are the folders that hold libraries on some system or other, in the
// order in which they are searched.
var likely = []string{"usr/local", "opt", "usr/lib*", "lib*", "usr/libexec", "srv"}

// maxElsewhere bounds how many names a search for libraries looks at. A desktop
// system has some 100,000 in the likely folders.
const maxElsewhere = 1 << 18

// LookElsewhere returns the ELF files of a host that have the names of missing
// libraries and are not what the loader has refused, those near the programs
// first. It looks below the programs' own folders and where libraries are likely
// to be, and follows no link to a folder. That it finds nothing proves nothing:
// it stops after a while, and passes over what it cannot read.
func LookElsewhere(ctx context.Context, host *rootfs.Host, missing []elfdeps.Missing) []Elsewhere {
	s := &elsewhere{
		ctx:    ctx,
		host:   host,
		wanted: make(map[string][]elfdeps.Missing),
		seen:   make(map[string]bool),
		left:   maxElsewhere,
	}
	var starts []string
	for _, m := range missing {
		name := m.Need.Name
		if m.Need.Object != nil || m.Need.Interp() || name == "" || strings.Contains(name, "/") {
			continue
		}
		s.wanted[name] = append(s.wanted[name], m)
		starts = append(starts, ownFolder(host, m.Program))
	}
	if len(s.wanted) == 0 {
		return nil
	}
	for _, pattern := range likely {
		names, err := fs.Glob(host, pattern)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		starts = append(starts, names...)
	}
	for _, start := range starts {
		if real, err := host.RealPath("/" + start); err == nil && real != "/" {
			s.folder(real[1:])
		}
	}
	return s.found
}

// ownFolder returns the folder that a program was installed into, "" if that is
// the system's.
func ownFolder(host *rootfs.Host, program string) string {
	real, err := host.RealPath(program)
	if err != nil {
		return ""
	}
	dir := path.Dir(real)
	switch path.Base(dir) {
	case "bin", "sbin", "lib", "lib64", "libexec":
		dir = path.Dir(dir)
	}
	if dir == "/" || dir == "/usr" {
		return ""
	}
	return dir[1:]
}

// elsewhere is one search for libraries by their names.
type elsewhere struct {
	ctx    context.Context
	host   *rootfs.Host
	wanted map[string][]elfdeps.Missing
	seen   map[string]bool // folders
	left   int             // how many names may still be looked at
	found  []Elsewhere
}

// folder searches a folder and those below it, files first.
func (s *elsewhere) folder(name string) {
	if s.seen[name] || s.left < 0 || s.ctx.Err() != nil {
		return
	}
	s.seen[name] = true
	list, err := s.host.ReadDir(name)
	if err != nil {
		return
	}
	s.left -= len(list)
	for _, entry := range list {
		if missing := s.wanted[entry.Name()]; missing != nil && !entry.IsDir() {
			s.file(path.Join(name, entry.Name()), missing)
		}
	}
	for _, entry := range list {
		if entry.IsDir() {
			s.folder(path.Join(name, entry.Name()))
		}
	}
}

// file takes a file by a name that is missing, unless the loader has refused it.
func (s *elsewhere) file(name string, missing []elfdeps.Missing) {
	refused := func(p elfdeps.Probe) bool { return s.same(p.Path, "/"+name) }
	missing = slices.DeleteFunc(slices.Clone(missing), func(m elfdeps.Missing) bool {
		return slices.ContainsFunc(m.Search, refused)
	})
	if len(missing) == 0 {
		return
	}
	arch, err := archOf(s.host, name)
	if err != nil {
		return
	}
	fits := slices.ContainsFunc(missing, func(m elfdeps.Missing) bool { return m.Arch.String() == arch.String() })
	s.found = append(s.found, Elsewhere{Name: missing[0].Need.Name, Path: "/" + name, Arch: arch, Fits: fits})
}

// same reports whether two paths lead to one file.
func (s *elsewhere) same(a, b string) bool {
	realA, errA := s.host.RealPath(a)
	realB, errB := s.host.RealPath(b)
	return errA == nil && errB == nil && realA == realB
}

// archOf returns what an ELF file is made for.
func archOf(host fs.FS, name string) (elfdeps.Arch, error) {
	info, err := fs.Stat(host, name)
	if err != nil {
		return elfdeps.Arch{}, err
	}
	if !info.Mode().IsRegular() {
		return elfdeps.Arch{}, elfdeps.ErrNotELF
	}
	f, err := host.Open(name)
	if err != nil {
		return elfdeps.Arch{}, err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return elfdeps.Arch{}, errors.ErrUnsupported
	}
	file, err := elfdeps.Read(at, info.Size())
	if err != nil {
		return elfdeps.Arch{}, err
	}
	return file.Arch, nil
}
