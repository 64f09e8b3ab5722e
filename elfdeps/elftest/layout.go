package elftest

import (
	"debug/elf"
	"encoding/binary"
)

// layout places the parts of a file:
//
//	offset                                    address
//	0       ELF header                        base               first PT_LOAD, R
//	        program headers                   base + offset
//	        .interp  .note.dlopen
//	n       .hash  .dynsym  .dynstr           base + n + 0x1000  second PT_LOAD, RW
//	        .gnu.version  .gnu.version_d
//	        .gnu.version_r  .rodata
//	        .dynamic
//	        .shstrtab, section headers        none; only with File.Sections
//
// base is 0, or 0x400000 in an ET_EXEC. Addresses in the second segment differ from offsets, so a reader that takes one
// for the other finds nothing. 0x1000 is also one page, which lets the real loader map both segments.
type layout struct {
	*File
	encoder
	strs   strtab
	head   []*part // what the first PT_LOAD holds behind the program headers
	body   []*part // what the second PT_LOAD holds
	phdrs  int
	shnum  uint16
	shoff  uint64
	shname strtab
}

const (
	page      = 0x1000
	align     = 8 // of every part; enough for all of them
	noteAlign = 4 // of the notes in their part
)

// part is one run of bytes of the file, and one section of its section table.
type part struct {
	name      string
	kind      elf.SectionType
	data      []byte
	link      string // the section that sh_link refers to
	info      uint32 // sh_info
	entsize   uint64 // sh_entsize
	off, addr uint64 // set by place
}

func (p *part) end() uint64 { return p.off + uint64(len(p.data)) }

func newLayout(f *File) *layout {
	f = f.withDefaults()
	l := &layout{File: f, encoder: encoder{is64: f.Class == elf.ELFCLASS64, order: binary.LittleEndian}}
	if f.Data == elf.ELFDATA2MSB {
		l.order = binary.BigEndian
	}
	l.addHead()
	l.addBody()
	l.place()
	return l
}

func (l *layout) addHead() {
	if l.Interp != "" {
		l.head = append(l.head, &part{name: ".interp", kind: elf.SHT_PROGBITS, data: []byte(l.Interp + "\x00")})
	}
	if len(l.Notes) > 0 {
		l.head = append(l.head, &part{name: ".note.dlopen", kind: elf.SHT_NOTE, data: l.notes(l.Notes)})
	}
}

func (l *layout) addBody() {
	if !l.Static {
		l.addDynamic()
	}
	if len(l.Text) > 0 {
		l.body = append(l.body, &part{name: ".rodata", kind: elf.SHT_PROGBITS, data: l.Text})
	}
	if !l.Static {
		// Without addresses as yet, but as long as it will be.
		l.body = append(l.body, &part{name: ".dynamic", kind: elf.SHT_DYNAMIC, data: l.dynamic(), link: ".dynstr",
			entsize: l.size(dynSize)})
	}
}

// addDynamic adds what .dynamic points to.
func (l *layout) addDynamic() {
	l.dynamic() // for its strings
	symbols, versym := l.symbols()
	count := len(l.Imports) + len(l.Exports) + 1
	l.body = append(l.body,
		&part{name: ".hash", kind: elf.SHT_HASH, data: l.hash(count), link: ".dynsym", entsize: l.hashWord()},
		&part{name: ".dynsym", kind: elf.SHT_DYNSYM, data: symbols, link: ".dynstr", info: 1, entsize: l.size(symSize)})
	dynstr := &part{name: ".dynstr", kind: elf.SHT_STRTAB}
	l.body = append(l.body, dynstr)
	if len(l.VerDef)+len(l.VerNeed) > 0 {
		l.body = append(l.body, &part{name: ".gnu.version", kind: elf.SHT_GNU_VERSYM, data: versym, link: ".dynsym",
			entsize: 2})
	}
	if len(l.VerDef) > 0 {
		l.body = append(l.body, &part{name: ".gnu.version_d", kind: elf.SHT_GNU_VERDEF, data: l.verdef(), link: ".dynstr",
			info: uint32(len(l.VerDef) + 1)})
	}
	if len(l.VerNeed) > 0 {
		l.body = append(l.body, &part{name: ".gnu.version_r", kind: elf.SHT_GNU_VERNEED, data: l.verneed(), link: ".dynstr",
			info: uint32(len(l.VerNeed))})
	}
	dynstr.data = l.strs.bytes()
}

// place gives every part its offset and address, and .dynamic its final content.
func (l *layout) place() {
	l.phdrs = len(l.progs())
	off := l.size(ehdrSize) + uint64(l.phdrs)*l.size(phdrSize)
	for _, p := range l.head {
		off = roundUp(off, align)
		p.off, p.addr = off, l.base()+off
		off = p.end()
	}
	for _, p := range l.body {
		off = roundUp(off, align)
		p.off, p.addr = off, l.base()+off+page
		off = p.end()
	}
	if d := l.part(".dynamic"); d != nil {
		d.data = l.dynamic()
	}
}

func (l *layout) base() uint64 {
	if l.Type == elf.ET_EXEC {
		return 0x400000
	}
	return 0
}

// part returns the part of that name, or nil.
func (l *layout) part(name string) *part {
	for _, list := range [][]*part{l.head, l.body} {
		for _, p := range list {
			if p.name == name {
				return p
			}
		}
	}
	return nil
}

// dynamic returns the content of .dynamic. It is first asked before the parts have addresses.
func (l *layout) dynamic() []byte {
	var b []byte
	add := func(tag elf.DynTag, val uint64) { b = l.dyn(b, elf.Dyn64{Tag: int64(tag), Val: val}) }
	for _, d := range l.entries() {
		if d.Str != "" {
			d.Val = uint64(l.strs.offset(d.Str))
		}
		add(d.Tag, d.Val)
	}
	for _, t := range []struct {
		part  string
		tag   elf.DynTag
		extra elf.DynTag // the tag of a number that goes with the address
		val   uint64
	}{
		{".hash", elf.DT_HASH, elf.DT_NULL, 0},
		{".dynsym", elf.DT_SYMTAB, elf.DT_SYMENT, l.size(symSize)},
		{".dynstr", elf.DT_STRTAB, elf.DT_STRSZ, uint64(len(l.strs.bytes()))},
		{".gnu.version", elf.DT_VERSYM, elf.DT_NULL, 0},
		{".gnu.version_d", elf.DT_VERDEF, elf.DT_VERDEFNUM, uint64(len(l.VerDef) + 1)},
		{".gnu.version_r", elf.DT_VERNEED, elf.DT_VERNEEDNUM, uint64(len(l.VerNeed))},
	} {
		p := l.part(t.part)
		if p == nil {
			continue
		}
		add(t.tag, p.addr)
		if t.extra != elf.DT_NULL {
			add(t.extra, t.val)
		}
	}
	add(elf.DT_NULL, 0)
	return b
}

// progs returns the program headers. Their number is right before the parts have addresses.
func (l *layout) progs() []elf.Prog64 {
	var list []elf.Prog64
	add := func(kind elf.ProgType, flags elf.ProgFlag, align, off, addr, end uint64) {
		list = append(list, elf.Prog64{Type: uint32(kind), Flags: uint32(flags), Align: align,
			Off: off, Vaddr: addr, Paddr: addr, Filesz: end - off, Memsz: end - off})
	}
	addPart := func(kind elf.ProgType, flags elf.ProgFlag, align uint64, name string) {
		if p := l.part(name); p != nil {
			add(kind, flags, align, p.off, p.addr, p.end())
		}
	}
	ehdr := l.size(ehdrSize)
	headEnd := ehdr + uint64(l.phdrs)*l.size(phdrSize)
	if l.Interp != "" {
		// The loader computes the load address of a program from its PT_PHDR.
		add(elf.PT_PHDR, elf.PF_R, align, ehdr, l.base()+ehdr, headEnd)
	}
	addPart(elf.PT_INTERP, elf.PF_R, 1, ".interp")
	if n := len(l.head); n > 0 {
		headEnd = l.head[n-1].end()
	}
	add(elf.PT_LOAD, elf.PF_R, page, 0, l.base(), headEnd)
	if n := len(l.body); n > 0 {
		add(elf.PT_LOAD, elf.PF_R|elf.PF_W, page, l.body[0].off, l.body[0].addr, l.body[n-1].end())
	}
	addPart(elf.PT_DYNAMIC, elf.PF_R|elf.PF_W, align, ".dynamic")
	addPart(elf.PT_NOTE, elf.PF_R, noteAlign, ".note.dlopen")
	add(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 16, 0, 0, 0)
	return list
}

// bytes returns the file without its damage.
func (l *layout) bytes() []byte {
	tail := l.sectionTable()
	b := l.ehdr(nil, l.header())
	for _, p := range l.progs() {
		b = l.phdr(b, p)
	}
	for _, list := range [][]*part{l.head, l.body} {
		for _, p := range list {
			b = append(pad(b, align), p.data...)
		}
	}
	return append(b, tail...)
}

func (l *layout) header() elf.Header64 {
	h := elf.Header64{
		Type: uint16(l.Type), Machine: uint16(l.Machine), Version: uint32(elf.EV_CURRENT), Flags: l.Flags,
		Ehsize: uint16(l.size(ehdrSize)),
		Phoff:  l.size(ehdrSize), Phentsize: uint16(l.size(phdrSize)), Phnum: uint16(l.phdrs),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS] = byte(l.Class)
	h.Ident[elf.EI_DATA] = byte(l.Data)
	h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	h.Ident[elf.EI_OSABI] = byte(l.OSABI)
	if l.shnum > 0 {
		h.Shoff, h.Shentsize, h.Shnum, h.Shstrndx = l.shoff, uint16(l.size(shdrSize)), l.shnum, l.shnum-1
	}
	return h
}
