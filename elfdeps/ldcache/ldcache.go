// Package ldcache reads and writes /etc/ld.so.cache, the index in which glibc's
// loader looks up libraries (ld.so(8), ldconfig(8)).
//
// The file is a header, a table of entries, a table of strings and, since glibc
// 2.33, an extension that names the glibc-hwcaps subdirectories and the program
// that wrote it:
//
//	"glibc-ld.so.cache1.1" | entries | string bytes | byte order | extension
//	flags | name | path | 0 | hwcap          24 bytes an entry, sorted
//	/lib64/libc.so.6\0 ...                   names are tails of paths
//	0xEAA42174 | tag, offset, size ...       generator, hwcaps names
//
// The loader finds a name by binary search, so the order of the entries is part
// of the format. [Cache.Append] writes the bytes that ldconfig of glibc 2.33 and
// later writes for the same entries; tests compare the two.
package ldcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	oldMagic = "ld.so-1.7.0"
	magic    = "glibc-ld.so.cache1.1"

	oldHeaderSize, oldEntrySize = 16, 12
	headerSize, entrySize       = 48, 24

	extensionMagic   = 0xEAA42174
	tagGenerator     = 0
	tagHwcaps        = 1
	hwcapExtension   = 1 << 62 // the hwcap field is an index into the hwcaps names
	hwcapISALevel    = 32      // where that field holds the ISA level
	littleEndianFlag = 2
	bigEndianFlag    = 3
)

// ErrFormat means that the data is not a cache of this byte order that the
// loader would use. The loader goes on without one.
var ErrFormat = errors.New("not a usable ld.so.cache")

// A Cache is the content of a cache file.
type Cache struct {
	Entries   []Entry // in the order of the file
	Generator string  // the program that wrote it, "" if it does not say
}

// An Entry says where the library of a name lies.
type Entry struct {
	Flags uint32 // which architecture and libc it is for: 0x303 is x86-64
	Name  string // the soname that is looked up
	Path  string // the file that the loader opens
	Hwcap uint64 // 0, or as in the file what the processor must have
	// HwcapName is the glibc-hwcaps subdirectory, such as "x86-64-v3", that the
	// entry belongs to, "" for the baseline.
	HwcapName string
}

// Baseline reports whether every processor of the architecture may use the entry.
func (e Entry) Baseline() bool { return e.Hwcap == 0 }

// Lookup returns the entries for a name. It is the loader's binary search
// (search_cache in dl-cache.c), and so finds nothing where entries are out of
// order, though they be there.
func (c *Cache) Lookup(name string) []Entry {
	for first, last := 0, len(c.Entries); first < last; {
		middle := (first + last - 1) / 2
		switch order := Compare(name, c.Entries[middle].Name); {
		case order < 0:
			first = middle + 1
		case order > 0:
			last = middle
		default:
			return c.around(middle, name)
		}
	}
	return nil
}

// around returns the entries about that index that are for name.
func (c *Cache) around(at int, name string) []Entry {
	first, end := at, at+1
	for first > 0 && Compare(name, c.Entries[first-1].Name) == 0 {
		first--
	}
	for end < len(c.Entries) && Compare(name, c.Entries[end].Name) == 0 {
		end++
	}
	return c.Entries[first:end]
}

// Parse reads a cache of the given byte order, with or without the old format
// before it. It needs memory in proportion to data.
func Parse(data []byte, order binary.ByteOrder) (*Cache, error) {
	start, err := skipOld(data, order)
	if err != nil {
		return nil, err
	}
	file := data
	data = data[start:]
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	big := order.Uint16([]byte{0, 1}) == 1
	if flag := data[28]; flag != 0 && flag&3 != orderFlag(big) {
		return nil, fmt.Errorf("%w: written for another byte order", ErrFormat)
	}
	n := uint64(order.Uint32(data[20:]))
	if n > uint64(len(data)-headerSize)/entrySize {
		return nil, fmt.Errorf("%w: truncated", ErrFormat)
	}
	p := parser{file: file, start: start, text: string(data), order: order}
	hwcaps, generator := p.extension(uint64(order.Uint32(data[32:])))
	c := &Cache{Entries: make([]Entry, 0, n), Generator: generator}
	for b := data[headerSize:]; n > 0; b, n = b[entrySize:], n-1 {
		e, ok := p.entry(b, hwcaps)
		if !ok {
			return nil, fmt.Errorf("%w: a string lies outside the file or is longer than a path can be", ErrFormat)
		}
		c.Entries = append(c.Entries, e)
	}
	return c, nil
}

// skipOld returns where the new format begins in data: at 0, or behind a cache
// of the old format.
func skipOld(data []byte, order binary.ByteOrder) (int, error) {
	if len(data) < oldHeaderSize || string(data[:len(oldMagic)]) != oldMagic {
		return 0, nil
	}
	end := oldHeaderSize + oldEntrySize*uint64(order.Uint32(data[12:]))
	for _, align := range []uint64{8, 4} { // of a 64-bit number in the ABI
		at := (end + align - 1) &^ (align - 1)
		if at < uint64(len(data)) && bytes.HasPrefix(data[at:], []byte(magic)) {
			return int(at), nil
		}
	}
	return 0, fmt.Errorf("%w: only the format of before glibc 2.2", ErrFormat)
}

// orderFlag is how the header names a byte order.
func orderFlag(big bool) byte {
	if big {
		return bigEndianFlag
	}
	return littleEndianFlag
}

// A parser reads the parts behind the header. Offsets of strings count from the
// header; those of the extension, from the start of the file, which is another
// place if a cache of the old format comes first.
type parser struct {
	file  []byte
	start int    // of the header
	text  string // the file from the header on: names are slices of it
	order binary.ByteOrder
}

func (p *parser) entry(b []byte, hwcaps []string) (Entry, bool) {
	name, ok1 := p.str(p.order.Uint32(b[4:]))
	path, ok2 := p.str(p.order.Uint32(b[8:]))
	e := Entry{
		Flags: p.order.Uint32(b),
		Name:  name,
		Path:  path,
		Hwcap: p.order.Uint64(b[16:]),
	}
	if e.Hwcap&hwcapExtension != 0 {
		if i := uint64(uint32(e.Hwcap)); i < uint64(len(hwcaps)) {
			e.HwcapName = hwcaps[i]
		}
	}
	return e, ok1 && ok2
}

// maxString bounds a string with its end: PATH_MAX.
const maxString = 4096

// str returns the NUL-terminated string at off. It may be that of a million
// entries, so a length that nobody could use is not looked for.
func (p *parser) str(off uint32) (string, bool) {
	if uint64(off) >= uint64(len(p.text)) {
		return "", false
	}
	rest := p.text[off:]
	s, _, ok := strings.Cut(rest[:min(len(rest), maxString)], "\x00")
	return s, ok
}

// extension reads the names of the hwcaps subdirectories and the generator.
// The loader does without a damaged one, and so does this.
func (p *parser) extension(at uint64) (hwcaps []string, generator string) {
	size := uint64(len(p.file))
	if at == 0 || at+8 > size || p.order.Uint32(p.file[at:]) != extensionMagic {
		return nil, ""
	}
	count := p.order.Uint32(p.file[at+4:])
	var sections [tagHwcaps + 1][]byte
	for b := p.file[at+8:]; count > 0 && len(b) >= 16; b, count = b[16:], count-1 {
		off, n := uint64(p.order.Uint32(b[8:])), uint64(p.order.Uint32(b[12:]))
		if off+n > size {
			continue
		}
		if tag := p.order.Uint32(b); tag < uint32(len(sections)) {
			sections[tag] = p.file[off : off+n]
		}
	}
	return p.names(sections[tagHwcaps]), string(sections[tagGenerator])
}

// names returns the strings to which an array of offsets leads.
func (p *parser) names(array []byte) []string {
	var names []string
	for ; len(array) >= 4; array = array[4:] {
		name, _ := p.str(p.order.Uint32(array))
		names = append(names, name)
	}
	return names
}
