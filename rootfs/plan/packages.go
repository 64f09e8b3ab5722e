package plan

import (
	"cmp"
	"slices"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

// PackageParts divides what is to be shipped by the host's packages, so that an
// update of one changes one layer: at most most parts, of which the last has what
// no package owns and the smallest packages that are too many for one of their
// own. The package that the loader is in comes first, the others by name.
func (p *Plan) PackageParts(most int) ([]Part, error) {
	db, err := owner.Open(p.host)
	if err != nil {
		return nil, err
	}
	var paths []string
	for e := range p.Tree.All() {
		if e.Source != "" && !e.Mode.IsDir() {
			paths = append(paths, e.Source)
		}
	}
	owners, err := db.Of(paths...)
	if err != nil {
		return nil, err
	}
	names := p.packages(owners, most-1)
	trees := p.Tree.Split(len(names)+1, func(e *rootfs.Entry) int {
		if i := slices.Index(names, packageOf(owners, e)); i >= 0 {
			return i
		}
		return len(names)
	})
	var parts []Part
	for i, tree := range trees {
		name := "what no layer of a package has"
		if i < len(names) {
			name = names[i]
		}
		if tree.Len() > 0 {
			parts = append(parts, Part{name, tree})
		}
	}
	return parts, nil
}

// packageOf returns the name and version of the package that an entry is of, ""
// if it is of none.
func packageOf(owners map[string]owner.Owner, e *rootfs.Entry) string {
	o, owned := owners[e.Source]
	if !owned || e.Source == "" || e.Mode.IsDir() {
		return ""
	}
	return o.Name + " " + o.Version
}

// packages returns those that get a layer of their own, in the order of the
// layers: the loader's, and of the others the biggest.
func (p *Plan) packages(owners map[string]owner.Owner, most int) []string {
	sizes := make(map[string]int64)
	first := ""
	for e := range p.Tree.All() {
		name := packageOf(owners, e)
		if name == "" {
			continue
		}
		sizes[name] += e.Size
		if first == "" && e.Mode.IsRegular() && e.Why[0].Kind == "loader" {
			first = name
		}
	}
	var names []string
	for name := range sizes {
		names = append(names, name)
	}
	rank := func(name string) int {
		if name == first {
			return 0
		}
		return 1
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b))
	})
	names = names[:min(len(names), max(most, 0))]
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	return names
}
