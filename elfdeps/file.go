package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
	headSize    = 8192    // one read that holds the headers and PT_INTERP, and of small programs all names
	maxDynamic  = 1 << 16 // entries of a dynamic section
	maxInterp   = maxPath // bytes of PT_INTERP
	maxNames    = 1 << 20 // bytes of all names together
	windowSize  = 1 << 16 // bytes of a string table that are read at once
	stringGuess = 512     // bytes read past the offset of the last string
	maxNeeded   = 4096    // names of other objects
	maxDirs     = 1024    // elements of a search path, be it that of a file or of the system
	maxPath     = 4096    // bytes of a path that can be opened, and its end: PATH_MAX
	maxPlaces   = 1 << 26 // bytes of all places together where the names may be looked for in the search path
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
	Needed     []Dependency  // in the order of the dynamic section
	VerNeed    []VersionNeed // DT_VERNEED
	VerDef     []string      // DT_VERDEF: the versions of its symbols; nil if they have none
	Dlopen     []Dlopen      // what its notes say that it may open later
	UPX        bool          // is packed with UPX, so that nothing of the program in it can be seen

	ident string // what glibc's loader has against the first bytes of the header, "" if nothing
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
// file is returned too if its header could be read. Read believes no length
// before it has compared it with size, and whatever the file says, holds no more
// than a few MiB.
func Read(r io.ReaderAt, size int64) (*File, error) {
	return new(decoder).read(r, size)
}

// A decoder reads one file after the other. Its room is used again.
type decoder struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	layout

	arch  Arch
	typ   elf.Type
	loads []segment // to be mapped
	tables
	refs     []stringRef // to names of libraries, and the like
	versions versions
	noted    uint64 // bytes of notes so far

	head    []byte // of the file
	room    []byte // for what bytes returns
	roomOff uint64 // where that is in the file
}

func (d *decoder) read(r io.ReaderAt, size int64) (*File, error) {
	*d = decoder{
		r: r, size: size,
		loads: d.loads[:0], refs: d.refs[:0], versions: d.versions.empty(),
		head: d.head[:0], room: d.room[:0],
	}
	if err := d.header(); err != nil {
		return nil, err
	}
	f := &File{Arch: d.arch, Type: d.typ, ident: d.misfit()}
	err := d.segments(f)
	return f, err
}

// A layout says where one class of ELF file has its fields (gABI, "ELF header",
// "Program header", "Dynamic section").
type layout struct {
	word                   int // bytes of an address, of an offset, and of half a dynamic entry
	ehsize, phsize         int // of the ELF header and of a program header
	phoff, flags           int // in the ELF header
	phentsize, phnum       int // likewise
	offset, vaddr, fileLen int // in a program header
	align, access          int // likewise; the latter is p_flags
	symsize, shndx         int // of a symbol, and in it
}

var (
	layout32 = layout{4, 52, 32, 28, 36, 42, 44, 4, 8, 16, 28, 24, 16, 14}
	layout64 = layout{8, 64, 56, 32, 48, 54, 56, 8, 16, 32, 48, 4, 24, 6}
)

// A segment is a program header.
type segment struct {
	typ                       elf.ProgType
	flags                     elf.ProgFlag
	off, vaddr, filesz, align uint64
}

// header reads the ELF header as far as all machines agree on it.
func (d *decoder) header() error {
	d.head = slices.Grow(d.head, headSize)[:max(0, min(headSize, d.size))]
	if err := d.fill(d.head, 0); err != nil {
		return err
	}
	if err := d.ident(); err != nil {
		return err
	}
	h := d.head
	if len(h) < d.ehsize {
		return damaged("%d bytes are too few for its header", d.size)
	}
	if v := d.order.Uint32(h[20:]); v != uint32(elf.EV_CURRENT) {
		return damaged("version %d", v)
	}
	d.typ = elf.Type(d.order.Uint16(h[16:]))
	d.arch.Machine = elf.Machine(d.order.Uint16(h[18:]))
	d.arch.Flags = d.order.Uint32(h[d.flags:])
	return nil
}

// ident reads the first bytes of the header, which say how to read the others.
func (d *decoder) ident() error {
	h := d.head
	if len(h) < elf.EI_NIDENT || !bytes.HasPrefix(h, []byte(elf.ELFMAG)) {
		return ErrNotELF
	}
	d.arch.Class, d.arch.Data = elf.Class(h[elf.EI_CLASS]), elf.Data(h[elf.EI_DATA])
	d.arch.OSABI = elf.OSABI(h[elf.EI_OSABI])
	switch d.arch.Class {
	case elf.ELFCLASS64:
		d.layout = layout64
	case elf.ELFCLASS32:
		d.layout = layout32
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
	if v := h[elf.EI_VERSION]; v != byte(elf.EV_CURRENT) {
		return damaged("version %d", v)
	}
	return nil
}

// misfit tells what is unusual about the first bytes of the header, as glibc's
// loader sees it (open_verify in dl-load.c).
func (d *decoder) misfit() string {
	const abiMax = 6 // LIBC_ABI_MAX of the port that has the most
	version := d.head[elf.EI_ABIVERSION]
	if version != 0 && (d.arch.OSABI != elf.ELFOSABI_LINUX || version >= abiMax) {
		return fmt.Sprintf("of ABI version %d", version)
	}
	for _, b := range d.head[elf.EI_PAD:elf.EI_NIDENT] {
		if b != 0 {
			return "nonzero padding in its header"
		}
	}
	return ""
}

// segments reads the program headers and what they lead to.
func (d *decoder) segments(f *File) error {
	table, err := d.programHeaders()
	if err != nil {
		return err
	}
	var interp, dynamic segment // the last one of each counts
	var notes []segment
	for ; len(table) > 0; table = table[d.phsize:] {
		switch s := d.segment(table); s.typ {
		case elf.PT_LOAD:
			d.loads = append(d.loads, s)
		case elf.PT_INTERP:
			interp = s
		case elf.PT_DYNAMIC:
			dynamic = s
		case elf.PT_NOTE:
			notes = append(notes, s)
		}
	}
	if interp.typ == elf.PT_INTERP {
		if f.Interp, err = d.interp(interp); err != nil {
			return err
		}
	}
	if dynamic.typ == elf.PT_DYNAMIC {
		f.Dynamic = true
		if err := d.dynamic(f, dynamic); err != nil {
			return err
		}
	}
	f.UPX = f.Static() && bytes.Contains(d.head, []byte("UPX!"))
	for _, s := range notes {
		if err := d.notes(f, s); err != nil {
			return err
		}
	}
	return nil
}

// programHeaders returns the table of program headers.
func (d *decoder) programHeaders() ([]byte, error) {
	n := int(d.order.Uint16(d.head[d.phnum:]))
	if size := int(d.order.Uint16(d.head[d.phentsize:])); size != d.phsize && n > 0 {
		return nil, damaged("program headers of %d bytes instead of %d", size, d.phsize)
	}
	if n == math.MaxUint16 { // PN_XNUM: for core files
		return nil, damaged("the number of program headers is not in the header")
	}
	return d.bytes(d.number(d.head[d.phoff:]), uint64(n*d.phsize), "its program headers")
}

func (d *decoder) segment(b []byte) segment {
	return segment{
		typ:    elf.ProgType(d.order.Uint32(b)),
		flags:  elf.ProgFlag(d.order.Uint32(b[d.access:])),
		off:    d.number(b[d.offset:]),
		vaddr:  d.number(b[d.vaddr:]),
		filesz: d.number(b[d.fileLen:]),
		align:  d.number(b[d.align:]),
	}
}

// number returns the address, offset or length at the start of b.
func (d *decoder) number(b []byte) uint64 {
	if d.word == 4 {
		return uint64(d.order.Uint32(b))
	}
	return d.order.Uint64(b)
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

// bytes returns n bytes at off, after checking that the file has them. They are
// good until the next call.
func (d *decoder) bytes(off, n uint64, what string) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if off > uint64(d.size) || n > uint64(d.size)-off {
		return nil, damaged("%d bytes at %#x for %s are more than the file's %d", n, off, what, d.size)
	}
	if off+n <= uint64(len(d.head)) {
		return d.head[off : off+n], nil
	}
	if at := off - d.roomOff; off >= d.roomOff && at+n <= uint64(len(d.room)) {
		return d.room[at : at+n], nil
	}
	d.room, d.roomOff = slices.Grow(d.room[:0], int(n))[:n], off
	err := d.fill(d.room, int64(off))
	if err != nil {
		d.room = d.room[:0]
	}
	return d.room, err
}

// near is bytes for a small piece of a table: what lies around it is read too, so
// that it costs nothing later. Linkers put the versions that a file needs behind
// those that it has, and these behind the names of both.
func (d *decoder) near(off, n uint64, what string) ([]byte, error) {
	const before, after = 8192, 4096
	if off < uint64(d.size) && n < after && off+n > uint64(len(d.head)) {
		if at := off - d.roomOff; off < d.roomOff || at+n > uint64(len(d.room)) {
			start := off - min(off, before)
			if _, err := d.bytes(start, min(off+after, uint64(d.size))-start, what); err != nil {
				return nil, err
			}
		}
	}
	return d.bytes(off, n, what)
}

// fill reads all of b from off on, which the file was said to have.
func (d *decoder) fill(b []byte, off int64) error {
	n, err := d.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
