package elftest

import (
	"debug/elf"
	"slices"
)

// sectionTable returns .shstrtab and the section headers, which end the file, and notes in l where they are. It returns
// nil for a file without sections.
func (l *layout) sectionTable() []byte {
	if !l.Sections {
		return nil
	}
	parts := slices.Concat(l.head, l.body)
	start := l.size(ehdrSize) + uint64(l.phdrs)*l.size(phdrSize)
	if len(parts) > 0 {
		start = parts[len(parts)-1].end()
	}
	for _, p := range parts {
		l.shname.offset(p.name)
	}
	l.shname.offset(".shstrtab")
	names := &part{name: ".shstrtab", kind: elf.SHT_STRTAB, data: l.shname.bytes(), off: start}
	l.shoff = roundUp(names.end(), align)
	b := append(slices.Clone(names.data), make([]byte, l.shoff-names.end())...)

	parts = append(parts, names)
	l.shnum = uint16(len(parts) + 1)
	b = l.shdr(b, elf.Section64{})
	for _, p := range parts {
		b = l.shdr(b, l.section(p, parts))
	}
	return b
}

// section returns the section header of p, whose link is looked up in parts.
func (l *layout) section(p *part, parts []*part) elf.Section64 {
	s := elf.Section64{
		Name: l.shname.offset(p.name), Type: uint32(p.kind), Addr: p.addr, Off: p.off, Size: uint64(len(p.data)),
		Link: uint32(slices.IndexFunc(parts, func(q *part) bool { return q.name == p.link }) + 1),
		Info: p.info, Addralign: align, Entsize: p.entsize,
	}
	switch p.name {
	case ".shstrtab":
		s.Addralign = 1
		return s
	case ".note.dlopen":
		s.Addralign = noteAlign // it decides how readers pad the notes
	case ".dynamic":
		s.Flags = uint64(elf.SHF_WRITE)
	}
	s.Flags |= uint64(elf.SHF_ALLOC)
	return s
}
