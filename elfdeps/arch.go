package elfdeps

import (
	"debug/elf"
	"encoding/binary"
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

// String returns the platform as docker writes it: "linux/amd64", "linux/arm/v7".
func (a Arch) String() string {
	platform := a.abi().platform
	if platform == "" {
		platform = a.GOARCH()
	}
	return "linux/" + platform
}

// GOARCH returns the architecture as Go and the OCI image spec name it, or
// ELF's name for one that they do not know.
func (a Arch) GOARCH() string {
	if goarch, _, _ := strings.Cut(a.abi().platform, "/"); goarch != "" {
		return goarch
	}
	return strings.ToLower(strings.TrimPrefix(a.Machine.String(), "EM_"))
}

// Variant returns the OCI platform's variant, "" for all but arm.
func (a Arch) Variant() string {
	_, variant, _ := strings.Cut(a.abi().platform, "/")
	return variant
}

// Hwcaps returns the subdirectories of glibc-hwcaps that loaders of the
// architecture know, that of the best processor first. One that has some of them
// has all that follow it (sysdeps/*/dl-hwcaps-subdirs.c).
func (a Arch) Hwcaps() []string {
	switch a.abi().platform {
	case "amd64":
		return []string{"x86-64-v4", "x86-64-v3", "x86-64-v2"}
	case "ppc64le":
		return []string{"power10", "power9"}
	case "s390x":
		return []string{"z17", "z16", "z15", "z14", "z13"}
	}
	return nil
}

// CacheFlags returns the flags that ld.so.cache gives the architecture's files.
func (a Arch) CacheFlags() uint32 { return a.abi().cache }

// ByteOrder returns the order in which numbers of the architecture are stored.
func (a Arch) ByteOrder() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if a.Data == elf.ELFDATA2MSB {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// matches reports whether the loader of a program of architecture a takes a
// file of b for one of its own (elf_machine_matches_host). One that does not
// match is passed over.
func (a Arch) matches(b Arch) bool {
	differ := a.Flags ^ b.Flags
	switch a.Machine {
	case elf.EM_MIPS:
		differ &= mipsABI2 | mipsNaN2008
	case elf.EM_RISCV:
		differ &= riscvFloat
	case elf.EM_PPC64: // 0 fits both
		if a.Flags&ppc64ABI == 0 || b.Flags&ppc64ABI == 0 {
			differ = 0
		}
		differ &= ppc64ABI
	default:
		differ = 0
	}
	return a.Machine == b.Machine && a.Class == b.Class && a.Data == b.Data && differ == 0
}

// e_flags of the ABIs that share a machine number.
const (
	armSoft     = 0x200 // EF_ARM_ABI_FLOAT_SOFT
	armHard     = 0x400 // EF_ARM_ABI_FLOAT_HARD
	riscvFloat  = 0x6   // EF_RISCV_FLOAT_ABI
	riscvDouble = 0x4   // EF_RISCV_FLOAT_ABI_DOUBLE
	loongFloat  = 0x7   // EF_LARCH_ABI_MODIFIER_MASK
	loongDouble = 0x3   // EF_LARCH_ABI_DOUBLE_FLOAT
	mipsABI2    = 0x20  // EF_MIPS_ABI2: n32
	mipsNaN2008 = 0x400 // EF_MIPS_NAN2008
	ppc64ABI    = 0x3   // EF_PPC64_ABI
)

// An abi is what is known of an architecture without looking at its loader. It
// is that of the files whose header has its values; 0 stands for any class or
// byte order.
type abi struct {
	class       elf.Class
	data        elf.Data
	mask, flags uint32 // e_flags & mask == flags

	platform   string // OCI platform: GOARCH, and the variant if there is one
	interp     string // where glibc's own build puts the loader
	lib        string // $LIB of that build
	atPlatform string // $PLATFORM: AT_PLATFORM of the plainest processor
	cache      uint32 // flags of its libraries in ld.so.cache
	alsoCache  uint32 // others that its loader accepts (_dl_cache_check_flags)
}

const (
	c32, c64 = elf.ELFCLASS32, elf.ELFCLASS64
	lsb, msb = elf.ELFDATA2LSB, elf.ELFDATA2MSB

	mipsFlags = mipsABI2 | mipsNaN2008
)

// abis is what glibc's ports fix (shlib-versions, configure.ac, dl-cache.h), by
// machine. The first that fits holds.
var abis = map[elf.Machine][]abi{
	elf.EM_X86_64: {
		{c64, 0, 0, 0, "amd64", "/lib64/ld-linux-x86-64.so.2", "lib64", "x86_64", 0x303, 0},
		{c32, 0, 0, 0, "amd64", "/libx32/ld-linux-x32.so.2", "libx32", "x86_64", 0x803, 0},
	},
	elf.EM_386: {
		{0, 0, 0, 0, "386", "/lib/ld-linux.so.2", "lib", "i686", 3, 1},
	},
	elf.EM_AARCH64: {
		{0, 0, 0, 0, "arm64", "/lib/ld-linux-aarch64.so.1", "lib64", "aarch64", 0xa03, 0},
	},
	elf.EM_ARM: {
		{0, 0, armHard, armHard, "arm/v7", "/lib/ld-linux-armhf.so.3", "lib", "v7l", 0x903, 3},
		{0, 0, 0, 0, "arm/v5", "/lib/ld-linux.so.3", "lib", "v5l", 0xb03, 3},
	},
	elf.EM_PPC64: {
		{0, lsb, 0, 0, "ppc64le", "/lib64/ld64.so.2", "lib64", "power8", 0x503, 0},
		{0, msb, 0, 0, "ppc64", "/lib64/ld64.so.1", "lib64", "power4", 0x503, 0},
	},
	elf.EM_PPC: {
		{0, 0, 0, 0, "ppc", "/lib/ld.so.1", "lib", "powerpc", 3, 1},
	},
	elf.EM_S390: {
		{c64, 0, 0, 0, "s390x", "/lib/ld64.so.1", "lib64", "z900", 0x403, 0},
		{c32, 0, 0, 0, "s390", "/lib/ld.so.1", "lib", "g5", 3, 1},
	},
	elf.EM_RISCV: {
		{c64, 0, riscvFloat, riscvDouble, "riscv64", "/lib/ld-linux-riscv64-lp64d.so.1", "lib64/lp64d", "", 0x1003, 0},
		{c64, 0, riscvFloat, 0, "riscv64", "/lib/ld-linux-riscv64-lp64.so.1", "lib64/lp64", "", 0x0f03, 0},
		{c32, 0, riscvFloat, riscvDouble, "riscv32", "/lib/ld-linux-riscv32-ilp32d.so.1", "lib32/ilp32d", "", 0x1003, 0},
		{c32, 0, riscvFloat, 0, "riscv32", "/lib/ld-linux-riscv32-ilp32.so.1", "lib32/ilp32", "", 0x0f03, 0},
	},
	elf.EM_LOONGARCH: {
		{0, 0, loongFloat, loongDouble, "loong64", "/lib64/ld-linux-loongarch-lp64d.so.1", "lib64", "loongarch", 0x1203, 0},
		{0, 0, 0, 0, "loong64", "/lib64/ld-linux-loongarch-lp64s.so.1", "lib64", "loongarch", 0x1103, 0},
	},
	elf.EM_MIPS: { // n64, o32, n32
		{c64, lsb, mipsNaN2008, 0, "mips64le", "/lib64/ld.so.1", "lib64", "mips", 0x703, 0},
		{c64, msb, mipsNaN2008, 0, "mips64", "/lib64/ld.so.1", "lib64", "mips", 0x703, 0},
		{c64, lsb, 0, 0, "mips64le", "/lib64/ld-linux-mipsn8.so.1", "lib64", "mips", 0xe03, 0},
		{c64, msb, 0, 0, "mips64", "/lib64/ld-linux-mipsn8.so.1", "lib64", "mips", 0xe03, 0},
		{c32, lsb, mipsFlags, 0, "mipsle", "/lib/ld.so.1", "lib", "mips", 3, 1},
		{c32, msb, mipsFlags, 0, "mips", "/lib/ld.so.1", "lib", "mips", 3, 1},
		{c32, lsb, mipsFlags, mipsNaN2008, "mipsle", "/lib/ld-linux-mipsn8.so.1", "lib", "mips", 0xc03, 0},
		{c32, msb, mipsFlags, mipsNaN2008, "mips", "/lib/ld-linux-mipsn8.so.1", "lib", "mips", 0xc03, 0},
		{c32, lsb, mipsFlags, mipsABI2, "mips64p32le", "/lib32/ld.so.1", "lib32", "mips", 0x603, 0},
		{c32, msb, mipsFlags, mipsABI2, "mips64p32", "/lib32/ld.so.1", "lib32", "mips", 0x603, 0},
		{c32, lsb, 0, 0, "mips64p32le", "/lib32/ld-linux-mipsn8.so.1", "lib32", "mips", 0xd03, 0},
		{c32, msb, 0, 0, "mips64p32", "/lib32/ld-linux-mipsn8.so.1", "lib32", "mips", 0xd03, 0},
	},
	elf.EM_SPARCV9: {
		{0, 0, 0, 0, "sparc64", "/lib64/ld-linux.so.2", "lib64", "sparcv9", 0x103, 0},
	},
}

// abi returns what is known of the architecture.
func (a Arch) abi() abi {
	for _, abi := range abis[a.Machine] {
		if (abi.class == 0 || abi.class == a.Class) && (abi.data == 0 || abi.data == a.Data) && a.Flags&abi.mask == abi.flags {
			return abi
		}
	}
	return abi{lib: "lib", cache: 3, alsoCache: 1}
}
