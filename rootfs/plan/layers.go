package plan

import (
	"slices"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Part is what goes into one layer.
type Part struct {
	Name string // what it holds, in words
	Tree *rootfs.Tree
}

// MaxParts is the most that [Plan.Parts] can divide a plan into.
const MaxParts = 3

// Parts divides what is to be shipped into up to n parts, from the lowest layer
// up, so that images share what they have in common: loader and libc, which all
// programs of a system need; other libraries; programs and data. If n is 2 the
// first two are one, and if it is 1 all are. Parts with nothing in them are left
// out.
func (p *Plan) Parts(n int) []Part {
	const common, libraries, rest = 0, 1, 2
	names := [][]string{
		1: {"programs, libraries and data"},
		2: {"libraries", "programs and data"},
		3: {"loader and libc", "other libraries", "programs and data"},
	}[n]
	libc := p.libc()
	trees := p.Tree.Split(n, func(e *rootfs.Entry) int {
		class := rest
		switch kind := e.Why[0].Kind; {
		case libc[e.Path], kind == "loader", kind == "link", kind == "skeleton":
			class = common
		case kind == "library":
			class = libraries
		}
		return max(0, class-(MaxParts-n))
	})
	var parts []Part
	for i, tree := range trees {
		if tree.Len() > 0 {
			parts = append(parts, Part{names[i], tree})
		}
	}
	return parts
}

// libc returns the paths of glibc's libraries in the image, which know each other
// by a version of symbols that they share, and of links to them. musl is its
// loader.
func (p *Plan) libc() map[string]bool {
	paths := make(map[string]bool)
	for c := range p.closures() {
		for program := range c.All() {
			for n := range program.Needs() {
				if n.Object == nil || !slices.Contains(n.Object.VerDef, "GLIBC_PRIVATE") {
					continue
				}
				for _, name := range []string{n.Object.Path, flatPath(n)} {
					way, err := p.Root.Way(name)
					for _, e := range way {
						paths[e.Path] = err == nil
					}
				}
			}
		}
	}
	return paths
}
