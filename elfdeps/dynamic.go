package elfdeps

import (
	"bytes"
	"cmp"
	"debug/elf"
	"strings"
)

// A stringRef is a dynamic entry whose value is an offset into the string table.
type stringRef struct {
	tag elf.DynTag
	off uint64
}

// tables are the addresses and sizes that a dynamic section gives of what the
// loader works with. An address of 0 stands for a table that is not there.
type tables struct {
	strtab, strsz       uint64
	symtab              uint64
	hash, gnuHash       uint64
	versym              uint64
	verneed, verneedNum uint64
	verdef, verdefNum   uint64
}

// dynamic reads the dynamic section up to DT_NULL, the versions that it leads
// to and the strings they name.
func (d *decoder) dynamic(f *File, s segment) error {
	if s.filesz == 0 {
		return damaged("its dynamic section is not in the file, as in one that holds only debugging information")
	}
	if err := d.entries(f, s); err != nil {
		return err
	}
	entries := len(d.refs)
	if err := d.readVersions(); err != nil || len(d.refs)+len(d.versions.refs) == 0 {
		return err
	}
	base, err := d.stringTable()
	if err != nil {
		return err
	}
	names, err := d.strings(d.refs, base)
	if err != nil {
		return err
	}
	f.Needed = make([]Dependency, 0, entries)
	for i, ref := range d.refs[:entries] {
		f.set(ref.tag, names[i])
	}
	versions, err := d.strings(d.versions.refs, base)
	if err != nil {
		return err
	}
	d.versions.setIn(f, names[entries:], versions)
	if f.HasRunpath {
		f.Rpath = ""
	}
	return f.bound()
}

// bound returns an error for a file that makes its loader search without end: what
// it names is looked for in every element of its path, and each look is remembered.
func (f *File) bound() error {
	names := 0
	for _, dep := range f.Needed {
		if names++; dep.Tag == elf.DT_AUDIT || dep.Tag == elf.DT_DEPAUDIT {
			names += strings.Count(dep.Name, ":")
		}
	}
	if names > maxNeeded {
		return damaged("names of more than %d other objects", maxNeeded)
	}
	list := cmp.Or(f.Runpath, f.Rpath)
	dirs := 1 + strings.Count(list, ":") + strings.Count(list, "\n")
	if dirs > maxDirs {
		return damaged("a search path of more than %d directories", maxDirs)
	}
	const probe = 256 // bytes about, besides the path
	if size := names * (len(list) + dirs*probe); size > maxPlaces {
		return damaged("%d names to be looked for in %d directories", names, dirs)
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

// entries walks the dynamic section.
func (d *decoder) entries(f *File, s segment) error {
	size := 2 * d.word
	b, err := d.bytes(s.off, min(s.filesz, uint64(maxDynamic*size)), "its dynamic section")
	if err != nil {
		return err
	}
	for ; len(b) >= size; b = b[size:] {
		tag, val := d.tag(b), d.number(b[d.word:])
		switch tag {
		case elf.DT_NULL:
			return nil
		case elf.DT_FLAGS_1:
			f.Flags1 = elf.DynFlag1(val)
		case elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH,
			elf.DT_FILTER, elf.DT_AUXILIARY, elf.DT_AUDIT, elf.DT_DEPAUDIT:
			d.refs = append(d.refs, stringRef{tag, val})
		default:
			d.tables.set(tag, val)
		}
	}
	if s.filesz > uint64(maxDynamic*size) {
		return damaged("more than %d dynamic entries", maxDynamic)
	}
	return nil
}

func (t *tables) set(tag elf.DynTag, val uint64) {
	switch tag {
	case elf.DT_STRTAB:
		t.strtab = val
	case elf.DT_STRSZ:
		t.strsz = val
	case elf.DT_SYMTAB:
		t.symtab = val
	case elf.DT_HASH:
		t.hash = val
	case elf.DT_GNU_HASH:
		t.gnuHash = val
	case elf.DT_VERSYM:
		t.versym = val
	case elf.DT_VERNEED:
		t.verneed = val
	case elf.DT_VERNEEDNUM:
		t.verneedNum = val
	case elf.DT_VERDEF:
		t.verdef = val
	case elf.DT_VERDEFNUM:
		t.verdefNum = val
	}
}

// tag returns the tag of a dynamic entry, which is a signed number.
func (d *decoder) tag(b []byte) elf.DynTag {
	if d.word == 4 {
		return elf.DynTag(int32(d.order.Uint32(b)))
	}
	return elf.DynTag(int64(d.order.Uint64(b)))
}

// fileOffset finds the place in the file of an address that the loader would map.
func (d *decoder) fileOffset(addr uint64, what string) (uint64, error) {
	found, at := false, uint64(0)
	for _, s := range d.loads {
		if addr < s.vaddr || addr-s.vaddr >= s.filesz {
			continue
		}
		off := s.off + (addr - s.vaddr)
		if off < s.off || found && off != at {
			return 0, damaged("%s at address %#x lies in segments that overlap", what, addr)
		}
		found, at = true, off
	}
	if !found {
		return 0, damaged("%s at address %#x lies in no segment", what, addr)
	}
	return at, nil
}

// stringTable returns the place in the file of the string table.
func (d *decoder) stringTable() (uint64, error) {
	base, err := d.fileOffset(d.strtab, "its string table")
	if err != nil {
		return 0, err
	}
	if base > uint64(d.size) || d.strsz > uint64(d.size)-base {
		return 0, damaged("%d bytes at %#x for its string table are more than the file's %d", d.strsz, base, d.size)
	}
	return base, nil
}

// strings returns the names that refs point to, in the string table at base. It
// takes one read if they lie near each other, as names of libraries do, and names
// of versions, unless a tool has moved some.
func (d *decoder) strings(refs []stringRef, base uint64) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	size := d.strsz
	lo, hi := refs[0].off, refs[0].off
	for _, ref := range refs {
		if ref.off >= size {
			return nil, damaged("string offset %d of %v lies past the table's %d bytes", ref.off, ref.tag, size)
		}
		lo, hi = min(lo, ref.off), max(hi, ref.off)
	}
	window := "" // of the table, from lo to the end of the last string
	if end := min(hi+stringGuess, size); end-lo <= windowSize {
		b, err := d.bytes(base+lo, end-lo, "its string table")
		if err != nil {
			return nil, err
		}
		last := bytes.IndexByte(b[hi-lo:], 0)
		window = string(b[:hi-lo+uint64(last+1)])
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
