package elfdeps

import (
	"bytes"
	"debug/elf"
	"io"
	"slices"
)

// Imports returns those of names that an ELF file of size bytes takes from its
// libraries: the symbols that its dynamic symbol table has, and does not define.
// They are in the order of names. Errors are those of [Read]. However many
// symbols a file has, little of it is held at a time.
func Imports(r io.ReaderAt, size int64, names []string) ([]string, error) {
	d := new(decoder)
	if _, err := d.read(r, size); err != nil {
		return nil, err
	}
	return d.imports(names)
}

// imports is Imports for the file that was read last.
func (d *decoder) imports(names []string) ([]string, error) {
	return d.among(names, func(symbol []byte) bool {
		return elf.SectionIndex(d.order.Uint16(symbol[d.shndx:])) == elf.SHN_UNDEF
	})
}

// exports is Imports for the symbols that a file has for others.
func exports(r io.ReaderAt, size int64, names []string) ([]string, error) {
	d := new(decoder)
	if _, err := d.read(r, size); err != nil {
		return nil, err
	}
	return d.among(names, func(symbol []byte) bool {
		info := symbol[d.shndx-2] // st_info, st_other, st_shndx
		value := symbol[d.word:]  // follows st_name, which is of 4 bytes, and in 64-bit files these three
		return elf.SectionIndex(d.order.Uint16(symbol[d.shndx:])) != elf.SHN_UNDEF &&
			elf.ST_BIND(info) != elf.STB_LOCAL && d.number(value) != 0
	})
}

// among returns those of names that a symbol has for which is holds, in the order
// of names.
func (d *decoder) among(names []string, is func(symbol []byte) bool) ([]string, error) {
	if d.symtab == 0 || d.strtab == 0 || len(names) == 0 {
		return nil, nil
	}
	base, err := d.stringTable()
	if err != nil {
		return nil, err
	}
	wanted, err := d.find(names, base)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	first, n, err := d.symbols()
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(names))
	const atOnce = 1024
	for i := uint64(0); i < n; i += atOnce {
		size := uint64(d.symsize)
		b, err := d.bytes(first+i*size, min(atOnce, n-i)*size, "its symbols")
		if err != nil {
			return nil, err
		}
		for ; len(b) > 0; b = b[size:] {
			if name, ok := wanted[uint64(d.order.Uint32(b))]; ok && is(b) {
				found[name] = true
			}
		}
	}
	var list []string
	for i, name := range names {
		if found[i] {
			list = append(list, name)
		}
	}
	return list, nil
}

// maxHits bounds the places in a string table where names that are asked for begin.
// Most are the end of another name, of which the longest tables hold some hundred.
const maxHits = 1 << 16

// find returns where in the string table at base each of names begins, be it as
// the end of a longer name, which a linker lets them share. Most files name none
// of those that one asks for, and need not be looked at any further.
func (d *decoder) find(names []string, base uint64) (map[uint64]int, error) {
	longest := 0
	for _, name := range names {
		longest = max(longest, len(name)+1)
	}
	found := make(map[uint64]int)
	for at := uint64(0); at < d.strsz; at += windowSize {
		// Windows overlap, lest a name lie across the end of one.
		b, err := d.bytes(base+at, min(windowSize+uint64(longest), d.strsz-at), "its string table")
		if err != nil {
			return nil, err
		}
		for end := bytes.IndexByte(b, 0); end >= 0; end = nextByte(b, end+1, 0) {
			for i, name := range names {
				if begin := end - len(name); begin >= 0 && string(b[begin:end]) == name {
					found[at+uint64(begin)] = i
				}
			}
			if len(found) > maxHits {
				return nil, damaged("more than %d names that end alike", maxHits)
			}
		}
	}
	return found, nil
}

// nextByte returns the index of the first c in b from the given one on, or -1.
func nextByte(b []byte, from int, c byte) int {
	if n := bytes.IndexByte(b[from:], c); n >= 0 {
		return from + n
	}
	return -1
}

// symbols returns the place of the symbol table in the file, and how many
// symbols it may have. No header tells: it ends where the next table begins, or
// with its segment. DT_GNU_HASH does not have all undefined symbols before
// defined ones, as is said: those whose address is taken lie behind.
func (d *decoder) symbols() (first, n uint64, err error) {
	first, err = d.fileOffset(d.symtab, "its symbol table")
	if err != nil {
		return 0, 0, err
	}
	end := uint64(0)
	for _, s := range d.loads {
		if d.symtab >= s.vaddr && d.symtab-s.vaddr < s.filesz {
			end = s.vaddr + s.filesz
		}
	}
	for _, table := range []uint64{d.strtab, d.hash, d.gnuHash, d.versym, d.verneed, d.verdef} {
		if table > d.symtab {
			end = min(end, table)
		}
	}
	return first, (end - d.symtab) / uint64(d.symsize), nil
}

// unwinders are the functions of glibc that open libgcc_s.so.1 when they are
// called, with which no object is linked for that.
var unwinders = []string{"backtrace", "pthread_cancel", "pthread_exit"}

// unwinds returns the unwinders that the file imports.
func (d *decoder) unwinds(f *File) ([]string, error) {
	if !slices.ContainsFunc(f.Needed, func(dep Dependency) bool { return dep.Tag == elf.DT_NEEDED }) {
		return nil, nil
	}
	return d.imports(unwinders)
}
