package elftest

import (
	"debug/elf"
	"encoding/binary"
)

// Damage spoils a finished image, which it may change, and returns what is left of it.
type Damage func(image []byte) []byte

// Truncate keeps the first n bytes.
func Truncate(n int) Damage {
	return func(image []byte) []byte { return image[:min(n, len(image))] }
}

// Garbage flips bits in every byte, so that no magic number is left.
func Garbage() Damage {
	return func(image []byte) []byte {
		for i := range image {
			image[i] ^= 0x5a
		}
		return image
	}
}

// Header overwrites a field of the ELF header: phentsize, phnum, shoff, shentsize, shnum or shstrndx. It panics for
// any other.
func Header(field string, val uint64) Damage {
	f, ok := headerFields[field]
	if !ok {
		panic("elftest: no header field " + field)
	}
	return func(image []byte) []byte {
		f.write(image, 0, val)
		return image
	}
}

// DynamicPastEnd moves p_offset of PT_DYNAMIC to the last byte of the file.
func DynamicPastEnd() Damage {
	return func(image []byte) []byte {
		eachRecord(image, phoff, phentsize, phnum, func(at int) {
			if pType.read(image, at) == uint64(elf.PT_DYNAMIC) {
				pOffset.write(image, at, uint64(len(image)-1))
			}
		})
		return image
	}
}

// DynamicFilesz overwrites p_filesz of PT_DYNAMIC; 0 is what debug files have.
func DynamicFilesz(n uint64) Damage {
	return func(image []byte) []byte {
		eachRecord(image, phoff, phentsize, phnum, func(at int) {
			if pType.read(image, at) == uint64(elf.PT_DYNAMIC) {
				pFilesz.write(image, at, n)
			}
		})
		return image
	}
}

// SectionDynamicRenamed makes the section .dynamic an SHT_PROGBITS. Without File.Sections it changes nothing.
func SectionDynamicRenamed() Damage {
	return func(image []byte) []byte {
		eachRecord(image, shoff, shentsize, shnum, func(at int) {
			if shType.read(image, at) == uint64(elf.SHT_DYNAMIC) {
				shType.write(image, at, uint64(elf.SHT_PROGBITS))
			}
		})
		return image
	}
}

// SectionDynstrLies moves sh_offset of .dynstr by one. Without File.Sections it changes nothing.
func SectionDynstrLies() Damage {
	return func(image []byte) []byte {
		eachRecord(image, shoff, shentsize, shnum, func(at int) {
			if shType.read(image, at) == uint64(elf.SHT_STRTAB) && shFlags.read(image, at) == uint64(elf.SHF_ALLOC) {
				shOffset.write(image, at, shOffset.read(image, at)+1)
			}
		})
		return image
	}
}

// field says where a field lies in its structure, and its size: in ELFCLASS32, in ELFCLASS64.
type field struct{ off32, size32, off64, size64 int }

var (
	phoff      = field{28, 4, 32, 8}
	shoff      = field{32, 4, 40, 8}
	abiversion = field{elf.EI_ABIVERSION, 1, elf.EI_ABIVERSION, 1}
	phentsize  = field{42, 2, 54, 2}
	phnum      = field{44, 2, 56, 2}
	shentsize  = field{46, 2, 58, 2}
	shnum      = field{48, 2, 60, 2}
	shstrndx   = field{50, 2, 62, 2}

	pType    = field{0, 4, 0, 4}
	pOffset  = field{4, 4, 8, 8}
	pFilesz  = field{16, 4, 32, 8}
	shType   = field{4, 4, 4, 4}
	shFlags  = field{8, 4, 8, 8}
	shOffset = field{16, 4, 24, 8}
)

var headerFields = map[string]field{
	"abiversion": abiversion, "phentsize": phentsize, "phnum": phnum, "shoff": shoff, "shentsize": shentsize, "shnum": shnum, "shstrndx": shstrndx,
}

// in returns the bytes of f in the structure at that offset of the image.
func (f field) in(image []byte, at int) []byte {
	if elf.Class(image[elf.EI_CLASS]) == elf.ELFCLASS32 {
		return image[at+f.off32:][:f.size32]
	}
	return image[at+f.off64:][:f.size64]
}

func (f field) read(image []byte, at int) uint64 {
	b, order := f.in(image, at), orderOf(image)
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

func (f field) write(image []byte, at int, val uint64) {
	b, order := f.in(image, at), orderOf(image)
	switch len(b) {
	case 1:
		b[0] = byte(val)
	case 2:
		order.PutUint16(b, uint16(val))
	case 4:
		order.PutUint32(b, uint32(val))
	default:
		order.PutUint64(b, val)
	}
}

func orderOf(image []byte) binary.ByteOrder {
	if elf.Data(image[elf.EI_DATA]) == elf.ELFDATA2MSB {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// eachRecord calls visit with the offset of every program or section header, up to one that earlier damage has put
// outside the image.
func eachRecord(image []byte, off, size, count field, visit func(at int)) {
	const reach = 40 // where the last field ends that is looked at
	for i := range count.read(image, 0) {
		at := off.read(image, 0) + i*size.read(image, 0)
		if at > uint64(len(image)-reach) {
			return
		}
		visit(int(at))
	}
}
