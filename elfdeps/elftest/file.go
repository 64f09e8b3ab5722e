package elftest

import (
	"debug/elf"
	"slices"
)

// File describes one ELF file. The zero File is a shared library for x86-64 that needs nothing: a zero field means the
// default that its comment names.
type File struct {
	Class   elf.Class   // ELFCLASS64
	Data    elf.Data    // ELFDATA2LSB
	OSABI   elf.OSABI   // ELFOSABI_NONE
	Type    elf.Type    // ET_DYN
	Machine elf.Machine // EM_X86_64, or EM_386 in an ELFCLASS32 file
	Flags   uint32      // e_flags

	Interp  string // PT_INTERP; none
	Dynamic []Dyn  // the first entries of PT_DYNAMIC

	// Shorthands for entries that follow those of Dynamic, in the order of these fields. Empty ones are left out.
	Needed  []string
	Soname  string
	Rpath   string
	Runpath string
	Flags1  elf.DynFlag1

	Imports []string  // undefined symbols of .dynsym
	Exports []string  // defined symbols of .dynsym
	VerNeed []VerNeed // DT_VERNEED
	VerDef  []string  // DT_VERDEF, without the base definition, which is added
	Notes   []Note    // one PT_NOTE holds them all
	Text    []byte    // any bytes, inside the second PT_LOAD

	Static   bool // no PT_DYNAMIC, and nothing that it would point to
	Sections bool // a section table, which no loader reads

	Damage []Damage // done to the finished image, in order
}

// Dyn is an entry of PT_DYNAMIC. Its value is the offset of Str in the string table, or Val if Str is empty.
type Dyn struct {
	Tag elf.DynTag
	Str string
	Val uint64
}

// VerNeed lists the symbol versions that a file wants of the library with the given soname.
type VerNeed struct {
	File     string
	Versions []string
}

// Note is one note of PT_NOTE.
type Note struct {
	Owner string // without the NUL that follows it in the file
	Type  uint32
	Desc  string
}

// Dlopen returns the note by which a file says that it may dlopen the libraries named in json, as specified by the
// UAPI group's "ELF dlopen metadata".
func Dlopen(json string) Note {
	return Note{Owner: "FDO", Type: 0x407c0c0a, Desc: json + "\x00"}
}

// Bytes returns the file, which is the same for equal descriptions.
func (f *File) Bytes() []byte {
	image := newLayout(f).bytes()
	for _, damage := range f.Damage {
		image = damage(image)
	}
	return image
}

// withDefaults returns a copy of f in which no field of the ELF header is zero for want of a value.
func (f *File) withDefaults() *File {
	g := *f
	if g.Class == elf.ELFCLASSNONE {
		g.Class = elf.ELFCLASS64
	}
	if g.Data == elf.ELFDATANONE {
		g.Data = elf.ELFDATA2LSB
	}
	if g.Type == elf.ET_NONE {
		g.Type = elf.ET_DYN
	}
	if g.Machine == elf.EM_NONE {
		g.Machine = elf.EM_X86_64
		if g.Class == elf.ELFCLASS32 {
			g.Machine = elf.EM_386
		}
	}
	return &g
}

// entries returns Dynamic with the shorthands spelled out.
func (f *File) entries() []Dyn {
	list := slices.Clone(f.Dynamic)
	for _, name := range f.Needed {
		list = append(list, Dyn{Tag: elf.DT_NEEDED, Str: name})
	}
	for _, d := range []Dyn{
		{Tag: elf.DT_SONAME, Str: f.Soname},
		{Tag: elf.DT_RPATH, Str: f.Rpath},
		{Tag: elf.DT_RUNPATH, Str: f.Runpath},
		{Tag: elf.DT_FLAGS_1, Val: uint64(f.Flags1)},
	} {
		if d.Str != "" || d.Val != 0 {
			list = append(list, d)
		}
	}
	return list
}

// soname returns the DT_SONAME, wherever it was given.
func (f *File) soname() string {
	for _, d := range f.entries() {
		if d.Tag == elf.DT_SONAME {
			return d.Str
		}
	}
	return ""
}
