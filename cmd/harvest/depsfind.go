package main

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

var (
	errNoMatch = errors.New("no file matches")
	errNoneELF = errors.New("no program or library among the files that match")
	errNoneIn  = errors.New("no program or library is in there")
)

// depsSpec is the spec of the programs that are there, whose names may hold
// colons; missing is about the others.
func (o *depsOptions) depsSpec(ctx context.Context, host *rootfs.Host) (spec plan.Spec, missing, err error) {
	if err := o.search(&spec); err != nil {
		return spec, nil, err
	}
	spec.Mentions = o.scan
	var errs []error
	add := func(files []string, err error) {
		for _, file := range files {
			spec.Programs = append(spec.Programs, plan.Input{Source: file})
		}
		errs = append(errs, err)
	}
	for _, given := range o.programs {
		add(o.named(host, given))
	}
	for _, dir := range o.allIn {
		add(o.programsIn(ctx, host, dir))
	}
	return spec, errors.Join(errs...), ctx.Err()
}

// named returns the files that one argument names: itself, or what it matches.
func (o *depsOptions) named(host *rootfs.Host, given string) ([]string, error) {
	name := given
	if name == "" {
		return nil, usagef(`"" names no program`)
	}
	if strings.Contains(name, "/") {
		var err error
		if name, err = o.hostPath(name); err != nil {
			return nil, err
		}
	}
	file, err := plan.Find(host, name)
	if err == nil {
		_, err = host.RealPath(file)
	}
	switch {
	case err == nil:
		return []string{file}, nil
	case strings.ContainsAny(name, "*?["):
		return matching(host, name)
	case errors.Is(err, fs.ErrNotExist) && o.isBelowRoot(host, given):
		return nil, fmt.Errorf("%s: %w", given, errBelowRoot)
	}
	return nil, err
}

// matching returns the programs and libraries that a pattern matches, each file
// once. A pattern without a slash is for the names of programs that are looked
// up, where the first of a name counts.
func matching(host *rootfs.Host, pattern string) ([]string, error) {
	patterns, lookup := []string{pattern}, !strings.Contains(pattern, "/")
	if lookup {
		patterns = nil
		for _, dir := range plan.SearchPath {
			patterns = append(patterns, dir+"/"+pattern)
		}
	}
	m := &matches{host: host, seen: make(map[string]bool)}
	for _, p := range patterns {
		names, err := fs.Glob(host, p[1:])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
		for _, name := range names {
			m.take(name, lookup)
		}
	}
	switch {
	case len(m.seen) == 0:
		return nil, fmt.Errorf("%s: %w", pattern, errNoMatch)
	case len(m.files) == 0:
		return nil, fmt.Errorf("%s: %w", pattern, errNoneELF)
	}
	return m.files, nil
}

// matches collects what patterns match.
type matches struct {
	host  *rootfs.Host
	files []string        // rooted
	seen  map[string]bool // by real path, and by name if it is looked up
}

// take takes what a name leads to if it is a program or library and, for one
// that is looked up, executable.
func (m *matches) take(name string, lookup bool) {
	keys := []string{name}
	if real, err := m.host.RealPath(name); err == nil {
		keys[0] = real
	}
	if lookup {
		info, err := m.host.Stat(name)
		if err != nil || info.Mode()&0o111 == 0 {
			return
		}
		keys = append(keys, path.Base(name))
	}
	for _, key := range keys {
		if m.seen[key] {
			return
		}
	}
	for _, key := range keys {
		m.seen[key] = true
	}
	if ok, err := isLoadable(m.host, name); err == nil && ok {
		m.files = append(m.files, "/"+name)
	}
}

// programsIn returns the programs and libraries in a folder and those below it,
// sorted, each file once: under its own name, else under that of a link to it.
// What could not be looked at is an error, beside the others.
func (o *depsOptions) programsIn(ctx context.Context, host *rootfs.Host, dir string) ([]string, error) {
	given := dir
	if given == "" {
		return nil, usagef(`--all-in "" names no folder`)
	}
	dir, err := o.hostPath(dir)
	if err != nil {
		return nil, err
	}
	if err := isFolder(host, dir); err != nil {
		return nil, fmt.Errorf("--all-in %s: %w", given, err)
	}
	w := &walk{ctx: ctx, host: host, seen: make(map[string]bool)}
	w.folder(fsPath(dir))
	for _, link := range w.links {
		w.file(link)
	}
	if len(w.files) == 0 && len(w.errs) == 0 {
		return nil, fmt.Errorf("--all-in %s: %w", given, errNoneIn)
	}
	slices.Sort(w.files)
	return w.files, errors.Join(w.errs...)
}

// A walk collects the programs and libraries below a folder.
type walk struct {
	ctx   context.Context
	host  *rootfs.Host
	files []string        // rooted
	links []string        // to be looked at when all files have been seen
	seen  map[string]bool // by real path
	errs  []error
}

// isApart reports whether a folder holds no programs though it has ELF files: the
// kernel's own file systems, and the debugging information that was taken out of
// programs.
func isApart(name string) bool {
	switch name {
	case "proc", "sys", "dev", "usr/lib/debug":
		return true
	}
	return path.Base(name) == ".debug"
}

// folder walks a folder. Links to folders are not followed.
func (w *walk) folder(name string) {
	list, err := w.host.ReadDir(name)
	if err != nil {
		w.errs = append(w.errs, err)
	}
	for _, entry := range list {
		below := path.Join(name, entry.Name())
		switch typ := entry.Type(); {
		case w.ctx.Err() != nil:
			return
		case typ.IsDir() && !isApart(below):
			w.folder(below)
		case typ.IsRegular():
			w.file(below)
		case typ == fs.ModeSymlink:
			w.links = append(w.links, below)
		}
	}
}

// file takes a file if it is a program or library that has not been seen.
func (w *walk) file(name string) {
	real, err := w.host.RealPath(name)
	if err != nil || w.seen[real] { // a link that leads nowhere names no program
		return
	}
	w.seen[real] = true
	ok, err := isLoadable(w.host, name)
	if err != nil {
		w.errs = append(w.errs, err)
	}
	if ok {
		w.files = append(w.files, "/"+name)
	}
}

// isLoadable reports whether a name leads to an ELF file of the kinds that the
// kernel or the loader maps. Only regular files are opened.
func isLoadable(host *rootfs.Host, name string) (bool, error) {
	info, err := host.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	f, err := host.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [18]byte // up to e_type
	if _, err := io.ReadFull(f, head[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		return false, err
	}
	if string(head[:4]) != elf.ELFMAG {
		return false, nil
	}
	typ := binary.LittleEndian.Uint16(head[16:])
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		typ = binary.BigEndian.Uint16(head[16:])
	}
	return elf.Type(typ) == elf.ET_EXEC || elf.Type(typ) == elf.ET_DYN, nil
}

// isFolder returns an error if a rooted path leads to no folder.
func isFolder(host *rootfs.Host, name string) error {
	real, err := host.RealPath(name)
	if err != nil {
		return causeOf(err)
	}
	info, err := host.Stat(fsPath(real))
	if err != nil {
		return causeOf(err)
	}
	if !info.IsDir() {
		return errors.New("not a folder")
	}
	return nil
}

// fsPath turns a rooted path into a name for an fs.FS.
func fsPath(rooted string) string {
	if rooted == "/" {
		return "."
	}
	return strings.TrimPrefix(rooted, "/")
}

// causeOf takes the path, which has been named, out of an error.
func causeOf(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
