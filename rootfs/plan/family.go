package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// holders returns the packages that list paths.
func (v *evidence) holders(paths ...string) (map[string][]*owner.Package, error) {
	db, err := v.db()
	if err != nil {
		return nil, &PackagesError{err}
	}
	holders, err := db.Listing(paths...)
	if err != nil {
		return nil, &PackagesError{err}
	}
	return holders, nil
}

// A PackagesError means that the databases of packages cannot be read, so that
// nobody can say what is a program's own.
type PackagesError struct{ Err error }

func (e *PackagesError) Error() string { return e.Err.Error() }
func (e *PackagesError) Unwrap() error { return e.Err }

// shareSource reports whether a package of one list was built from what one of
// the other was built from.
func shareSource(a, b []*owner.Package) bool {
	return slices.ContainsFunc(a, func(x *owner.Package) bool {
		return slices.ContainsFunc(b, func(y *owner.Package) bool { return x.Source == y.Source })
	})
}

// dependsOn reports whether a package of one list needs one of the other, or is
// one of it.
func dependsOn(a, b []*owner.Package) bool {
	return slices.ContainsFunc(a, func(x *owner.Package) bool {
		return slices.ContainsFunc(b, func(y *owner.Package) bool {
			return x == y || slices.Contains(x.Depends(), y.Name)
		})
	})
}

// sources counts what packages were built from.
func sources(packages []*owner.Package) int {
	seen := make(map[string]bool)
	for _, p := range packages {
		seen[p.Source] = true
	}
	return len(seen)
}

// needs returns packages and all that they need, one through the other, as far as
// follow says to go on.
func (v *evidence) needs(packages []*owner.Package, follow func(*owner.Package) bool) []*owner.Package {
	db, err := v.db()
	if err != nil {
		return packages
	}
	if v.named == nil {
		v.named = make(map[string][]*owner.Package)
		for _, p := range db.Packages() {
			for _, name := range append(provided(p), p.Name) {
				v.named[name] = append(v.named[name], p)
			}
		}
	}
	all := slices.Clone(packages)
	for i := 0; i < len(all); i++ {
		for _, name := range all[i].Depends() {
			for _, p := range v.named[name] {
				if follow(p) && !slices.Contains(all, p) {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// provided returns the other names under which a package counts for those that
// need it, as far as its record says: dpkg's does.
func provided(p *owner.Package) []string {
	if p.Kind != owner.Deb {
		return nil
	}
	_, rest, ok := strings.Cut("\n"+p.Record, "\nProvides:")
	if !ok {
		return nil
	}
	list, _, _ := strings.Cut(rest, "\n")
	var names []string
	for item := range strings.SplitSeq(list, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(item), " ")
		names = append(names, name)
	}
	return names
}

// family returns packages and those that they need which were built from the same.
func (v *evidence) family(packages []*owner.Package) []*owner.Package {
	return v.needs(packages, func(p *owner.Package) bool { return shareSource(packages, []*owner.Package{p}) })
}

// addListed takes in what packages list below a folder.
func (p *pantry) addListed(packages []*owner.Package, dir string, why rootfs.Reason, d *Decision, except ...string) error {
	for _, pkg := range packages {
		files, err := pkg.Files()
		if err != nil {
			return &PackagesError{err}
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Path, dir+"/") || isByproduct(f.Path) {
				continue
			}
			if err := p.addPath(f.Path, why, d, except); err != nil {
				return err
			}
		}
	}
	return nil
}

// addPackages takes in all that packages of some names have.
func (p *pantry) addPackages(names []string, why rootfs.Reason, d *Decision, except []string) error {
	if len(names) == 0 {
		return nil
	}
	db, err := p.db()
	if err != nil {
		return &PackagesError{err}
	}
	for _, name := range names {
		for _, pkg := range db.Packages() {
			if ok, _ := path.Match(name, pkg.Name); !ok {
				continue
			}
			files, err := pkg.Files()
			if err != nil {
				return &PackagesError{err}
			}
			for _, f := range files {
				if info, err := p.host.Stat(f.Path[1:]); err != nil || info.IsDir() {
					continue
				}
				if err := p.addPath(f.Path, why, d, except); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// besides are the folders beside bin/ where a program that is installed in a
// folder of its own looks for what is its own.
var besides = [...]string{"conf", "etc", "lib", "lib64", "libexec", "share"}

// beside takes in what a program has that is installed in a folder of its own,
// such as a Java runtime: it goes by where it is. If a package has it, only what
// that package has counts.
func (p *pantry) beside(program string, holders []*owner.Package) error {
	bin, home := path.Dir(program), path.Dir(path.Dir(program))
	if base := path.Base(bin); base != "bin" && base != "sbin" || home == "/" || home == "/usr" || home == "/usr/local" {
		return nil
	}
	once := recipe.Fact{Kind: Own, Name: home}
	if len(holders) > 0 {
		once.In = holders[0].Name
	}
	if p.done[once] { // on account of another program there
		return nil
	}
	p.done[once] = true
	d, why := p.opinion(program, path.Base(program)+" is installed in "+home)
	for _, name := range besides {
		dir := path.Join(home, name)
		var err error
		if len(holders) > 0 {
			err = p.addListed(p.family(holders), dir, why, d)
		} else if exists(p.host, dir) {
			err = p.addPath(dir, why, d, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// opinion returns the decision of the rule own that is about an object, with one
// more piece of evidence, and the reason for what that brings.
func (p *pantry) opinion(object, evidence string) (*Decision, rootfs.Reason) {
	d := p.decision(Own+" "+object, Own, evidence)
	return d, rootfs.Reason{Kind: "recipe", From: object, Text: fmt.Sprintf("%s: %s", Own, evidence)}
}

// likeNamed are the places of folders that are called like a program, its package
// or what that was built from, and are its own then, whoever adds to them. {lib}
// is as for recipes.
var likeNamed = [...]string{"/etc/", "/usr/lib/", "/usr/libexec/", "/usr/share/", "{lib}/"}

// namesake takes in the folders that are called like a program that was asked
// for. Its package must have them.
func (p *pantry) namesake(program string, holders []*owner.Package) error {
	names := []string{path.Base(program)}
	for _, pkg := range holders {
		names = append(names, pkg.Name, pkg.Source)
	}
	var dirs []string
	for _, name := range unique(names) {
		for _, place := range likeNamed {
			for _, dir := range recipe.Expand(place+name, recipe.Fact{}, p.libraries) {
				if info, err := p.host.Stat(dir[1:]); err == nil && info.IsDir() && !p.spokenOf(dir) && !withheld(dir) && !isCommon(dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	listing, err := p.holders(dirs...)
	if err != nil {
		return err
	}
	family := p.family(holders)
	for _, dir := range dirs {
		if !slices.ContainsFunc(listing[dir], func(pkg *owner.Package) bool { return slices.Contains(family, pkg) }) {
			continue
		}
		d, why := p.opinion(program, "its package has "+dir)
		if real, _ := p.host.RealPath(dir); strings.HasPrefix(program, real+"/") && isOfPrograms(path.Dir(program)) {
			err = p.around(program, dir, listing[dir], holders, why, d)
		} else {
			err = p.addPath(dir, why, d, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// around takes in the folder in which a program lies itself: not the programs beside
// it, which may be started without it, nor what is for building, unless its package
// needs that.
func (p *pantry) around(program, dir string, listing, holders []*owner.Package, why rootfs.Reason, d *Decision) error {
	theirs := slices.DeleteFunc(slices.Clone(listing), func(pkg *owner.Package) bool {
		return isDev(pkg.Name) && !dependsOn(holders, []*owner.Package{pkg})
	})
	return p.addListed(theirs, dir, why, d, p.siblings(program, dir)...)
}

// siblings returns patterns of the programs beside one that lies in bin/ somewhere
// below a folder, spelled as the folder is. A script has none: it may make up their
// names.
func (p *pantry) siblings(program, dir string) []string {
	bin := path.Dir(program)
	real, err := p.host.RealPath(dir)
	if err != nil || !strings.HasPrefix(program, real+"/") || !isOfPrograms(bin) || !p.isELF(program) {
		return nil
	}
	list, err := p.host.ReadDir(bin[1:])
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range list {
		name := path.Join(bin, f.Name())
		if info, err := p.host.Stat(name[1:]); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			names = append(names, globEscape(dir+strings.TrimPrefix(name, real)))
		}
	}
	return names
}
