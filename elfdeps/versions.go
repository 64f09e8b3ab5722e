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

// versions is what DT_VERNEED and DT_VERDEF hold.
type versions struct {
	refs   []stringRef // to the names of versions: first those that are needed
	counts []int       // of the versions that are needed of each library
	left   int         // structures that may still be read
}

// empty returns v with nothing in it, and its room.
func (v versions) empty() versions {
	return versions{refs: v.refs[:0], counts: v.counts[:0], left: maxVersions}
}

// setIn gives a file its versions, of which the names are given, and those of
// the libraries that it needs them of.
func (v versions) setIn(f *File, libraries, names []string) {
	if len(libraries) > 0 {
		f.VerNeed = make([]VersionNeed, len(libraries))
	}
	for i, n := range v.counts {
		f.VerNeed[i] = VersionNeed{libraries[i], names[:n:n]}
		names = names[n:]
	}
	if len(names) > 0 {
		f.VerDef = names
	}
}

// readVersions reads both lists. It adds the names of libraries that versions
// are needed of to d.refs.
func (d *decoder) readVersions() error {
	if d.verneed != 0 && d.verneedNum != 0 {
		at, err := d.fileOffset(d.verneed, "what versions it needs")
		if err != nil {
			return err
		}
		if err := d.needs(at); err != nil {
			return err
		}
	}
	if d.verdef != 0 && d.verdefNum != 0 {
		at, err := d.fileOffset(d.verdef, "what versions it has")
		if err != nil {
			return err
		}
		return d.definitions(at)
	}
	return nil
}

// needs walks the list of libraries that versions are needed of.
func (d *decoder) needs(at uint64) error {
	for {
		b, err := d.version(at, verneedSize)
		if err != nil {
			return err
		}
		file, aux, next := d.order.Uint32(b[4:]), d.order.Uint32(b[8:]), d.order.Uint32(b[12:])
		before := len(d.versions.refs)
		if err := d.neededVersions(at + uint64(aux)); err != nil {
			return err
		}
		d.refs = append(d.refs, stringRef{elf.DT_VERNEED, uint64(file)})
		d.versions.counts = append(d.versions.counts, len(d.versions.refs)-before)
		if next == 0 {
			return nil
		}
		at += uint64(next)
	}
}

// neededVersions walks the list of versions that are needed of one library.
func (d *decoder) neededVersions(at uint64) error {
	for {
		b, err := d.version(at, vernauxSize)
		if err != nil {
			return err
		}
		flags, name, next := d.order.Uint16(b[4:]), d.order.Uint32(b[8:]), d.order.Uint32(b[12:])
		if flags&verWeak == 0 {
			d.versions.refs = append(d.versions.refs, stringRef{elf.DT_VERNEED, uint64(name)})
		}
		if next == 0 {
			return nil
		}
		at += uint64(next)
	}
}

// definitions walks the list of versions that the file's own symbols have. The
// first name of each is its own; others are those of its parents.
func (d *decoder) definitions(at uint64) error {
	for {
		b, err := d.version(at, verdefSize)
		if err != nil {
			return err
		}
		aux, next := d.order.Uint32(b[12:]), d.order.Uint32(b[16:])
		if b, err = d.version(at+uint64(aux), verdauxSize); err != nil {
			return err
		}
		d.versions.refs = append(d.versions.refs, stringRef{elf.DT_VERDEF, uint64(d.order.Uint32(b))})
		if next == 0 {
			return nil
		}
		at += uint64(next)
	}
}

// version returns one structure of symbol versioning.
func (d *decoder) version(at, size uint64) ([]byte, error) {
	if d.versions.left--; d.versions.left < 0 {
		return nil, damaged("more than %d versions", maxVersions)
	}
	return d.near(at, size, "its versions")
}

// checkVersions compares the versions that objects need with those that the
// objects they need them of have (_dl_check_map_versions in dl-version.c). One
// that has no versions at all will do. musl compares nothing.
func (m *linkMap) checkVersions(objects []*Object) {
	if m.loader.Musl {
		return
	}
	for _, o := range objects {
		for i, need := range o.VerNeed {
			provider := m.known[need.File]
			switch {
			case !m.calls(provider, need.File, o):
				o.Needs = append(o.Needs, Need{Dependency: Dependency{elf.DT_VERNEED, need.File}})
			case provider == nil || provider.VerDef == nil:
			default:
				if lacks := o.lacks(i, provider.File); lacks != nil {
					o.lack(need.File, provider, lacks)
				}
			}
		}
	}
}

// calls reports whether somebody has asked for an object by a name. A soname that
// nobody has asked for is no name of it to who looks for versions. What is asked
// for in vain is reported as that.
func (m *linkMap) calls(provider *Object, name string, by *Object) bool {
	asks := func(o *Object) bool {
		return slices.ContainsFunc(o.Needs, func(n Need) bool {
			return n.Name == name && n.Tag != elf.DT_VERNEED
		})
	}
	return asks(by) || provider != nil && (provider == m.rtld || provider.Path == name) ||
		slices.ContainsFunc(m.prog.Objects[m.first:], asks)
}

// lacks returns the versions that o needs by its VerNeed of index i and provider
// does not have. One file mostly meets another in every link map, so who met it
// last is remembered.
func (o *Object) lacks(i int, provider *File) []string {
	if o.met[i].Load() == provider {
		return nil
	}
	var lacks []string
	for _, v := range o.VerNeed[i].Versions {
		if !slices.Contains(provider.VerDef, v) {
			lacks = append(lacks, v)
		}
	}
	if lacks == nil {
		o.met[i].Store(provider)
	}
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
