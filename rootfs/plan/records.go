package plan

import (
	"cmp"
	"crypto/md5" //nolint:gosec // what dpkg's lists are made of
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

// Records says whether the image is to have a record of each package that a file
// of it is from, which is what scanners go by. It claims no file that is not
// there. The zero value means RecordsUponBase.
type Records string

// The choices; a bare image has none of its own accord.
const (
	RecordsUponBase Records = "auto" // if a base has records of the same distribution
	RecordsAlways   Records = "all"
	RecordsNever    Records = "none"
)

const (
	statusFolder = "/var/lib/dpkg/status.d"
	apkInstalled = "/apk/db/installed"
)

// records adds the records. Where a base's cannot be added to, a note says so.
func (b *builder) records() error {
	if b.spec.Records == RecordsNever || b.spec.Records != RecordsAlways && (b.spec.Bare || b.spec.Base == nil) {
		return nil
	}
	parts, release, err := b.packagesOf()
	if err != nil || len(parts) == 0 {
		return b.unrecorded(err)
	}
	var base *owner.Database
	if b.spec.Base != nil {
		if base, err = owner.Open(b.spec.Base); err != nil {
			return b.unrecorded(fmt.Errorf("of the base: %w", err))
		}
		if len(base.Packages()) == 0 {
			if b.spec.Records != RecordsAlways {
				return nil
			}
			base = nil
		}
	}
	return b.record(base, release, parts)
}

// unrecorded makes a note of what keeps packages from being recorded, unless that
// was asked for.
func (b *builder) unrecorded(err error) error {
	if err != nil && b.spec.Records != RecordsAlways {
		b.note("no packages are recorded: %v", err)
		return nil
	}
	return err
}

func (b *builder) note(format string, args ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, args...))
}

// A packagePart is a package and what is added of it.
type packagePart struct {
	*owner.Package
	entries []*rootfs.Entry
}

// packagesOf returns the host's packages that something to be shipped is of, by
// name, and which distribution they are of.
func (b *builder) packagesOf() ([]packagePart, owner.Release, error) {
	db, err := owner.Open(b.host)
	if err != nil {
		return nil, owner.Release{}, err
	}
	var entries []*rootfs.Entry
	var sources []string
	for e := range b.tree.All() {
		if e.Source != "" && !e.Mode.IsDir() && !b.tree.InBase(e.Path) {
			entries = append(entries, e)
			sources = append(sources, e.Source)
		}
	}
	owners, err := db.Of(sources...)
	if err != nil {
		return nil, db.Release, err
	}
	parts := make(map[*owner.Package]*packagePart)
	for _, e := range entries {
		o, owned := owners[e.Source]
		if !owned || o.Link {
			continue
		}
		if parts[o.Package] == nil {
			parts[o.Package] = &packagePart{Package: o.Package}
		}
		parts[o.Package].entries = append(parts[o.Package].entries, e)
	}
	var list []packagePart
	for _, p := range parts {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(p, q packagePart) int {
		return cmp.Or(cmp.Compare(p.Name, q.Name), cmp.Compare(p.Arch, q.Arch), cmp.Compare(p.Version, q.Version))
	})
	return list, db.Release, nil
}

// record adds the records of packages to those of a base, which may be nil.
func (b *builder) record(base *owner.Database, release owner.Release, parts []packagePart) error {
	if base != nil && (base.Release.ID != release.ID || base.Release.VersionID != release.VersionID) {
		b.note("the base is %s and this root %s, so the base's records do not get the packages of what is added",
			nameOf(base.Release), nameOf(release))
		return nil
	}
	var apk strings.Builder
	for _, p := range parts {
		have := installed(base, p.Package)
		switch {
		case have != nil && have.Version != p.Version:
			b.note("the base has %s %s, so its records do not say that files of %s come upon it", p.Name, have.Version, p.Version)
		case base != nil && base.Packages()[0].Kind != p.Kind, p.Kind != owner.Deb && p.Kind != owner.APK:
			b.note("the database of the %s packages cannot be added to, so scanners do not see that files of %s are there", p.Kind, p.Name)
		case p.Kind == owner.Deb:
			if err := b.recordDeb(p, have != nil); err != nil {
				return err
			}
		case have == nil:
			apk.WriteString(b.partOfAPK(p))
		}
	}
	if apk.Len() == 0 {
		return nil
	}
	return b.recordAPK(apk.String())
}

// installed returns the package of the same name and architecture that a base
// has, nil if it has none.
func installed(base *owner.Database, p *owner.Package) *owner.Package {
	if base == nil {
		return nil
	}
	for _, have := range base.Named(p.Name) {
		if have.Arch == p.Arch {
			return have
		}
	}
	return nil
}

func nameOf(r owner.Release) string {
	return cmp.Or(r.Name, strings.TrimSpace(r.ID+" "+r.VersionID), "of no known release")
}

// recordDeb adds a package to status.d, which scanners read beside dpkg's status,
// and the sums of its files. Of one that the base has there, what is new is added
// to the sums; one in the base's status has lists of its own.
func (b *builder) recordDeb(p packagePart, known bool) error {
	why := rootfs.Reason{Kind: "generated", From: p.entries[0].Path, Text: "record of the package " + p.Name}
	name := path.Join(statusFolder, p.Name)
	if !known && b.taken(name) { // of another architecture
		name += ":" + p.Arch
	}
	if known && !b.taken(name) {
		return nil
	}
	sums, err := b.fromBase(name + ".md5sums")
	if err != nil {
		return err
	}
	have := make(map[string]bool)
	for line := range strings.Lines(sums) {
		have[line] = true
	}
	lines := sums
	for _, e := range p.entries {
		if !e.Mode.IsRegular() {
			continue
		}
		sum, err := md5Of(e)
		if err != nil {
			return err
		}
		if line := fmt.Sprintf("%s  %s\n", sum, e.Path[1:]); !have[line] {
			lines += line
		}
	}
	if !known {
		if err := b.tree.Add(rootfs.File(name, 0o644, []byte(p.Part(nil))).For(why)); err != nil {
			return err
		}
	}
	if lines == sums {
		return nil
	}
	return b.tree.Add(rootfs.File(name+".md5sums", 0o644, []byte(lines)).For(why))
}

func md5Of(e *rootfs.Entry) (string, error) {
	f, err := e.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New() //nolint:gosec // as above
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading %s: %w", e.Source, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// partOfAPK returns the record of a package with just the files that are there.
func (b *builder) partOfAPK(p packagePart) string {
	at := make(map[string]bool)
	for _, e := range p.entries {
		at[e.Path] = true
	}
	part := p.Part(func(file string) bool {
		real, err := b.tree.RealPath(path.Dir(file))
		return err == nil && at[path.Join(real, path.Base(file))]
	})
	if part == "" {
		return ""
	}
	return part + "\n"
}

// recordAPK adds records to the database of apk, behind those of a base.
func (b *builder) recordAPK(parts string) error {
	name, old := "/lib"+apkInstalled, ""
	for _, dir := range []string{"/usr/lib", "/lib"} {
		data, err := b.fromBase(dir + apkInstalled)
		if err != nil {
			return err
		}
		if data != "" {
			name, old = dir+apkInstalled, strings.TrimRight(data, "\n")+"\n\n"
		}
	}
	if old != "" {
		return b.amend(name, old+parts)
	}
	why := rootfs.Reason{Kind: "generated", Text: "records of packages"}
	return b.tree.Add(rootfs.File(name, 0o644, []byte(parts)).For(why))
}
