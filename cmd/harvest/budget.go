package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/rootfs"
)

// A budgetError says that an image would be bigger than it may, and what is big
// in it.
type budgetError struct {
	limit, size int64
	base        int64 // of size, that of the base
	biggest     []*rootfs.Entry
}

// mostBlamed is how many files are named that make an image too big.
const mostBlamed = 5

func (e *budgetError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of contents are more than --max-size %s", units.Size(e.size), units.Size(e.limit))
	if units.Size(e.size) == units.Size(e.limit) {
		fmt.Fprintf(&b, " (%d bytes, and %d)", e.size, e.limit)
	}
	if e.base > 0 {
		fmt.Fprintf(&b, "\n  %s  the base", units.Size(e.base))
	}
	for _, f := range e.biggest {
		fmt.Fprintf(&b, "\n  %s  %s: %s", units.Size(f.Size), printable(f.Path), printable(f.Why[0].String()))
	}
	return b.String()
}

// checkBudget refuses a root that holds more bytes than the limit, unless that is
// 0. Of files with several names, one counts.
func checkBudget(root, added *rootfs.Tree, limit int64) error {
	total := root.Size()
	if limit == 0 || total <= limit {
		return nil
	}
	err := &budgetError{limit: limit, size: total}
	if root != added {
		err.base = total - added.Size()
	}
	for e := range added.All() {
		if e.Hardlink == "" && e.Size > 0 {
			err.biggest = append(err.biggest, e)
		}
	}
	slices.SortStableFunc(err.biggest, func(a, b *rootfs.Entry) int { return cmp.Compare(b.Size, a.Size) })
	err.biggest = err.biggest[:min(mostBlamed, len(err.biggest))]
	return err
}
