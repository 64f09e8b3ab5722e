package rootfs

import (
	"errors"
	"io/fs"
	"path"
)

// Upon returns a tree that lies upon base as a layer lies upon others: all that
// base holds is in it. What is added goes where the base's links lead, its
// folders keep their attributes, and a file that it has already stands for an
// equal one. A different file in the place of one of the base's is a
// *[ConflictError], unless Replace allows it. [Tree.Added] returns what is to be
// shipped. The base must not change meanwhile.
func Upon(base *Tree) *Tree {
	t := &Tree{entries: make(map[string]*Entry, len(base.entries))}
	for p, e := range base.entries {
		below := *e
		below.below = true
		below.Why = []Reason{{Kind: "base"}}
		t.entries[p] = &below
	}
	return t
}

// Added returns what the tree holds beside its base, with the folders on the way
// as the base has them: the contents of a layer. Without a base, that is all.
func (t *Tree) Added() *Tree {
	added := &Tree{}
	for _, e := range t.entries {
		if !e.below {
			t.move(e, added)
		}
	}
	return added
}

// InBase reports whether the entry at a rooted path that holds no links is the
// base's.
func (t *Tree) InBase(path string) bool {
	e := t.entries[path]
	return e != nil && e.below
}

// A walker follows a path on a host and in a tree upon a base at once. Both may
// have other links on the way, a merged /usr on one side only, say; so each
// folder of the tree is paired with the one of the host that the path means.
type walker struct {
	tree *Tree
	host *Host
	of   map[string]string // where the host has what the tree has at a path, if elsewhere
}

// source returns the host's path of what the tree is to have at p.
func (w walker) source(p string) string {
	if src, ok := w.of[p]; ok {
		return src
	}
	if p == "/" {
		return p
	}
	return join(w.source(path.Dir(p)), path.Base(p))
}

// pair notes where the host has what lies at a path of the base, and at the end
// of its link if it is one.
func (w walker) pair(p, src string) {
	real, err := w.host.RealPath(src)
	if err != nil {
		return // the host has no such path: what lies there is the base's alone
	}
	w.of[p] = real
	to, err := resolve(p, true, w.tree.look)
	if errors.Is(err, fs.ErrNotExist) && w.host.node(real).info.IsDir() {
		to, err = resolve(p, true, w.tree.making(nil, p)) // a link of the base to nothing yet
	}
	if err == nil {
		w.of[to] = real
	}
}

// entry returns the host's entry for the path p of the tree. Where the base has
// a file, a link of the host stands for the file that it leads to.
func (w walker) entry(p string) (*Entry, error) {
	src := w.source(p)
	if have := w.tree.entries[p]; have != nil && have.below && have.Mode.IsRegular() {
		if real, err := w.host.RealPath(src); err == nil {
			src = real
		}
	}
	e, err := w.host.Entry(src)
	if err != nil {
		return nil, err
	}
	e.Path = p
	return e, nil
}

// leads reports whether the base has at p a folder or link that the way to
// name goes through, whatever the host has there. A link that is the name itself
// is followed too.
func (w walker) leads(p string) bool {
	have := w.tree.entries[p]
	return have != nil && have.below && have.Mode&(fs.ModeDir|fs.ModeSymlink) != 0
}
