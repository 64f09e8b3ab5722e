package ldcache

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Append appends the cache to b, in the given byte order, as ldconfig writes
// it: entries sorted as the loader's binary search expects, entries that differ
// in nothing but their path kept in the order given, strings shared where one is
// the tail of another. The order of c.Entries is left alone.
//
// A name that is not [Sortable] is an error.
func (c *Cache) Append(b []byte, order binary.AppendByteOrder) ([]byte, error) {
	for _, e := range c.Entries {
		if !Sortable(e.Name) {
			return nil, fmt.Errorf("%q cannot be in an ld.so.cache: its place in the order depends on the machine", e.Name)
		}
	}
	entries := slices.Clone(c.Entries)
	slices.SortStableFunc(entries, byName)
	w := writer{order: order, entries: entries, generator: c.Generator}
	w.layOut()
	return w.append(b), nil
}

// Compare orders two names as the loader's search does (_dl_cache_libcmp):
// bytewise, but runs of digits as numbers, and a digit after anything else.
func Compare(a, b string) int {
	for a != "" && b != "" {
		switch da, db := digit(a[0]), digit(b[0]); {
		case da && db:
			var na, nb int32
			na, a = number(a)
			nb, b = number(b)
			if na != nb {
				return cmp.Compare(na-nb, 0)
			}
		case da:
			return 1
		case db:
			return -1
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(len(a), len(b))
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// number takes the run of digits off the front of s. One that does not fit
// wraps around, as in the loader; Append refuses such names.
func number(s string) (n int32, rest string) {
	for s != "" && digit(s[0]) {
		n = n*10 + int32(s[0]-'0')
		s = s[1:]
	}
	return n, s
}

// Sortable reports whether the loader's search gives a name the same place in the
// order on every machine: it has no byte above 0x7f, which is negative on some, and
// no number over 2147483647.
func Sortable(name string) bool {
	n := int64(0)
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 0x80 || c == 0:
			return false
		case !digit(c):
			n = 0
		default:
			if n = n*10 + int64(c-'0'); n > math.MaxInt32 {
				return false
			}
		}
	}
	return true
}

// byName is the order of entries in the file (compare in glibc's cache.c).
func byName(a, b Entry) int {
	if c := Compare(b.Name, a.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(int32(b.Flags), int32(a.Flags)); c != 0 {
		return c
	}
	switch {
	case a.HwcapName == "" && b.HwcapName != "":
		return 1
	case a.HwcapName != "" && b.HwcapName == "":
		return -1
	}
	if c := strings.Compare(a.HwcapName, b.HwcapName); c != 0 || a.HwcapName != "" {
		return c
	}
	// The bits of before glibc-hwcaps: most of them first.
	if c := cmp.Compare(bits.OnesCount64(b.Hwcap), bits.OnesCount64(a.Hwcap)); c != 0 {
		return c
	}
	return cmp.Compare(b.Hwcap, a.Hwcap)
}

// A writer lays the parts of a file out and then writes them.
type writer struct {
	order     binary.AppendByteOrder
	entries   []Entry
	generator string

	hwcaps  []string          // sorted
	offsets map[string]uint32 // of each string, from the start of the header
	text    []byte            // the string table
}

func (w *writer) layOut() {
	var all []string
	for _, e := range w.entries {
		all = append(all, e.Name, e.Path)
		if e.HwcapName != "" {
			all = append(all, e.HwcapName)
			w.hwcaps = append(w.hwcaps, e.HwcapName)
		}
	}
	slices.Sort(w.hwcaps)
	w.hwcaps = slices.Compact(w.hwcaps)
	w.share(all)
}

// share builds the string table: sorted by their reversed text, longer first,
// so that a string that ends another one follows it and lies inside it.
func (w *writer) share(all []string) {
	base := headerSize + entrySize*len(w.entries)
	slices.SortFunc(all, func(a, b string) int { return reverseCompare(b, a) })
	w.offsets = make(map[string]uint32, len(all))
	previous := ""
	for _, s := range slices.Compact(all) {
		if strings.HasSuffix(previous, s) && previous != "" {
			w.offsets[s] = w.offsets[previous] + uint32(len(previous)-len(s))
		} else {
			w.offsets[s] = uint32(base + len(w.text))
			w.text = append(append(w.text, s...), 0)
		}
		previous = s
	}
}

func reverseCompare(a, b string) int {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0; i, j = i-1, j-1 {
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
	}
	return cmp.Compare(len(a), len(b))
}

func (w *writer) append(b []byte) []byte {
	start := len(b)
	extension := align4(headerSize + entrySize*len(w.entries) + len(w.text))
	b = append(b, magic...)
	b = w.order.AppendUint32(b, uint32(len(w.entries)))
	b = w.order.AppendUint32(b, uint32(len(w.text)))
	big := w.order.AppendUint16(nil, 1)[1] == 1
	b = append(b, orderFlag(big), 0, 0, 0)
	b = w.order.AppendUint32(b, uint32(extension))
	b = append(b, make([]byte, 12)...)
	for _, e := range w.entries {
		b = w.order.AppendUint32(b, e.Flags)
		b = w.order.AppendUint32(b, w.offsets[e.Name])
		b = w.order.AppendUint32(b, w.offsets[e.Path])
		b = w.order.AppendUint32(b, 0)
		b = w.order.AppendUint64(b, w.hwcap(e))
	}
	b = append(b, w.text...)
	b = append(b, make([]byte, start+extension-len(b))...)
	return w.appendExtension(b, extension)
}

// appendExtension writes the directory of the extension and then its data:
// hwcaps names first, the generator last.
func (w *writer) appendExtension(b []byte, at int) []byte {
	sections := 1
	if len(w.hwcaps) > 0 {
		sections = 2
	}
	names := at + 8 + 16*sections
	generator := names + 4*len(w.hwcaps)
	b = w.order.AppendUint32(b, extensionMagic)
	b = w.order.AppendUint32(b, uint32(sections))
	b = w.section(b, tagGenerator, generator, len(w.generator))
	if sections == 2 {
		b = w.section(b, tagHwcaps, names, 4*len(w.hwcaps))
	}
	for _, name := range w.hwcaps {
		b = w.order.AppendUint32(b, w.offsets[name])
	}
	return append(b, w.generator...)
}

func (w *writer) section(b []byte, tag uint32, off, size int) []byte {
	b = w.order.AppendUint32(b, tag)
	b = w.order.AppendUint32(b, 0)
	b = w.order.AppendUint32(b, uint32(off))
	return w.order.AppendUint32(b, uint32(size))
}

// hwcap is the entry's hwcap field with the index of its name in this file.
func (w *writer) hwcap(e Entry) uint64 {
	if e.HwcapName == "" {
		return e.Hwcap
	}
	level := e.Hwcap & (0x3ff << hwcapISALevel)
	index, _ := slices.BinarySearch(w.hwcaps, e.HwcapName)
	return hwcapExtension | level | uint64(index)
}

func align4(n int) int { return (n + 3) &^ 3 }
