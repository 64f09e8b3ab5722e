package elftest

import "debug/elf"

// symbols returns the contents of .dynsym and .gnu.version. The symbols have no versions of their own.
func (l *layout) symbols() (dynsym, versym []byte) {
	const global = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC)
	dynsym = l.sym(nil, elf.Sym64{})
	versym = l.put(nil, uint16(0))
	for _, name := range l.Imports {
		dynsym = l.sym(dynsym, elf.Sym64{Name: l.strs.offset(name), Info: global, Shndx: uint16(elf.SHN_UNDEF)})
		versym = l.put(versym, uint16(1))
	}
	for _, name := range l.Exports {
		// Absolute, because the file may be without sections to define it in.
		dynsym = l.sym(dynsym, elf.Sym64{Name: l.strs.offset(name), Info: global, Shndx: uint16(elf.SHN_ABS), Value: page})
		versym = l.put(versym, uint16(1))
	}
	return dynsym, versym
}

// hash returns the content of a .hash with one bucket, whose chain runs through all of the count symbols of .dynsym.
func (l *layout) hash(count int) []byte {
	words := []uint64{1, uint64(count), 1}
	if count == 1 {
		words[2] = 0
	}
	words = append(words, 0)
	for i := 1; i < count; i++ {
		words = append(words, uint64(i+1)%uint64(count))
	}
	var b []byte
	for _, w := range words {
		if l.hashWord() == 8 {
			b = l.put(b, w)
			continue
		}
		b = l.put(b, uint32(w))
	}
	return b
}

// hashWord returns the size of a word of DT_HASH, which is 4 everywhere but on two 64-bit ABIs.
func (l *layout) hashWord() uint64 {
	if l.is64 && (l.Machine == elf.EM_S390 || l.Machine == elf.EM_ALPHA) {
		return 8
	}
	return 4
}

// The structures of symbol versioning, as in the LSB core specification, chapter "Symbol Versioning".
type (
	verdef struct {
		Version, Flags, Ndx, Cnt uint16
		Hash, Aux, Next          uint32
	}
	verdaux struct{ Name, Next uint32 }
	verneed struct {
		Version, Cnt    uint16
		File, Aux, Next uint32
	}
	vernaux struct {
		Hash         uint32
		Flags, Other uint16
		Name, Next   uint32
	}
)

const (
	verdefSize, verdauxSize  = 20, 8
	verneedSize, vernauxSize = 16, 16
	verFlgBase               = 1
)

// verdef returns the content of .gnu.version_d: the base definition with the name of the library, then the versions.
func (l *layout) verdef() []byte {
	var b []byte
	for i, name := range append([]string{l.soname()}, l.VerDef...) {
		d := verdef{Version: 1, Ndx: uint16(i + 1), Cnt: 1, Hash: sysvHash(name), Aux: verdefSize}
		if i == 0 {
			d.Flags = verFlgBase
		}
		if i < len(l.VerDef) {
			d.Next = verdefSize + verdauxSize
		}
		b = l.put(b, d, verdaux{Name: l.strs.offset(name)})
	}
	return b
}

// verneed returns the content of .gnu.version_r. Version indices go on where those of .gnu.version_d end.
func (l *layout) verneed() []byte {
	var b []byte
	index := uint16(len(l.VerDef) + 2)
	for i, need := range l.VerNeed {
		n := verneed{Version: 1, Cnt: uint16(len(need.Versions)), File: l.strs.offset(need.File), Aux: verneedSize}
		if i < len(l.VerNeed)-1 {
			n.Next = verneedSize + vernauxSize*uint32(len(need.Versions))
		}
		b = l.put(b, n)
		for j, name := range need.Versions {
			a := vernaux{Hash: sysvHash(name), Other: index, Name: l.strs.offset(name)}
			if j < len(need.Versions)-1 {
				a.Next = vernauxSize
			}
			b = l.put(b, a)
			index++
		}
	}
	return b
}

// sysvHash is the hash function of the gABI.
func sysvHash(name string) uint32 {
	var h uint32
	for i := range len(name) {
		h = h<<4 + uint32(name[i])
		h ^= h >> 24 & 0xf0
		h &= 0x0fffffff
	}
	return h
}
