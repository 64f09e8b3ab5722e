package rootfs

import "path"

// Split divides the tree into n trees, each of which has the folders on the way
// to what is in it: as layers, one upon the other, they are the tree. What
// layerOf returns for an entry, from 0 to n-1, counts for files, links and empty
// folders. All names of one file go where the first does.
func (t *Tree) Split(n int, layerOf func(*Entry) int) []*Tree {
	parts := make([]*Tree, n)
	for i := range parts {
		parts[i] = &Tree{}
	}
	filled := make(map[string]bool) // folders with something in them
	for e := range t.All() {
		filled[path.Dir(e.Path)] = true
	}
	for e := range t.All() {
		if e.Mode.IsDir() && filled[e.Path] {
			continue
		}
		first := e
		if e.Hardlink != "" {
			first = t.entries[e.Hardlink]
		}
		t.move(e, parts[layerOf(first)])
	}
	return parts
}

// move puts an entry into a part of the tree, with the folders on the way.
func (t *Tree) move(e *Entry, part *Tree) {
	part.put(e)
	for dir := path.Dir(e.Path); dir != "/" && part.entries[dir] == nil; dir = path.Dir(dir) {
		part.put(t.entries[dir])
	}
}
