package plan

import (
	"path"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
)

// cache adds the index in which the image's loader looks libraries up.
func (b *builder) cache() error {
	for _, p := range b.plan.Closure.Programs {
		l := p.Loader
		if l == nil || l.CachePath == "" || b.holds(l.CachePath) {
			continue
		}
		c := &ldcache.Cache{Generator: "harvest"}
		if l.Cache != nil && l.Cache.Generator != "" {
			c.Generator = l.Cache.Generator
		}
		if b.spec.Layout == Flat {
			b.cacheFlat(c)
		} else {
			b.cacheMirror(c, l)
		}
		if len(c.Entries) == 0 {
			continue
		}
		data, err := c.Append(nil, b.plan.Arch.ByteOrder())
		if err != nil {
			return err
		}
		why := rootfs.Reason{Kind: "generated", From: l.Path, Text: "index of libraries"}
		if err := b.tree.Add(rootfs.File(l.CachePath, 0o644, data).For(why)); err != nil {
			return err
		}
	}
	return nil
}

// cacheMirror takes over what the host's cache says of files that are in the
// tree, and adds libraries that were found where the image's loader would not
// look, or that the host's loader found without its cache. Libraries that only
// some DT_RPATH or DT_RUNPATH leads to stay private to it.
func (b *builder) cacheMirror(c *ldcache.Cache, l *elfdeps.Loader) {
	type key struct{ name, path string }
	have := make(map[key]bool)
	if l.Cache != nil {
		for _, e := range l.Cache.Entries {
			if b.holds(e.Path) {
				c.Entries = append(c.Entries, e)
				have[key{e.Name, e.Path}] = true
			}
		}
	}
	for n := range b.needs() {
		found := n.Rule.Kind == elfdeps.RuleDefault || n.Rule.Kind == elfdeps.RuleLibraryPath
		if k := (key{n.Name, n.Object.Path}); found && !have[k] {
			c.Entries = append(c.Entries, cacheEntry(n, n.Object.Path))
			have[k] = true
		}
	}
}

// cacheFlat lists every library under every name it is asked for.
func (b *builder) cacheFlat(c *ldcache.Cache) {
	have := make(map[string]bool)
	for n := range b.needs() {
		file := flatLibraries + "/" + path.Base(n.Name)
		if !n.Interp() && !have[n.Name] && b.holds(file) {
			c.Entries = append(c.Entries, cacheEntry(n, file))
			have[n.Name] = true
		}
	}
}

func cacheEntry(n elfdeps.Need, file string) ldcache.Entry {
	return ldcache.Entry{Flags: n.Object.Arch.CacheFlags(), Name: n.Name, Path: file}
}

// needs returns every met need of every program.
func (b *builder) needs() func(yield func(elfdeps.Need) bool) {
	return func(yield func(elfdeps.Need) bool) {
		for _, p := range b.plan.Closure.Programs {
			for _, o := range p.Objects {
				for _, n := range o.Needs {
					if n.Object != nil && !yield(n) {
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
