package elftest

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Cache describes an ld.so.cache of the format glibc-ld.so.cache1.1.
type Cache struct {
	Entries   []CacheEntry // in any order; Bytes sorts them
	BigEndian bool
	Compat    bool // put a cache of the old format before it
	Unsorted  bool // keep the order of Entries, in which the loader's binary search goes astray
	Damage    []Damage
}

// CacheEntry is one entry of a [Cache].
type CacheEntry struct {
	Name      string // the soname
	Path      string // what the loader opens
	Flags     uint32 // 0x303 for x86-64
	Hwcap     uint64
	HwcapName string // a subdirectory of glibc-hwcaps; replaces Hwcap
}

// The structures of the file. The offsets of strings count from the header.
type (
	cacheHeader struct {
		Magic     [20]byte
		Entries   uint32
		Strings   uint32 // bytes
		Order     uint8
		_         [3]byte
		Extension uint32
		_         [3]uint32
	}
	cacheRecord struct {
		Flags, Name, Path, OSVersion uint32
		Hwcap                        uint64
	}
	cacheExtension struct {
		Magic, Count            uint32
		Tag, Flags, Offset, Len uint32
	}
	oldCacheHeader struct {
		Magic   [12]byte
		Entries uint32
	}
	oldCacheRecord struct{ Flags, Name, Path uint32 }
)

const (
	cacheHeaderSize    = 48
	cacheRecordSize    = 24
	cacheExtensionSize = 24
	hwcapNamed         = 1 << 62 // the low half of the hwcap is the index of a name
)

// Bytes returns the file. Names and paths each have their own string; ldconfig would share them.
func (c *Cache) Bytes() []byte {
	e := encoder{order: binary.LittleEndian}
	header := cacheHeader{Entries: uint32(len(c.Entries)), Order: 2}
	if c.BigEndian {
		e.order, header.Order = binary.BigEndian, 3
	}
	copy(header.Magic[:], "glibc-ld.so.cache1.1")

	records, hwcaps, text := c.records()
	header.Strings = uint32(len(text))
	var old []byte
	if c.Compat {
		old = oldCache(e, records)
	}
	end := uint32(cacheHeaderSize + cacheRecordSize*len(records) + len(text))
	var extension []byte
	if len(hwcaps) > 0 {
		// As ldconfig 2.36 writes them, these offsets count from the start of the file, and those of the names in it, like
		// all of strings, from the header. It reads those from the start of the file, too, and so garbles its own names.
		header.Extension = uint32(roundUp(uint64(len(old))+uint64(end), 4))
		directory := cacheExtension{Magic: 0xeaa42174, Count: 1, Tag: 1,
			Offset: header.Extension + cacheExtensionSize, Len: uint32(4 * len(hwcaps))}
		padding := header.Extension - uint32(len(old)) - end
		extension = e.put(make([]byte, padding), directory, hwcaps)
	}
	image := slices.Concat(old, e.put(nil, header, records), text, extension)
	for _, damage := range c.Damage {
		image = damage(image)
	}
	return image
}

// records returns the entries in the order of the file, the offsets of the names of hwcaps, and the strings that both
// refer to.
func (c *Cache) records() (records []cacheRecord, hwcaps []uint32, text []byte) {
	add := func(s string) uint32 {
		off := uint32(cacheHeaderSize + cacheRecordSize*len(c.Entries) + len(text))
		text = append(append(text, s...), 0)
		return off
	}
	entries := slices.Clone(c.Entries)
	if !c.Unsorted {
		slices.SortStableFunc(entries, compareEntries)
	}
	names := c.hwcapNames()
	for _, e := range entries {
		if e.HwcapName != "" {
			e.Hwcap = hwcapNamed | uint64(slices.Index(names, e.HwcapName))
		}
		records = append(records, cacheRecord{Flags: e.Flags, Name: add(e.Name), Path: add(e.Path), Hwcap: e.Hwcap})
	}
	for _, name := range names {
		hwcaps = append(hwcaps, add(name))
	}
	return records, hwcaps, text
}

func (c *Cache) hwcapNames() []string {
	var names []string
	for _, e := range c.Entries {
		if e.HwcapName != "" {
			names = append(names, e.HwcapName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// oldCache returns a cache in the format of libc5 with the entries that need no hwcap. It has no strings of its own:
// its offsets count from its last entry, behind which the new cache begins but for the padding.
func oldCache(e encoder, records []cacheRecord) []byte {
	var old []oldCacheRecord
	for _, r := range records {
		if r.Hwcap == 0 {
			old = append(old, oldCacheRecord{r.Flags, r.Name, r.Path})
		}
	}
	header := oldCacheHeader{Entries: uint32(len(old))}
	copy(header.Magic[:], "ld.so-1.7.0")
	b := e.put(nil, header, old)
	padding := uint32(len(pad(b, 8)) - len(b))
	for i := range old {
		old[i].Name += padding
		old[i].Path += padding
	}
	return pad(e.put(nil, header, old), 8)
}

// compareEntries orders entries as the loader's binary search wants them: from the greatest name to the least, and for
// one name by flags, also descending, with those for a named hwcap first.
func compareEntries(a, b CacheEntry) int {
	if n := compareNames(b.Name, a.Name); n != 0 {
		return n
	}
	if a.Flags != b.Flags {
		return int(b.Flags) - int(a.Flags)
	}
	if (a.HwcapName == "") != (b.HwcapName == "") {
		return strings.Compare(b.HwcapName, a.HwcapName)
	}
	return strings.Compare(a.HwcapName, b.HwcapName)
}

// compareNames compares as _dl_cache_libcmp: numbers by value, and any digit above any other character.
func compareNames(a, b string) int {
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			var m, n int
			m, a = cutNumber(a)
			n, b = cutNumber(b)
			if m != n {
				return m - n
			}
			continue
		}
		if isDigit(a[0]) != isDigit(b[0]) {
			if isDigit(a[0]) {
				return 1
			}
			return -1
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// cutNumber returns the number that s begins with, and the rest of s.
func cutNumber(s string) (int, string) {
	n := 0
	for s != "" && isDigit(s[0]) {
		n, s = 10*n+int(s[0]-'0'), s[1:]
	}
	return n, s
}
