package rootfs

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// An Aspect is a way in which two entries differ.
type Aspect string

// The aspects of an entry. Times count in whole seconds, as tars have them; links
// have no mode.
const (
	AspectType         Aspect = "type" // with which no other is compared
	AspectMode         Aspect = "mode"
	AspectOwner        Aspect = "owner"
	AspectContents     Aspect = "contents"
	AspectTarget       Aspect = "target" // of a symbolic link
	AspectDevice       Aspect = "device"
	AspectCapabilities Aspect = "capabilities"
	AspectXAttrs       Aspect = "xattrs" // extended attributes other than that
	AspectModTime      Aspect = "mtime"
	AspectHardlinks    Aspect = "hard links" // which other paths are the same file
)

// A Change is a path at which two trees differ.
type Change struct {
	Path   string
	Before *Entry   // nil for what was added
	After  *Entry   // nil for what was deleted
	What   []Aspect // of what both have
}

// A Changeset is what makes one tree the other.
type Changeset struct {
	Before, After *Tree
	Changes       []Change // sorted by path
}

// Changes compares two trees, but for the root folders themselves, in all aspects
// that are not to be ignored. Files of equal size are read.
//
// Hard links are changed together: where one path of a file differs, or where
// other paths are of one file than before, all of them are changes, because a
// layer can link to nothing but itself.
func Changes(ctx context.Context, before, after *Tree, ignore ...Aspect) (*Changeset, error) {
	c := comparison{
		Changeset: &Changeset{Before: before, After: after},
		ignore:    ignore,
		changed:   make(map[string]*Change),
	}
	if err := c.compare(ctx); err != nil {
		return nil, err
	}
	if !slices.Contains(ignore, AspectHardlinks) {
		c.regroup()
	}
	for _, p := range slices.Sorted(maps.Keys(c.changed)) {
		c.Changeset.Changes = append(c.Changeset.Changes, *c.changed[p])
	}
	return c.Changeset, nil
}

// A comparison is a changeset on its way.
type comparison struct {
	*Changeset
	ignore  []Aspect
	changed map[string]*Change
	files   contentComparer
}

// compare goes through the paths of both trees.
func (c *comparison) compare(ctx context.Context) error {
	for e := range c.After.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		have := c.Before.Entry(e.Path)
		if have == nil {
			c.changed[e.Path] = &Change{Path: e.Path, After: e}
			continue
		}
		what, err := c.differences(have, e)
		if err != nil {
			return fmt.Errorf("comparing %s: %w", e.Path, err)
		}
		if len(what) > 0 {
			c.changed[e.Path] = &Change{e.Path, have, e, what}
		}
	}
	for e := range c.Before.All() {
		if c.After.Entry(e.Path) == nil {
			c.changed[e.Path] = &Change{Path: e.Path, Before: e}
		}
	}
	return nil
}

// differences returns how two entries of one path differ.
func (c *comparison) differences(a, b *Entry) ([]Aspect, error) {
	if a.Mode.Type() != b.Mode.Type() {
		return []Aspect{AspectType}, nil
	}
	var what []Aspect
	note := func(aspect Aspect, differs bool) {
		if differs && !slices.Contains(c.ignore, aspect) {
			what = append(what, aspect)
		}
	}
	link := a.Mode&fs.ModeSymlink != 0
	note(AspectMode, !link && UnixPerm(a.Mode) != UnixPerm(b.Mode))
	note(AspectOwner, a.UID != b.UID || a.GID != b.GID)
	if a.Mode.IsRegular() && !slices.Contains(c.ignore, AspectContents) {
		same, err := c.files.same(a, b)
		if err != nil {
			return nil, err
		}
		note(AspectContents, !same)
	}
	note(AspectTarget, a.Link != b.Link)
	note(AspectDevice, a.Major != b.Major || a.Minor != b.Minor)
	note(AspectCapabilities, a.XAttrs[Capability] != b.XAttrs[Capability])
	note(AspectXAttrs, !maps.Equal(others(a.XAttrs), others(b.XAttrs)))
	note(AspectModTime, !seconds(a.ModTime).Equal(seconds(b.ModTime)))
	return what, nil
}

// others returns the extended attributes but for the capabilities.
func others(xattrs map[string]string) map[string]string {
	if _, capable := xattrs[Capability]; !capable {
		return xattrs
	}
	list := maps.Clone(xattrs)
	delete(list, Capability)
	return list
}

// seconds returns what an image can say of a time.
func seconds(t time.Time) time.Time { return Clamp(t, t) }

// regroup adds the paths that have not changed themselves, but are, or were, the
// same file as others.
func (c *comparison) regroup() {
	before, after := groups(c.Before), groups(c.After)
	for e := range c.After.All() {
		paths := after[e.file()]
		if len(paths) > 1 && e.Path == paths[0] && !c.together(paths, before) {
			for _, p := range paths {
				c.relink(p)
			}
		}
	}
	stays := make(map[any]any) // the file that goes on being one of before
	for e := range c.After.All() {
		have := c.Before.Entry(e.Path)
		if have == nil || c.changed[e.Path] != nil || len(before[have.file()]) < 2 {
			continue
		}
		was, is := have.file(), e.file()
		if len(after[is]) < 2 {
			is = e.Path
		}
		if first, ok := stays[was]; ok && first != is {
			c.relink(e.Path)
			continue
		}
		stays[was] = is
	}
}

// together reports whether paths of one file are unchanged and were one before.
func (c *comparison) together(paths []string, before map[any][]string) bool {
	var one []string
	for _, p := range paths {
		if c.changed[p] != nil {
			return false
		}
		group := before[c.Before.Entry(p).file()]
		if len(group) < 2 || one != nil && group[0] != one[0] {
			return false
		}
		one = group
	}
	return true
}

// relink makes a change of a path that has not changed itself.
func (c *comparison) relink(p string) {
	if c.changed[p] == nil {
		c.changed[p] = &Change{p, c.Before.Entry(p), c.After.Entry(p), []Aspect{AspectHardlinks}}
	}
}

// groups returns the paths of each file.
func groups(t *Tree) map[any][]string {
	paths := make(map[any][]string)
	for e := range t.All() {
		if id := e.file(); id != nil {
			paths[id] = append(paths[id], e.Path)
		}
	}
	return paths
}

// String writes a change as a line: "A /bin/new", "D /bin/old", "M /etc/passwd
// (contents, mtime)".
func (c Change) String() string {
	switch {
	case c.Before == nil:
		return "A " + c.Path
	case c.After == nil:
		return "D " + c.Path
	}
	what := make([]string, len(c.What))
	for i, a := range c.What {
		what[i] = string(a)
	}
	return "M " + c.Path + " (" + strings.Join(what, ", ") + ")"
}
