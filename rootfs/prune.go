package rootfs

import (
	"path"
	"slices"
)

// Prune takes out the entries for which leave returns true. A folder in which
// something stays stays too, and so does all that is a base's.
func (t *Tree) Prune(leave func(*Entry) bool) {
	filled := make(map[string]bool) // folders with something in them
	for _, e := range slices.Backward(t.list()) {
		if !e.below && !filled[e.Path] && leave(e) {
			delete(t.entries, e.Path)
			continue
		}
		filled[path.Dir(e.Path)] = true
	}
	t.sorted = nil
}

// AddDir puts a folder into the tree whose attributes win over those of a folder
// that is there already, be it a base's. Folders on the way are the host's own
// where it has them. What is no folder in its place is a *[ConflictError].
func (t *Tree) AddDir(h *Host, e *Entry) error {
	name := e.Path
	if err := t.addBelow(h, e); err != nil {
		return err
	}
	real, err := t.RealPath(name)
	if err != nil {
		return err
	}
	have := t.entries[real]
	if have == e {
		return nil
	}
	if !have.below {
		e.Why = append(e.Why, have.Why...)
	}
	e.Path = real
	t.put(e)
	return nil
}
