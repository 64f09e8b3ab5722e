package elfdeps

import (
	"debug/elf"
	"slices"
)

// A VersionNeed lists the versions that a file needs the symbols of one library
// to have, but for those that it can do without (VER_FLG_WEAK).
type VersionNeed struct {
	File     string // the library, as DT_NEEDED or DT_SONAME has it
	Versions []string
}

// tagVersion marks the name of a version of the library that the DT_VERNEED
// before it names. The tag itself stands with no string.
const tagVersion = elf.DT_VERNEEDNUM

// maxVersions bounds the versions of one file. Real libraries have up to 500.
const maxVersions = 1 << 14

// Sizes of the structures of symbol versioning (LSB core specification, "Symbol
// Versioning"), and a flag.
const (
	verneedSize = 16 // version, count; file, aux, next
	vernauxSize = 16 // hash; flags, other; name, next
	verdefSize  = 20 // version, flags, index, count; hash, aux, next
	verdauxSize = 8  // name, next
	verWeak     = 2  // VER_FLG_WEAK
)

// versions adds to refs the names in DT_VERNEED, each library followed by its
// versions, and those in DT_VERDEF.
func (d *decoder) versions(refs []stringRef) ([]stringRef, error) {
	left := maxVersions
	if d.verneed != 0 && d.verneedNum != 0 {
		at, err := d.fileOffset(d.verneed, "what versions it needs")
		if err != nil {
			return refs, err
		}
		if refs, err = d.needs(refs, at, &left); err != nil {
			return refs, err
		}
	}
	if d.verdef != 0 && d.verdefNum != 0 {
		at, err := d.fileOffset(d.verdef, "what versions it has")
		if err != nil {
			return refs, err
		}
		return d.definitions(refs, at, &left)
	}
	return refs, nil
}

// needs walks the list of libraries that versions are needed of.
func (d *decoder) needs(refs []stringRef, at uint64, left *int) ([]stringRef, error) {
	for {
		b, err := d.version(at, verneedSize, left)
		if err != nil {
			return refs, err
		}
		file, aux, next := d.order.Uint32(b[4:]), d.order.Uint32(b[8:]), d.order.Uint32(b[12:])
		refs = append(refs, stringRef{elf.DT_VERNEED, uint64(file)})
		if refs, err = d.neededVersions(refs, at+uint64(aux), left); err != nil || next == 0 {
			return refs, err
		}
		at += uint64(next)
	}
}

// neededVersions walks the list of versions that are needed of one library.
func (d *decoder) neededVersions(refs []stringRef, at uint64, left *int) ([]stringRef, error) {
	for {
		b, err := d.version(at, vernauxSize, left)
		if err != nil {
			return refs, err
		}
		flags, name, next := d.order.Uint16(b[4:]), d.order.Uint32(b[8:]), d.order.Uint32(b[12:])
		if flags&verWeak == 0 {
			refs = append(refs, stringRef{tagVersion, uint64(name)})
		}
		if next == 0 {
			return refs, nil
		}
		at += uint64(next)
	}
}

// definitions walks the list of versions that the file's own symbols have. The
// first name of each is its own; others are those of its parents.
func (d *decoder) definitions(refs []stringRef, at uint64, left *int) ([]stringRef, error) {
	for {
		b, err := d.version(at, verdefSize, left)
		if err != nil {
			return refs, err
		}
		aux, next := d.order.Uint32(b[12:]), d.order.Uint32(b[16:])
		if b, err = d.version(at+uint64(aux), verdauxSize, left); err != nil {
			return refs, err
		}
		refs = append(refs, stringRef{elf.DT_VERDEF, uint64(d.order.Uint32(b))})
		if next == 0 {
			return refs, nil
		}
		at += uint64(next)
	}
}

// version returns one structure of symbol versioning.
func (d *decoder) version(at, size uint64, left *int) ([]byte, error) {
	if *left--; *left < 0 {
		return nil, damaged("more than %d versions", maxVersions)
	}
	return d.near(at, size, "its versions")
}

// setVersions takes the versions off the end of refs, whose names are the given
// ones, and returns how many refs are left.
func (f *File) setVersions(refs []stringRef, names []string) (rest int) {
	for rest < len(refs) && !refs[rest].versioning() {
		rest++
	}
	for i := rest; i < len(refs); {
		end := i + 1
		switch refs[i].tag {
		case elf.DT_VERNEED:
			for end < len(refs) && refs[end].tag == tagVersion {
				end++
			}
			f.VerNeed = append(f.VerNeed, VersionNeed{names[i], names[i+1 : end : end]})
		case elf.DT_VERDEF:
			end = len(refs)
			f.VerDef = names[i:end:end]
		}
		i = end
	}
	return rest
}

// versioning reports whether the string is of DT_VERNEED or DT_VERDEF.
func (r stringRef) versioning() bool {
	return r.tag == elf.DT_VERNEED || r.tag == elf.DT_VERDEF
}

// checkVersions compares the versions that objects need with those that the
// objects they need them of have (_dl_check_map_versions in dl-version.c). One
// that has no versions at all will do.
func (m *linkMap) checkVersions() {
	for _, o := range m.prog.Objects {
		for i, need := range o.VerNeed {
			provider := m.known[need.File]
			if provider == nil || provider.VerDef == nil {
				continue
			}
			if lacks := m.lacking(versionKey{o.File, i, provider.File}); lacks != nil {
				o.lack(need.File, provider, lacks)
			}
		}
	}
}

// A versionKey is a file's need of versions, and who is to meet it. The answer
// is the same in every link map.
type versionKey struct {
	file     *File
	need     int // in VerNeed
	provider *File
}

// lacking returns the versions that are needed and not there.
func (s *search) lacking(key versionKey) []string {
	lacks, known := s.lacks[key]
	if known {
		return lacks
	}
	for _, v := range key.file.VerNeed[key.need].Versions {
		if !slices.Contains(key.provider.VerDef, v) {
			lacks = append(lacks, v)
		}
	}
	s.lacks[key] = lacks
	return lacks
}

// lack records, at the need for a library, that it lacks versions.
func (o *Object) lack(name string, provider *Object, versions []string) {
	for i := range o.Needs {
		if o.Needs[i].Name == name && o.Needs[i].Object == provider {
			o.Needs[i].Lacks = versions
			return
		}
	}
	n := Need{Dependency: Dependency{elf.DT_VERNEED, name}, Object: provider, Rule: Rule{Kind: RuleLoaded}, Lacks: versions}
	o.Needs = append(o.Needs, n)
}
