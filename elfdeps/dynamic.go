package elfdeps

import (
	"bytes"
	"debug/elf"
	"strings"
)

// A stringRef is a dynamic entry whose value is an offset into the string table.
type stringRef struct {
	tag elf.DynTag
	off uint64
}

// dynamic reads the dynamic section up to DT_NULL and the strings it names.
func (d *decoder) dynamic(f *File, s segment) error {
	if s.filesz == 0 {
		return damaged("its dynamic section is not in the file, as in one that holds only debugging information")
	}
	refs, strtab, strsz, err := d.entries(f, s)
	if err != nil || len(refs) == 0 {
		return err
	}
	base, err := d.fileOffset(strtab)
	if err != nil {
		return err
	}
	if base > uint64(d.size) || strsz > uint64(d.size)-base {
		return damaged("%d bytes at %#x for its string table are more than the file's %d", strsz, base, d.size)
	}
	names, err := d.strings(refs, base, strsz)
	if err != nil {
		return err
	}
	f.Needed = make([]Dependency, 0, len(refs))
	for i, ref := range refs {
		f.set(ref.tag, names[i])
	}
	if f.HasRunpath {
		f.Rpath = ""
	}
	return nil
}

// set records the string of one dynamic entry. Of a tag that may stand only
// once, the last one counts, as in the loader's l_info.
func (f *File) set(tag elf.DynTag, name string) {
	switch tag {
	case elf.DT_SONAME:
		f.Soname = name
	case elf.DT_RPATH:
		f.Rpath = name
	case elf.DT_RUNPATH:
		f.Runpath, f.HasRunpath = name, true
	default:
		f.Needed = append(f.Needed, Dependency{tag, name})
	}
}

// entries walks the dynamic section and returns what refers to strings.
func (d *decoder) entries(f *File, s segment) (refs []stringRef, strtab, strsz uint64, err error) {
	size := 2 * d.word
	b, err := d.bytes(s.off, min(s.filesz, uint64(maxDynamic*size)), "its dynamic section")
	if err != nil {
		return nil, 0, 0, err
	}
	refs = make([]stringRef, 0, 16)
	for ; len(b) >= size; b = b[size:] {
		tag, val := d.tag(b), d.number(b[d.word:])
		switch tag {
		case elf.DT_NULL:
			return refs, strtab, strsz, nil
		case elf.DT_STRTAB:
			strtab = val
		case elf.DT_STRSZ:
			strsz = val
		case elf.DT_FLAGS_1:
			f.Flags1 = elf.DynFlag1(val)
		case elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH,
			elf.DT_FILTER, elf.DT_AUXILIARY, elf.DT_AUDIT, elf.DT_DEPAUDIT:
			refs = append(refs, stringRef{tag, val})
		}
	}
	if s.filesz > uint64(maxDynamic*size) {
		return nil, 0, 0, damaged("more than %d dynamic entries", maxDynamic)
	}
	return refs, strtab, strsz, nil
}

// tag returns the tag of a dynamic entry, which is a signed number.
func (d *decoder) tag(b []byte) elf.DynTag {
	if d.word == 4 {
		return elf.DynTag(int32(d.order.Uint32(b)))
	}
	return elf.DynTag(int64(d.order.Uint64(b)))
}

// fileOffset finds the place in the file of an address that the loader would map.
func (d *decoder) fileOffset(addr uint64) (uint64, error) {
	for _, s := range d.loads {
		if addr >= s.vaddr && addr-s.vaddr < s.filesz {
			if off := s.off + (addr - s.vaddr); off >= s.off {
				return off, nil
			}
		}
	}
	return 0, damaged("its string table at address %#x lies in no segment", addr)
}

// strings returns the names that refs point to, in a string table of size bytes
// at base. It takes one read if they lie near each other, as they do unless a
// tool has moved some.
func (d *decoder) strings(refs []stringRef, base, size uint64) ([]string, error) {
	lo, hi := refs[0].off, refs[0].off
	for _, ref := range refs {
		if ref.off >= size {
			return nil, damaged("string offset %d of %v lies past the table's %d bytes", ref.off, ref.tag, size)
		}
		lo, hi = min(lo, ref.off), max(hi, ref.off)
	}
	window := "" // of the table, from lo on
	if end := min(hi+stringGuess, size); end-lo <= windowSize {
		b, err := d.bytes(base+lo, end-lo, "its string table")
		if err != nil {
			return nil, err
		}
		window = string(b)
	}
	names := make([]string, len(refs))
	total := 0
	for i, ref := range refs {
		name, ok := cutString(window, ref.off-lo)
		if !ok {
			var err error
			if name, err = d.string(base+ref.off, size-ref.off); err != nil {
				return nil, err
			}
		}
		if total += len(name); total > maxNames {
			return nil, damaged("names of more than %d bytes", maxNames)
		}
		names[i] = name
	}
	return names, nil
}

// cutString returns the terminated string at off, without copying it.
func cutString(window string, off uint64) (string, bool) {
	if off >= uint64(len(window)) {
		return "", false
	}
	name, _, ok := strings.Cut(window[off:], "\x00")
	return name, ok
}

// string reads one terminated string that has at most room bytes.
func (d *decoder) string(off, room uint64) (string, error) {
	for n := uint64(stringGuess); ; n *= 8 {
		b, err := d.bytes(off, min(n, room), "a string")
		if err != nil {
			return "", err
		}
		if name, _, ok := bytes.Cut(b, []byte{0}); ok {
			return string(name), nil
		}
		if n >= room || n >= maxNames {
			return "", damaged("a string at %#x does not end", off)
		}
	}
}
