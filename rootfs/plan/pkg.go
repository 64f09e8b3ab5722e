package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// A Shipment says what has come of a package that the Spec names.
type Shipment struct {
	By            string // the flag and its value
	Name, Version string
	Arch          string // by the distribution's word
	Paths         int    // that are in the image, without folders, and their bytes
	Size          int64
	LeftOut       int // files that are no part of what runs, see [Spec]
}

// An UnknownPackageError means that no package of a name is installed, or none
// for an architecture.
type UnknownPackageError struct {
	Name  string   // as it was given
	Archs []string // for which the package is installed, without one
	Known []string // the names of all packages
}

func (e *UnknownPackageError) Error() string {
	switch {
	case len(e.Known) == 0:
		return fmt.Sprintf("--pkg %s: this root has no database of packages, of dpkg, rpm, apk or pacman", e.Name)
	case len(e.Archs) > 0:
		return fmt.Sprintf("--pkg %s: the package is installed for %s", e.Name, strings.Join(e.Archs, " and "))
	}
	return fmt.Sprintf("--pkg %s: no package of this name is installed", e.Name)
}

// An UnownedError means that no package has a program.
type UnownedError struct{ Program string }

func (e *UnownedError) Error() string {
	return fmt.Sprintf("--pkg-of %s: it is of no package", e.Program)
}

// An EmptyPackageError means that a package has nothing that would be shipped.
type EmptyPackageError struct {
	By      string   // the flag and its value
	LeftOut int      // files
	Depends []string // what it needs, which is not followed
}

func (e *EmptyPackageError) Error() string {
	s := e.By + ": the package has nothing to ship"
	if e.LeftOut > 0 {
		s += " but documentation and the like"
	}
	if len(e.Depends) > 0 {
		s += "; what it depends on is not followed: " + strings.Join(e.Depends, ", ")
	}
	return s
}

// A parcel is a package that is shipped, sorted by what is to be done with it.
type parcel struct {
	*owner.Package
	by       string // the flag and its value
	program  string // of the package's programs the one that is meant, "" for all
	programs []string
	objects  []string // programs elsewhere, libraries and plug-ins, which are what a recipe brings
	files    []string // and folders
	links    []string // that lead nowhere
	missing  []string
	secrets  []string // and what whoever runs this may not read
	leftOut  int
}

// A counter sorts what packages have.
type counter struct {
	host     *rootfs.Host
	db       *owner.Database
	excluded *exclusion
	secrets  vault
}

// parcels returns the packages that the spec names, of which it has some. The
// patterns of what is left out count before anything is resolved: so a script
// without its interpreter can be left out, too.
func (s Spec) parcels(host *rootfs.Host, excluded *exclusion) ([]*parcel, error) {
	if len(s.Packages)+len(s.PackageOf) == 0 {
		return nil, nil
	}
	db, err := owner.Open(host)
	if err != nil {
		return nil, err
	}
	c := &counter{host, db, excluded, newVault(host, func() (*owner.Database, error) { return db, nil })}
	var list []*parcel
	var errs []error
	for _, name := range unique(s.PackageOf) {
		p, err := c.of(name)
		if p != nil {
			list = append(list, p)
		}
		errs = append(errs, err)
	}
	for _, name := range unique(s.Packages) {
		pkg, err := c.named(name)
		for _, pkg := range pkg {
			list = append(list, &parcel{Package: pkg, by: "--pkg " + name})
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, p := range list {
		errs = append(errs, c.sort(p))
	}
	if err := errors.Join(append(errs, c.links(list))...); err != nil {
		return nil, err
	}
	for _, p := range list {
		errs = append(errs, p.worth())
	}
	return list, errors.Join(errs...)
}

// worth returns an error for a package of which nothing is left.
func (p *parcel) worth() error {
	if len(p.programs)+len(p.objects)+len(p.links) > 0 || slices.ContainsFunc(p.files, func(name string) bool { return !isCopyright(name) }) {
		return nil
	}
	return &EmptyPackageError{By: p.by, LeftOut: p.leftOut, Depends: unique(p.Depends())}
}

// of returns the package of a program.
func (c *counter) of(name string) (*parcel, error) {
	program, err := Find(c.host, name)
	if err == nil {
		_, err = c.host.RealPath(program)
	}
	if err != nil {
		return nil, plain(err)
	}
	owners, err := c.db.Of(program)
	if err != nil {
		return nil, err
	}
	o, owned := owners[program]
	if !owned {
		return nil, &UnownedError{name}
	}
	return &parcel{Package: o.Package, by: "--pkg-of " + name, program: program, programs: []string{program}}, nil
}

// named returns the packages of NAME or NAME:ARCH: one, unless several versions
// of it are installed.
func (c *counter) named(name string) ([]*owner.Package, error) {
	base, arch, withArch := strings.Cut(name, ":")
	all := c.db.Named(base)
	list := slices.DeleteFunc(slices.Clone(all), func(p *owner.Package) bool { return withArch && p.Arch != arch })
	var archs []string
	for _, p := range all {
		if !slices.Contains(archs, p.Arch) {
			archs = append(archs, p.Arch)
		}
	}
	switch {
	case len(all) == 0:
		e := &UnknownPackageError{Name: name}
		for _, p := range c.db.Packages() {
			e.Known = append(e.Known, p.Name)
		}
		return nil, e
	case len(list) == 0, !withArch && len(archs) > 1:
		return nil, &UnknownPackageError{Name: name, Archs: archs, Known: []string{base}}
	}
	return list, nil
}

// deliver adds what packages have to what recipes bring.
func (p *pantry) deliver(parcels []*parcel) {
	for _, pkg := range parcels {
		why := pkg.reason()
		d := &Decision{}
		p.facts.Add(recipe.Fact{Kind: recipe.Package, Name: pkg.Name})
		for _, name := range pkg.objects {
			if p.take(name) {
				p.addProgram(ingredient{path: name, why: why, decide: d, whole: true})
			}
		}
		for _, name := range pkg.files {
			if p.take(name) {
				p.configured(name)
				p.note(ingredient{path: name, why: why, decide: d})
			}
		}
	}
}

func (p *parcel) reason() rootfs.Reason {
	return rootfs.Reason{Kind: "package", From: p.by, Text: p.Name + " " + p.Version}
}

// with returns the spec with the programs of packages behind its own.
func (s Spec) with(parcels []*parcel) Spec {
	s.Programs = slices.Clip(s.Programs)
	for _, p := range parcels {
		for _, name := range p.programs {
			s.Programs = append(s.Programs, Input{Source: name, by: p.by})
		}
	}
	return s
}

// dangle adds the links of packages that lead nowhere on the host either.
func (b *builder) dangle() error {
	for _, p := range b.parcels {
		for _, name := range p.links {
			dir, err := b.host.RealPath(path.Dir(name))
			if err != nil || b.taken(name) {
				continue
			}
			e, err := b.host.Entry(path.Join(dir, path.Base(name)))
			if err != nil {
				return plain(err)
			}
			if err := b.tree.AddHost(b.host, path.Dir(name), p.reason()); err != nil {
				return err
			}
			if err := b.tree.Add(e.For(p.reason())); err != nil {
				return err
			}
		}
	}
	return nil
}

// ship says what has come of packages.
func (b *builder) ship() {
	b.plan.Main = b.main()
	for _, p := range b.parcels {
		s := Shipment{By: p.by, Name: p.Name, Version: p.Version, Arch: p.Arch, LeftOut: p.leftOut}
		for e := range b.tree.All() {
			if e.Mode.IsDir() || !slices.ContainsFunc(e.Why, func(why rootfs.Reason) bool { return why.From == p.by }) {
				continue
			}
			s.Paths++
			if e.Hardlink == "" {
				s.Size += e.Size
			}
		}
		b.plan.Shipments = append(b.plan.Shipments, s)
		if len(p.missing) > 0 {
			b.note("%s: %s", p.by, several(p.missing, "is not there, though the package has it", "are not there, though the package has them"))
		}
		if len(p.secrets) > 0 {
			b.note("%s: %s", p.by, several(p.secrets, mayBeSecret, mayBeSecrets))
		}
		if n := b.replaced[p.by]; n > 0 {
			b.note("%s: %d of the paths are the base's, too, and are replaced", p.by, n)
		}
	}
}

// several says something of one path or of more, of which it names three.
func several(names []string, one, more string) string {
	const most = 3
	text := strings.Join(names[:min(len(names), most)], ", ")
	if n := len(names) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	if len(names) == 1 {
		return text + " " + one
	}
	return text + " " + more
}

// main returns what the image is for.
func (b *builder) main() string {
	own := b.spec.Programs[:len(b.plan.Programs)]
	for i, in := range own {
		if !strings.HasPrefix(in.by, "--pkg ") {
			return b.plan.Programs[i]
		}
	}
	for _, p := range b.parcels {
		for i, in := range own {
			if path.Base(in.Source) == p.Name || len(p.programs) == 1 && in.by == p.by {
				return b.plan.Programs[i]
			}
		}
	}
	return ""
}
