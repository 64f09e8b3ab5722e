package elfdeps

import (
	"bytes"
	"debug/elf"
)

// dtDepAudit and its kind are the tags that debug/elf calls otherwise or whose
// strings it does not read.
const (
	tagFilter    = elf.DT_FILTER
	tagAuxiliary = elf.DT_AUXILIARY
	tagAudit     = elf.DT_AUDIT
	tagDepAudit  = elf.DT_DEPAUDIT
)

// A stringRef is a dynamic entry whose value is an offset into the string table.
type stringRef struct {
	tag elf.DynTag
	off uint64
}

// dynamic reads the dynamic section up to DT_NULL and the strings it names.
func (d *decoder) dynamic(f *File, s segment) error {
	refs, strtab, strsz, err := d.entries(f, s)
	if err != nil || len(refs) == 0 {
		return err
	}
	base, err := d.offset(strtab)
	if err != nil {
		return err
	}
	if base > uint64(d.size) || strsz > uint64(d.size)-base {
		return damaged("a string table of %d bytes at %#x lies outside the file's %d bytes", strsz, base, d.size)
	}
	names, err := d.strings(refs, base, strsz)
	if err != nil {
		return err
	}
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
	size := uint64(8)
	if d.is64 {
		size = 16
	}
	b, err := d.bytes(s.off, min(s.filesz, maxDynamic*size), "the dynamic section")
	if err != nil {
		return nil, 0, 0, err
	}
	for ; uint64(len(b)) >= size; b = b[size:] {
		tag, val := d.dyn(b)
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
			tagFilter, tagAuxiliary, tagAudit, tagDepAudit:
			refs = append(refs, stringRef{tag, val})
		}
	}
	if s.filesz > maxDynamic*size {
		return nil, 0, 0, damaged("more than %d dynamic entries", maxDynamic)
	}
	return refs, strtab, strsz, nil
}

func (d *decoder) dyn(b []byte) (elf.DynTag, uint64) {
	if d.is64 {
		return elf.DynTag(int64(d.order.Uint64(b))), d.order.Uint64(b[8:])
	}
	return elf.DynTag(int32(d.order.Uint32(b))), uint64(d.order.Uint32(b[4:]))
}

// offset finds the place in the file of an address that the loader would map.
func (d *decoder) offset(addr uint64) (uint64, error) {
	for _, s := range d.loads {
		if addr >= s.vaddr && addr-s.vaddr < s.filesz {
			if off := s.off + (addr - s.vaddr); off >= s.off {
				return off, nil
			}
		}
	}
	return 0, damaged("its string table at address %#x lies in no segment", addr)
}

// strings reads the names that refs point to, in one read if they lie near
// each other, as they do unless a tool has moved some.
func (d *decoder) strings(refs []stringRef, base, strsz uint64) ([]string, error) {
	lo, hi := refs[0].off, refs[0].off
	for _, ref := range refs {
		if ref.off >= strsz {
			return nil, damaged("string offset %d of %v lies past the table's %d bytes", ref.off, ref.tag, strsz)
		}
		lo, hi = min(lo, ref.off), max(hi, ref.off)
	}
	var window []byte
	if end := min(hi+stringGuess, strsz); end-lo <= windowSize {
		var err error
		if window, err = d.bytes(base+lo, end-lo, "the string table"); err != nil {
			return nil, err
		}
	}
	names := make([]string, len(refs))
	for i, ref := range refs {
		if window != nil {
			if name, _, ok := bytes.Cut(window[ref.off-lo:], []byte{0}); ok {
				names[i] = string(name)
				continue
			}
		}
		var err error
		if names[i], err = d.string(base+ref.off, strsz-ref.off); err != nil {
			return nil, err
		}
	}
	return names, nil
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
		if n >= room || n >= maxString {
			return "", damaged("a string at %#x does not end", off)
		}
	}
}
