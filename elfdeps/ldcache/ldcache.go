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

// Parse reads a cache of the given byte order, with or without the old format
// before it. It needs memory in proportion to data.
func Parse(data []byte, order binary.ByteOrder) (*Cache, error) {
	data, err := skipOld(data, order)
	if err != nil {
		return nil, err
	}
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	if flag := data[28] & 3; flag != 0 && flag != orderFlag(order) {
		return nil, fmt.Errorf("%w: written for another byte order", ErrFormat)
	}
	n := uint64(order.Uint32(data[20:]))
	if n > uint64(len(data)-headerSize)/entrySize {
		return nil, fmt.Errorf("%w: truncated", ErrFormat)
	}
	p := parser{data: data, text: string(data), order: order}
	hwcaps, generator := p.extension(uint64(order.Uint32(data[32:])))
	c := &Cache{Entries: make([]Entry, 0, n), Generator: generator}
	for b := data[headerSize:]; n > 0; b, n = b[entrySize:], n-1 {
		e, ok := p.entry(b, hwcaps)
		if !ok {
			return nil, fmt.Errorf("%w: a string lies outside the file", ErrFormat)
		}
		c.Entries = append(c.Entries, e)
	}
	return c, nil
}

// skipOld returns the new-format part of data that follows an old-format one.
func skipOld(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data) < oldHeaderSize || string(data[:len(oldMagic)]) != oldMagic {
		return data, nil
	}
	end := oldHeaderSize + oldEntrySize*uint64(order.Uint32(data[12:]))
	for _, align := range []uint64{8, 4} { // of a 64-bit number in the ABI
		at := (end + align - 1) &^ (align - 1)
		if at < uint64(len(data)) && bytes.HasPrefix(data[at:], []byte(magic)) {
			return data[at:], nil
		}
	}
	return nil, fmt.Errorf("%w: only the format of before glibc 2.2", ErrFormat)
}

// orderFlag is how the header names a byte order.
func orderFlag(order fmt.Stringer) byte {
	if order.String() == binary.BigEndian.String() {
		return bigEndianFlag
	}
	return littleEndianFlag
}

type parser struct {
	data  []byte
	text  string // data again, so that names are slices of one string
	order binary.ByteOrder
}

func (p *parser) entry(b []byte, hwcaps []string) (Entry, bool) {
	name, ok1 := p.str(uint64(p.order.Uint32(b[4:])))
	path, ok2 := p.str(uint64(p.order.Uint32(b[8:])))
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

// str returns the NUL-terminated string at off.
func (p *parser) str(off uint64) (string, bool) {
	if off >= uint64(len(p.data)) {
		return "", false
	}
	n := bytes.IndexByte(p.data[off:], 0)
	if n < 0 {
		return "", false
	}
	return p.text[off : off+uint64(n)], true
}

// extension reads the names of the hwcaps subdirectories and the generator.
// The loader does without a damaged one, and so does this.
func (p *parser) extension(at uint64) (hwcaps []string, generator string) {
	size := uint64(len(p.data))
	if at == 0 || at+8 > size || p.order.Uint32(p.data[at:]) != extensionMagic {
		return nil, ""
	}
	count := uint64(p.order.Uint32(p.data[at+4:]))
	for b := p.data[at+8:]; count > 0 && len(b) >= 16; b, count = b[16:], count-1 {
		off, n := uint64(p.order.Uint32(b[8:])), uint64(p.order.Uint32(b[12:]))
		if off+n > size {
			continue
		}
		switch p.order.Uint32(b) {
		case tagGenerator:
			generator = p.text[off : off+n]
		case tagHwcaps:
			for ; n >= 4; off, n = off+4, n-4 {
				name, _ := p.str(uint64(p.order.Uint32(p.data[off:])))
				hwcaps = append(hwcaps, name)
			}
		}
	}
	return hwcaps, generator
}
