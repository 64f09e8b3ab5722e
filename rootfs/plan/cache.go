package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
)

// lookups adds the files in which the image's loaders look up where libraries
// are.
func (b *builder) lookups() error {
	for p := range b.plan.Closure.All() {
		var err error
		switch l := p.Loader; {
		case l == nil:
		case l.Musl && !b.taken(l.PathFile):
			err = b.pathFile(l)
		case l.CachePath != "" && (!b.taken(l.CachePath) || b.spec.Base != nil):
			err = b.cache(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pathFile adds the list of directories of musl's loader. Those of the library
// path come first, as they did when libraries were searched for. No list is
// needed where the host has none either.
func (b *builder) pathFile(l *elfdeps.Loader) error {
	var dirs []string
	if b.spec.Layout == Flat {
		dirs = []string{flatLibraries}
	} else {
		for _, n := range b.needs(l) {
			if dir := path.Dir(n.Object.Path); n.Rule.Kind == elfdeps.RuleLibraryPath && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	why := rootfs.Reason{Kind: "generated", From: l.Path, Text: "list of library directories"}
	if len(dirs) == 0 {
		if _, err := b.host.Stat(l.PathFile[1:]); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		why.Kind = "loader"
		return b.tree.AddHost(b.host, l.PathFile, why)
	}
	if b.spec.Layout != Flat {
		dirs = append(dirs, l.DefaultDirs...)
	}
	data := []byte(strings.Join(dirs, "\n") + "\n")
	return b.tree.Add(rootfs.File(l.PathFile, 0o644, data).For(why))
}

// cache adds the index of glibc's loader, unless there is nothing to list. That
// of a base is amended.
func (b *builder) cache(l *elfdeps.Loader) error {
	base, err := b.cacheOfBase(l)
	if err != nil {
		return err
	}
	if base == nil && b.taken(l.CachePath) {
		return nil // by what the user has added
	}
	c := &ldcache.Cache{Generator: "harvest"}
	if l.Cache != nil && l.Cache.Generator != "" {
		c.Generator = l.Cache.Generator
	}
	if b.spec.Layout == Flat {
		b.cacheFlat(c, l)
	} else {
		b.cacheMirror(c, l)
	}
	// Whoever needs what no index can hold may find it in a default directory all
	// the same. The law says if not.
	c.Entries = slices.DeleteFunc(c.Entries, func(e ldcache.Entry) bool { return b.unlisted(e.Name) != nil })
	if len(c.Entries) == 0 {
		return nil
	}
	if base != nil {
		if !addToCache(base, c.Entries) {
			return nil
		}
		c = base
		c.Entries = slices.DeleteFunc(c.Entries, func(e ldcache.Entry) bool { return b.unlisted(e.Name) != nil && b.byDefault(l, e) })
		if i := slices.IndexFunc(c.Entries, func(e ldcache.Entry) bool { return b.unlisted(e.Name) != nil }); i >= 0 {
			b.fixed = b.unlisted(c.Entries[i].Name)
			return nil // the base's stays as it is, and the law says whether that will do
		}
	}
	data, err := c.Append(nil, b.plan.Arch.ByteOrder())
	if err != nil {
		return fmt.Errorf("writing %s: %w", l.CachePath, err)
	}
	why := rootfs.Reason{Kind: "generated", From: l.Path, Text: "index of libraries"}
	return b.tree.Add(rootfs.File(l.CachePath, 0o644, data).For(why))
}

// unlisted returns why a name cannot be in an index, nil if it can.
func (b *builder) unlisted(name string) error {
	_, err := (&ldcache.Cache{Entries: []ldcache.Entry{{Name: name}}}).Append(nil, b.plan.Arch.ByteOrder())
	return err
}

// byDefault reports whether a loader without an index finds the file of an entry.
func (b *builder) byDefault(l *elfdeps.Loader, e ldcache.Entry) bool {
	want, err := b.tree.RealPath(e.Path)
	if err != nil {
		return true // there is nothing to be found
	}
	for _, dir := range l.DefaultDirs {
		if got, err := b.tree.RealPath(path.Join(dir, e.Name)); err == nil {
			return got == want
		}
	}
	return false
}

// cacheMirror lists, in the order in which the loader searched on the host, what
// the library path led to, what the host's cache says of files that are in the
// tree, and what default directories hold beside that. Libraries that only some
// DT_RPATH or DT_RUNPATH leads to stay private to it.
func (b *builder) cacheMirror(c *ldcache.Cache, l *elfdeps.Loader) {
	type key struct {
		name, path, hwcap string
		flags             uint32
	}
	have := make(map[key]bool)
	add := func(e ldcache.Entry) {
		if k := (key{e.Name, e.Path, e.HwcapName, e.Flags}); !have[k] {
			c.Entries = append(c.Entries, e)
			have[k] = true
		}
	}
	found := func(kind elfdeps.RuleKind) {
		for p, n := range b.needs(l) {
			if n.Rule.Kind == kind {
				add(cacheEntry(p, n, n.Object.Path))
			}
		}
	}
	found(elfdeps.RuleLibraryPath)
	if l.Cache != nil {
		for _, e := range l.Cache.Entries {
			if b.holds(e.Path) {
				add(e)
			}
		}
	}
	found(elfdeps.RuleDefault)
	found(elfdeps.RuleConf)
}

// cacheFlat lists every library under every name it is asked for.
func (b *builder) cacheFlat(c *ldcache.Cache, l *elfdeps.Loader) {
	have := make(map[ldcache.Entry]bool)
	for p, n := range b.needs(l) {
		file := flatPath(n)
		e := cacheEntry(p, n, file)
		if !strings.Contains(n.Name, "/") && !have[e] && b.holds(file) {
			c.Entries = append(c.Entries, e)
			have[e] = true
		}
	}
}

// cacheEntry says where the library is that meets a need of a program. The
// loader takes what is for its own ABI, which the library, having none of its
// own, may not say.
func cacheEntry(p *elfdeps.Program, n elfdeps.Need, file string) ldcache.Entry {
	return ldcache.Entry{Flags: p.Self().Arch.CacheFlags(), Name: n.Name, Path: file, HwcapName: n.Object.Hwcap}
}

// needs returns every met need, with its program, of the programs whose loader
// looks them up where l does.
func (b *builder) needs(l *elfdeps.Loader) iter.Seq2[*elfdeps.Program, elfdeps.Need] {
	return func(yield func(*elfdeps.Program, elfdeps.Need) bool) {
		for c := range b.plan.closures() {
			for p := range c.All() {
				if p.Loader == nil || p.Loader.CachePath != l.CachePath || p.Loader.PathFile != l.PathFile {
					continue
				}
				for n := range p.Needs() {
					if n.Object != nil && !yield(p, n) {
						return
					}
				}
			}
		}
	}
}

// holds reports whether a path leads to something in the tree.
func (b *builder) holds(file string) bool {
	_, err := b.tree.RealPath(file)
	return err == nil
}

// taken reports whether somebody has put something at a path, be it a link to
// nothing.
func (b *builder) taken(file string) bool {
	_, err := b.tree.Lstat(file[1:])
	return err == nil
}
