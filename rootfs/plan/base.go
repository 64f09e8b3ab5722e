package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
)

// stack begins the tree with what the base has. What the user names may take the
// place of something there, though not of a link to a folder, such as a merged
// /usr has: all that is in it would be gone. So may what is made from what is there.
func (b *builder) stack(base *rootfs.Tree) error {
	if b.spec.Layout == Flat {
		return fmt.Errorf("the layout %s has folders of its own, which a base would have too", Flat)
	}
	b.tree = rootfs.Upon(base)
	b.replaced = make(map[string]int)
	b.tree.Replace = func(base, by *rootfs.Entry) bool {
		if info, err := b.tree.Stat(base.Path[1:]); base.Link != "" && by.Link == "" && err == nil && info.IsDir() {
			return false
		}
		switch by.Why[0].Kind {
		case "program", "added":
			b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s replaces that of the base", by.Path))
			return true
		case "package":
			b.replaced[by.Why[0].From]++
			return true
		case "generated":
			return true
		}
		return false
	}
	return nil
}

// A BaseError says that a library, a loader or a link on the way to one would
// take the place of a different one of the base, whose own programs need theirs.
type BaseError struct {
	Conflict *rootfs.ConflictError
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("the base has another %s, which its own programs need; %s would take its place",
		e.Conflict.Path, e.Conflict.Want.Why[0])
}

// Unwrap returns the conflict.
func (e *BaseError) Unwrap() error { return e.Conflict }

// baseError tells what a program needs, and the base has another of, from other
// conflicts.
func baseError(err error) error {
	var conflict *rootfs.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Have.Why) == 0 || conflict.Have.Why[0].Kind != "base" || len(conflict.Want.Why) == 0 {
		return err
	}
	switch conflict.Want.Why[0].Kind {
	case "library", "loader", "link":
		return &BaseError{conflict}
	}
	return err
}

// isBases reports whether what the tree has at a path is the base's, where its
// folders lead to.
func (b *builder) isBases(name string) bool {
	dir, err := b.tree.RealPath(path.Dir(name))
	return err == nil && b.tree.InBase(path.Join(dir, path.Base(name)))
}

// fromBase returns the contents of the base's file at a path, "" if it has none.
func (b *builder) fromBase(name string) (string, error) {
	real, err := b.tree.RealPath(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !b.tree.InBase(real) {
		return "", nil
	}
	if err != nil {
		return "", plain(err)
	}
	data, err := fs.ReadFile(b.tree, real[1:])
	return string(data), plain(err)
}

// amend replaces the base's file at a path by one with other contents, unless it
// has these already or there is none.
func (b *builder) amend(name, data string) error {
	old, err := b.fromBase(name)
	if err != nil || old == "" || old == data {
		return err
	}
	real, err := b.tree.RealPath(name)
	if err != nil {
		return err
	}
	have := b.tree.Entry(real)
	e := rootfs.File(real, have.Mode, []byte(data)).For(rootfs.Reason{Kind: "generated", Text: "the base's with more lines"})
	e.UID, e.GID = have.UID, have.GID
	return b.tree.Add(e)
}

// cacheOfBase returns the index of libraries that the base has for a loader, nil
// if there is none that it would read.
func (b *builder) cacheOfBase(l *elfdeps.Loader) (*ldcache.Cache, error) {
	data, err := b.fromBase(l.CachePath)
	if err != nil || data == "" {
		return nil, err
	}
	c, err := ldcache.Parse([]byte(data), b.plan.Arch.ByteOrder())
	if err != nil {
		return nil, nil //nolint:nilerr // the loader takes no notice of it either
	}
	return c, nil
}

// addToCache adds entries to the base's index, behind its own of the same name. It
// reports whether it lacked any.
func addToCache(base *ldcache.Cache, entries []ldcache.Entry) (lacked bool) {
	type key struct{ name, path, hwcap string }
	have := make(map[key]bool)
	for _, e := range base.Entries {
		have[key{e.Name, e.Path, e.HwcapName}] = true
	}
	for _, e := range entries {
		if !have[key{e.Name, e.Path, e.HwcapName}] {
			base.Entries = append(base.Entries, e)
			lacked = true
		}
	}
	return lacked
}
