package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrNotELF means that a file does not begin as an ELF file does.
var ErrNotELF = errors.New("not an ELF file")

// A FormatError says in what way a file that begins as an ELF file is damaged.
type FormatError struct{ What string }

func (e *FormatError) Error() string { return "damaged ELF file: " + e.What }

func damaged(format string, args ...any) error {
	return &FormatError{fmt.Sprintf(format, args...)}
}

// Limits on what a file may ask for. No real file comes near them.
const (
	headSize    = 2048    // one read that usually holds the ELF header, all program headers and PT_INTERP
	maxDynamic  = 1 << 16 // entries of a dynamic section
	maxInterp   = 4096    // bytes of PT_INTERP: PATH_MAX
	maxString   = 1 << 20 // bytes of one string
	windowSize  = 1 << 16 // bytes of a string table that are read at once
	stringGuess = 512     // bytes read past the offset of the last string
)

// A File is what one ELF file tells the kernel and the loader about itself,
// read through its program headers: section headers are for debuggers, and a
// program runs without them.
type File struct {
	Arch       Arch
	Type       elf.Type
	Interp     string // PT_INTERP, "" if there is none
	Dynamic    bool   // has a PT_DYNAMIC segment
	Soname     string
	Rpath      string // DT_RPATH; "" if DT_RUNPATH is there too, which makes the loader forget it
	Runpath    string
	HasRunpath bool // DT_RUNPATH is there, be it empty
	Flags1     elf.DynFlag1
	Needed     []Dependency // in the order of the dynamic section
}

// A Dependency is an entry of the dynamic section that names another object:
// DT_NEEDED, DT_FILTER, DT_AUXILIARY, DT_AUDIT or DT_DEPAUDIT.
type Dependency struct {
	Tag  elf.DynTag
	Name string
}

// Static reports whether the kernel alone can start the file: it names no
// interpreter and needs no library. Static-pie programs are among these.
func (f *File) Static() bool {
	return f.Interp == "" && len(f.Needed) == 0
}

// Read reads an ELF file of size bytes of either class and byte order. Errors
// are [ErrNotELF], a *[FormatError] or what r returns; with the latter two, the
// file is returned too if its header could be read. Read takes a small, fixed
// number of reads, and memory in proportion to the names it returns.
func Read(r io.ReaderAt, size int64) (*File, error) {
	d := decoder{r: r, size: size}
	if err := d.header(); err != nil {
		return nil, err
	}
	f := &File{Arch: d.arch, Type: d.typ}
	err := d.segments(f)
	return f, err
}

// A decoder reads one file.
type decoder struct {
	r    io.ReaderAt
	size int64
	head []byte

	arch  Arch
	typ   elf.Type
	order binary.ByteOrder
	is64  bool
	phoff uint64
	phnum int
	loads []segment
}

// A segment is a program header.
type segment struct {
	typ                elf.ProgType
	off, vaddr, filesz uint64
}

// header reads the ELF header and checks what the loader checks of it.
func (d *decoder) header() error {
	d.head = make([]byte, min(headSize, d.size))
	if _, err := d.r.ReadAt(d.head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h := d.head
	if len(h) < 16 || !bytes.HasPrefix(h, []byte(elf.ELFMAG)) {
		return ErrNotELF
	}
	d.arch.Class, d.arch.Data = elf.Class(h[elf.EI_CLASS]), elf.Data(h[elf.EI_DATA])
	ehsize, phsize := 52, 32
	switch d.arch.Class {
	case elf.ELFCLASS64:
		d.is64, ehsize, phsize = true, 64, 56
	case elf.ELFCLASS32:
	default:
		return damaged("class %d", h[elf.EI_CLASS])
	}
	switch d.arch.Data {
	case elf.ELFDATA2LSB:
		d.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		d.order = binary.BigEndian
	default:
		return damaged("byte order %d", h[elf.EI_DATA])
	}
	if len(h) < ehsize {
		return damaged("%d bytes are too few for its header", d.size)
	}
	d.typ = elf.Type(d.order.Uint16(h[16:]))
	d.arch.Machine = elf.Machine(d.order.Uint16(h[18:]))
	d.arch.OSABI = elf.OSABI(h[elf.EI_OSABI])
	flags, sizes := h[36:], h[42:]
	d.phoff = uint64(d.order.Uint32(h[28:]))
	if d.is64 {
		flags, sizes = h[48:], h[54:]
		d.phoff = d.order.Uint64(h[32:])
	}
	d.arch.Flags = d.order.Uint32(flags)
	d.phnum = int(d.order.Uint16(sizes[2:]))
	if n := int(d.order.Uint16(sizes)); n != phsize && d.phnum > 0 {
		return damaged("program headers of %d bytes instead of %d", n, phsize)
	}
	if d.phnum == math.MaxUint16 {
		return damaged("the number of program headers is not in the header")
	}
	return nil
}

// segments reads the program headers and what they lead to.
func (d *decoder) segments(f *File) error {
	phsize := 32
	if d.is64 {
		phsize = 56
	}
	table, err := d.bytes(d.phoff, uint64(d.phnum*phsize), "program headers")
	if err != nil {
		return err
	}
	var interp, dynamic *segment
	for ; len(table) > 0; table = table[phsize:] {
		s := d.segment(table)
		switch s.typ {
		case elf.PT_LOAD:
			d.loads = append(d.loads, s)
		case elf.PT_INTERP:
			interp = &s
		case elf.PT_DYNAMIC:
			dynamic = &s
		}
	}
	if interp != nil {
		if f.Interp, err = d.interp(*interp); err != nil {
			return err
		}
	}
	if dynamic == nil {
		return nil
	}
	f.Dynamic = true
	return d.dynamic(f, *dynamic)
}

func (d *decoder) segment(b []byte) segment {
	typ := elf.ProgType(d.order.Uint32(b))
	if d.is64 {
		return segment{typ, d.order.Uint64(b[8:]), d.order.Uint64(b[16:]), d.order.Uint64(b[32:])}
	}
	u32 := func(i int) uint64 { return uint64(d.order.Uint32(b[i:])) }
	return segment{typ, u32(4), u32(8), u32(16)}
}

func (d *decoder) interp(s segment) (string, error) {
	if s.filesz > maxInterp {
		return "", damaged("an interpreter name of %d bytes", s.filesz)
	}
	b, err := d.bytes(s.off, s.filesz, "PT_INTERP")
	if err != nil {
		return "", err
	}
	name, _, ok := bytes.Cut(b, []byte{0})
	if !ok || len(name) == 0 {
		return "", damaged("PT_INTERP holds no terminated name")
	}
	return string(name), nil
}

// bytes returns n bytes at off, after checking that the file has them.
func (d *decoder) bytes(off, n uint64, what string) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if off > uint64(d.size) || n > uint64(d.size)-off {
		return nil, damaged("%s at %#x, %d bytes long, lie outside the file's %d bytes", what, off, n, d.size)
	}
	if off+n <= uint64(len(d.head)) {
		return d.head[off : off+n], nil
	}
	b := make([]byte, n)
	if _, err := d.r.ReadAt(b, int64(off)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
