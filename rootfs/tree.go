package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
)

// A Tree is a root file system that is to be: unique paths, each below a folder
// that the tree holds too. The zero value is an empty tree. It is an [fs.FS],
// [fs.StatFS], [fs.ReadDirFS] and [fs.ReadLinkFS]; reading it concurrently is
// safe while nothing is added.
type Tree struct {
	// Replace says of a tree upon a base whether a file or link may take the
	// place of a different one that the base has, or of one with the same contents
	// that allows less. Without it, none may.
	Replace func(base, by *Entry) bool

	// Skip says what AddHostTree leaves out, with all that lies below it. Paths are
	// those that things are to get, before links in the tree are followed.
	Skip func(path string) bool

	entries map[string]*Entry

	mu     sync.Mutex // guards sorted and the Hardlink of every entry
	sorted []*Entry   // nil when an entry came in since
}

// A ConflictError says that two different entries want one path.
type ConflictError struct {
	Path       string
	Have, Want *Entry
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("two inputs for %s: %s and %s", e.Path, side(e.Have), side(e.Want))
}

// side tells one side of a conflict: what it is, where from, what for.
func side(e *Entry) string {
	s := "a " + kind(e.Mode)
	switch {
	case e.Link != "":
		s += " to " + e.Link
	case e.Source != "" && e.Source != e.Path:
		s += " from " + e.Source
	}
	if len(e.Why) > 0 {
		s += " (" + e.Why[0].String() + ")"
	}
	return s
}

// Add puts e into the tree, below the folders that its path leads to; missing
// ones are created with mode 0755. An equal entry that is there already (of a
// file: one with the same bytes, owner and mode) gains the reasons of e; a
// different one, or a file where the path needs a folder, makes Add return a
// *[ConflictError]. The tree keeps e and sets its path to where it stands.
func (t *Tree) Add(e *Entry) error {
	return t.addBelow(nil, e)
}

// AddHost reproduces a host's path: name itself, every folder and symbolic link
// on the way to it, and what it leads to if it is a link. Folders are added
// without what is in them.
func (t *Tree) AddHost(h *Host, name string, why Reason) error {
	_, err := resolve(name, true, t.mirror(h, rooted(name), why))
	if conflict := (*ConflictError)(nil); errors.As(err, &conflict) {
		return conflict // which names paths enough
	}
	return err
}

// AddHostAs adds the host's file or folder src, its links followed, under the
// path dst. Folders on the way to dst are the host's own where it has them; a
// file in the place of one is a *[ConflictError].
func (t *Tree) AddHostAs(h *Host, src, dst string, why Reason) error {
	real, err := h.RealPath(src)
	if err != nil {
		return err
	}
	e, err := h.Entry(real)
	if err != nil {
		return err
	}
	e.Path = rooted(dst)
	e.For(why)
	if _, err := t.RealPath(dst); err != nil && !e.Mode.IsDir() {
		if have := h.folderAt(e.Path); have != nil {
			return &ConflictError{Path: e.Path, Have: have, Want: e}
		}
	}
	return t.addBelow(h, e)
}

// AddHostTree adds src with everything below it under the path dst, into the
// folders that are there already. Links below src are kept as they are and not
// followed. Where src has a folder and the host, at the path that it is to get,
// a link to one, the link is added and what is below goes where it leads: so
// the halves of a merged /usr stay one. Errors are an *[fs.PathError] with a path
// of the host, or a *[ConflictError].
func (t *Tree) AddHostTree(h *Host, src, dst string, why Reason) error {
	real, err := h.RealPath(src)
	if err != nil {
		return err
	}
	return t.addTree(h, real, rooted(dst), why)
}

// addTree adds src, a path of the host without links, under the path dst.
func (t *Tree) addTree(h *Host, src, dst string, why Reason) error {
	if t.Skip != nil && t.Skip(dst) {
		return nil
	}
	e, err := h.Entry(src)
	if err != nil {
		return err
	}
	e.Path = dst
	if err := t.addBelow(h, e.For(why)); err != nil || !e.Mode.IsDir() {
		return err
	}
	list, err := h.readDir(src)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := t.addTree(h, join(src, d.Name()), join(dst, d.Name()), why); err != nil {
			return err
		}
	}
	return nil
}

// mirror returns a lookup that takes each path over from the host before it
// says what the tree holds there.
func (t *Tree) mirror(h *Host, name string, why Reason) lookup {
	w := walker{t, h, make(map[string]string)}
	return func(p string) (fs.FileMode, string, error) {
		if w.leads(p) {
			w.pair(p, w.source(p))
			return t.look(p)
		}
		e, err := w.entry(p)
		if err != nil {
			return t.lookAfter(p, bare(err))
		}
		have, err := t.insert(e.For(onTheWay(e, name, why)))
		if err != nil {
			return 0, "", err
		}
		return have.Mode, have.Link, nil
	}
}

// lookAfter is what the tree itself holds at p, or err if it holds nothing.
func (t *Tree) lookAfter(p string, err error) (fs.FileMode, string, error) {
	if have := t.entries[p]; have != nil {
		return have.Mode, have.Link, nil
	}
	return 0, "", err
}

// onTheWay is the reason for an entry met while following name.
func onTheWay(e *Entry, name string, why Reason) Reason {
	switch {
	case e.Path == name:
		return why
	case e.Mode.IsDir():
		return Reason{Kind: "folder", From: name}
	case e.Mode&fs.ModeSymlink != 0:
		return Reason{Kind: "link", From: name}
	}
	return why
}

// addBelow adds e where its folder's path leads to, creating what is missing:
// as on the host if there is one and it has the path, else with mode 0755.
func (t *Tree) addBelow(h *Host, e *Entry) error {
	if e.Path == "/" {
		_, err := t.insert(e)
		return err
	}
	dir, err := resolve(path.Dir(e.Path), true, t.making(h, e.Path))
	if have := t.entries[dir]; have != nil && !have.Mode.IsDir() && have.Link == "" {
		return &ConflictError{Path: dir, Have: have, Want: Dir(dir, 0o755).For(Reason{Kind: "folder", From: e.Path})}
	}
	if err != nil {
		return fmt.Errorf("adding %s: %w", e.Path, err)
	}
	e.Path = join(dir, path.Base(e.Path))
	if t.leadsToDir(h, e) {
		return nil
	}
	_, err = t.insert(e)
	return err
}

// making returns a lookup that creates what the tree lacks.
func (t *Tree) making(h *Host, below string) lookup {
	return func(p string) (fs.FileMode, string, error) {
		have := t.entries[p]
		if have == nil {
			have = t.parent(h, p, below)
		}
		return have.Mode, have.Link, nil
	}
}

// parent creates the folder or link at p that an entry at below needs.
func (t *Tree) parent(h *Host, p, below string) *Entry {
	e := Dir(p, 0o755)
	e.implied = true
	if h != nil {
		if he, err := h.Entry(p); err == nil && (he.Mode.IsDir() || he.Mode&fs.ModeSymlink != 0) {
			e = he
		}
	}
	kind := "folder"
	if e.Link != "" {
		kind = "link"
	}
	t.put(e.For(Reason{Kind: kind, From: below}))
	return e
}

// leadsToDir reports whether e is a folder at whose path the tree has, or takes
// over from the host, a link to a folder, which serves as well. A link to
// nothing in the tree is given its folder.
func (t *Tree) leadsToDir(h *Host, e *Entry) bool {
	if !e.Mode.IsDir() {
		return false
	}
	have := t.entries[e.Path]
	if have == nil && h.linksToDir(e.Path) {
		have = t.parent(h, e.Path, e.Path)
	}
	if have == nil || have.Mode&fs.ModeSymlink == 0 {
		return false
	}
	to, err := resolve(e.Path, true, t.making(h, e.Path))
	return err == nil && (to == "/" || t.entries[to].Mode.IsDir())
}

// insert enters e at its path, whose parents are in the tree, and returns the
// entry that stands there then. Of two folders the first that somebody asked
// for keeps its attributes.
func (t *Tree) insert(e *Entry) (*Entry, error) {
	have := t.entries[e.Path]
	if have == nil && e.Path == "/" {
		have = Dir("/", 0o755)
		have.implied = true
	}
	switch {
	case have == nil, have.implied && !have.below && e.Mode.IsDir():
		t.put(e)
		return e, nil
	case have.Mode.IsDir() && e.Mode.IsDir():
		return have, nil
	}
	equal, err := have.serves(e)
	if err != nil {
		return nil, err
	}
	switch {
	case equal && !(have.below && have.lacks(e)):
	case have.below && t.Replace != nil && !have.Mode.IsDir() && !e.Mode.IsDir() && t.Replace(have, e):
		t.put(e)
		return e, nil
	case !equal:
		return nil, &ConflictError{Path: e.Path, Have: have, Want: e}
	}
	for _, why := range e.Why {
		if !have.below && !slices.Contains(have.Why, why) {
			have.Why = append(have.Why, why)
		}
	}
	return have, nil
}

func (t *Tree) put(e *Entry) {
	if t.entries == nil {
		t.entries = make(map[string]*Entry)
	}
	t.entries[e.Path] = e
	t.sorted = nil
}

// Len returns the number of entries.
func (t *Tree) Len() int { return len(t.entries) }

// Entry returns the entry at a rooted path that holds no links, or nil.
func (t *Tree) Entry(path string) *Entry {
	t.list() // settles hard links
	return t.entries[path]
}

// All returns every entry but the root's own, sorted bytewise by path, so that
// a folder comes before what it holds and the first name of a hard-linked file
// before the others.
func (t *Tree) All() iter.Seq[*Entry] { return slices.Values(t.list()) }

// list sorts the entries and settles which name of a hard-linked file carries
// its contents.
func (t *Tree) list() []*Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sorted != nil || len(t.entries) == 0 {
		return t.sorted
	}
	sorted := make([]*Entry, 0, len(t.entries))
	for p, e := range t.entries {
		if p != "/" {
			sorted = append(sorted, e)
		}
	}
	slices.SortFunc(sorted, func(a, b *Entry) int { return strings.Compare(a.Path, b.Path) })
	first := make(map[any]*Entry)
	for _, e := range sorted {
		e.Hardlink = ""
		id := e.file()
		if id == nil {
			continue
		}
		if f := first[id]; f != nil {
			e.Hardlink = f.Path
		} else {
			first[id] = e
		}
	}
	t.sorted = sorted
	return sorted
}

// file returns a value that is equal for all names of one file, nil for what
// has but one name.
func (e *Entry) file() any {
	switch {
	case !e.Mode.IsRegular():
		return nil
	case e.contents != nil:
		return e.contents
	case e.seen != nil:
		return e.inode()
	}
	return nil
}

// An inode is what hard links of one file have in common.
type inode struct {
	dev, ino uint64
	source   string // of a file that says it has one name alone
}

// inode identifies the file behind an entry. Some file systems give one number
// to several files, so a file without other names is only what lies at its path.
func (e *Entry) inode() inode {
	st := statOf(e.seen)
	id := inode{dev: st.dev, ino: st.ino}
	if st.links <= 1 {
		id.source = e.Source
	}
	return id
}

// Size returns the bytes of all contents, hard-linked ones counted once.
func (t *Tree) Size() int64 {
	var n int64
	for e := range t.All() {
		if e.Hardlink == "" {
			n += e.Size
		}
	}
	return n
}
