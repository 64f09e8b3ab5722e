package elftest

import (
	"debug/elf"
	"encoding/binary"
)

// encoder appends the structures of the gABI to a buffer in the class and byte order of a file. They are given in their
// 64-bit form.
type encoder struct {
	is64  bool
	order binary.ByteOrder
}

// Sizes of structures: in ELFCLASS32, in ELFCLASS64. A type for each would say no more.
type sizes [2]uint64

var (
	ehdrSize = sizes{52, 64}
	phdrSize = sizes{32, 56}
	shdrSize = sizes{40, 64}
	dynSize  = sizes{8, 16}
	symSize  = sizes{16, 24}
)

func (e encoder) size(s sizes) uint64 {
	if e.is64 {
		return s[1]
	}
	return s[0]
}

// put appends fixed-size values.
func (e encoder) put(b []byte, values ...any) []byte {
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, e.order, v); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	return b
}

func (e encoder) ehdr(b []byte, h elf.Header64) []byte {
	if e.is64 {
		return e.put(b, h)
	}
	return e.put(b, elf.Header32{
		Ident: h.Ident, Type: h.Type, Machine: h.Machine, Version: h.Version, Entry: uint32(h.Entry),
		Phoff: uint32(h.Phoff), Shoff: uint32(h.Shoff), Flags: h.Flags, Ehsize: h.Ehsize,
		Phentsize: h.Phentsize, Phnum: h.Phnum, Shentsize: h.Shentsize, Shnum: h.Shnum, Shstrndx: h.Shstrndx,
	})
}

func (e encoder) phdr(b []byte, p elf.Prog64) []byte {
	if e.is64 {
		return e.put(b, p)
	}
	return e.put(b, elf.Prog32{
		Type: p.Type, Off: uint32(p.Off), Vaddr: uint32(p.Vaddr), Paddr: uint32(p.Paddr),
		Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz), Flags: p.Flags, Align: uint32(p.Align),
	})
}

func (e encoder) shdr(b []byte, s elf.Section64) []byte {
	if e.is64 {
		return e.put(b, s)
	}
	return e.put(b, elf.Section32{
		Name: s.Name, Type: s.Type, Flags: uint32(s.Flags), Addr: uint32(s.Addr), Off: uint32(s.Off),
		Size: uint32(s.Size), Link: s.Link, Info: s.Info, Addralign: uint32(s.Addralign), Entsize: uint32(s.Entsize),
	})
}

func (e encoder) dyn(b []byte, d elf.Dyn64) []byte {
	if e.is64 {
		return e.put(b, d)
	}
	return e.put(b, elf.Dyn32{Tag: int32(d.Tag), Val: uint32(d.Val)})
}

func (e encoder) sym(b []byte, s elf.Sym64) []byte {
	if e.is64 {
		return e.put(b, s)
	}
	return e.put(b, elf.Sym32{
		Name: s.Name, Value: uint32(s.Value), Size: uint32(s.Size), Info: s.Info, Other: s.Other, Shndx: s.Shndx,
	})
}

// notes returns the content of a PT_NOTE.
func (e encoder) notes(list []Note) []byte {
	var b []byte
	for _, n := range list {
		b = e.put(b, uint32(len(n.Owner)+1), uint32(len(n.Desc)), n.Type)
		b = pad(append(b, n.Owner+"\x00"...), noteAlign)
		b = pad(append(b, n.Desc...), noteAlign)
	}
	return b
}

// strtab collects the strings of a string table, each once. The empty string is at 0.
type strtab struct {
	data    []byte
	offsets map[string]uint32
}

// offset returns the offset of s in the table, and adds s if it is new.
func (t *strtab) offset(s string) uint32 {
	if s == "" {
		return 0
	}
	off, known := t.offsets[s]
	if known {
		return off
	}
	off = uint32(len(t.bytes()))
	t.data = append(append(t.bytes(), s...), 0)
	if t.offsets == nil {
		t.offsets = map[string]uint32{}
	}
	t.offsets[s] = off
	return off
}

func (t *strtab) bytes() []byte {
	if t.data == nil {
		t.data = []byte{0}
	}
	return t.data
}

// pad appends zero bytes up to a multiple of n.
func pad(b []byte, n uint64) []byte {
	return append(b, make([]byte, roundUp(uint64(len(b)), n)-uint64(len(b)))...)
}

func roundUp(off, n uint64) uint64 { return (off + n - 1) / n * n }
