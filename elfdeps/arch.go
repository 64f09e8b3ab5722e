package elfdeps

import (
	"debug/elf"
	"strings"
)

// An Arch says for which processor and which binary interface a file is made.
type Arch struct {
	Machine elf.Machine
	Class   elf.Class
	Data    elf.Data
	OSABI   elf.OSABI
	Flags   uint32 // e_flags: float ABI and the like
}

// abi is what is known of an architecture without looking at its loader.
type abi struct {
	goarch     string // GOARCH, and the OCI platform's architecture
	variant    string // of the OCI platform
	interp     string // where glibc's own build puts the loader
	lib        string // $LIB of that build
	platform   string // $PLATFORM: AT_PLATFORM of the plainest processor
	cacheFlags []uint32
}

// String returns the platform as docker writes it: "linux/amd64", "linux/arm/v7".
func (a Arch) String() string {
	s := "linux/" + a.GOARCH()
	if v := a.Variant(); v != "" {
		s += "/" + v
	}
	return s
}

// GOARCH returns the architecture as Go and the OCI image spec name it, or
// ELF's name for one that they do not know.
func (a Arch) GOARCH() string {
	if g := a.abi().goarch; g != "" {
		return g
	}
	return strings.ToLower(strings.TrimPrefix(a.Machine.String(), "EM_"))
}

// Variant returns the OCI platform's variant, "" for all but arm.
func (a Arch) Variant() string { return a.abi().variant }

// CacheFlags returns the flags that ld.so.cache gives the architecture's files.
func (a Arch) CacheFlags() uint32 { return a.abi().cacheFlags[0] }

// sameLoader reports whether the loader of a program of architecture a goes on
// searching (false) when it meets a file of architecture b.
func (a Arch) sameLoader(b Arch) bool { return a.Class == b.Class && a.Machine == b.Machine }

// abi returns what loader.h and readelflib.c of glibc's ports fix. The flags are
// those of ld.so.cache that the loader accepts (_dl_cache_check_flags).
func (a Arch) abi() abi {
	is64, little := a.Class == elf.ELFCLASS64, a.Data == elf.ELFDATA2LSB
	switch a.Machine {
	case elf.EM_X86_64:
		if !is64 {
			return abi{"amd64", "", "/libx32/ld-linux-x32.so.2", "libx32", "x86_64", []uint32{0x803}}
		}
		return abi{"amd64", "", "/lib64/ld-linux-x86-64.so.2", "lib64", "x86_64", []uint32{0x303}}
	case elf.EM_386:
		return abi{"386", "", "/lib/ld-linux.so.2", "lib", "i686", []uint32{3, 1}}
	case elf.EM_AARCH64:
		return abi{"arm64", "", "/lib/ld-linux-aarch64.so.1", "lib64", "aarch64", []uint32{0xa03}}
	case elf.EM_ARM:
		if a.Flags&armHardFloat != 0 {
			return abi{"arm", "v7", "/lib/ld-linux-armhf.so.3", "lib", "v7l", []uint32{0x903, 3}}
		}
		return abi{"arm", "v5", "/lib/ld-linux.so.3", "lib", "v5l", []uint32{0xb03, 3}}
	case elf.EM_PPC64:
		if little {
			return abi{"ppc64le", "", "/lib64/ld64.so.2", "lib64", "power8", []uint32{0x503}}
		}
		return abi{"ppc64", "", "/lib64/ld64.so.1", "lib64", "power4", []uint32{0x503}}
	case elf.EM_S390:
		if is64 {
			return abi{"s390x", "", "/lib/ld64.so.1", "lib64", "z900", []uint32{0x403}}
		}
		return abi{"s390", "", "/lib/ld.so.1", "lib", "g5", []uint32{3, 1}}
	case elf.EM_RISCV:
		if a.Flags&riscvDoubleFloat != 0 {
			return abi{"riscv64", "", "/lib/ld-linux-riscv64-lp64d.so.1", "lib64/lp64d", "", []uint32{0x1003}}
		}
		return abi{"riscv64", "", "/lib/ld-linux-riscv64-lp64.so.1", "lib64/lp64", "", []uint32{0x0f03}}
	case elf.EM_LOONGARCH:
		if a.Flags&loongDoubleFloat == loongDoubleFloat {
			return abi{"loong64", "", "/lib64/ld-linux-loongarch-lp64d.so.1", "lib64", "loongarch", []uint32{0x1203}}
		}
		return abi{"loong64", "", "/lib64/ld-linux-loongarch-lp64s.so.1", "lib64", "loongarch", []uint32{0x1103}}
	case elf.EM_MIPS:
		return a.mips(is64, little)
	}
	return abi{cacheFlags: []uint32{3, 1}, lib: "lib"}
}

// e_flags of the ABIs that share a machine number.
const (
	armHardFloat     = 0x400 // EF_ARM_ABI_FLOAT_HARD
	riscvDoubleFloat = 0x4   // EF_RISCV_FLOAT_ABI_DOUBLE
	loongDoubleFloat = 0x3   // EF_LOONGARCH_ABI_DOUBLE_FLOAT
	mipsABI2         = 0x20  // EF_MIPS_ABI2: n32
	mipsNaN2008      = 0x400 // EF_MIPS_NAN2008
)

func (a Arch) mips(is64, little bool) abi {
	m := abi{goarch: "mips", interp: "/lib/ld.so.1", lib: "lib", platform: "mips", cacheFlags: []uint32{3, 1}}
	switch {
	case is64:
		m = abi{goarch: "mips64", interp: "/lib64/ld.so.1", lib: "lib64", platform: "mips", cacheFlags: []uint32{0x703}}
	case a.Flags&mipsABI2 != 0:
		m = abi{goarch: "mips64p32", interp: "/lib32/ld.so.1", lib: "lib32", platform: "mips", cacheFlags: []uint32{0x603}}
	}
	if little {
		m.goarch += "le"
	}
	if a.Flags&mipsNaN2008 != 0 {
		m.cacheFlags = []uint32{map[uint32]uint32{3: 0xc03, 0x603: 0xd03, 0x703: 0xe03}[m.cacheFlags[0]]}
	}
	return m
}
