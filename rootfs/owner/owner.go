package owner

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// ErrDamaged means that a database is not as its package manager writes it. The
// error that wraps it names the file and, of text, the line.
var ErrDamaged = errors.New("damaged package database")

func damaged(file string, line int, format string, args ...any) error {
	return fmt.Errorf("reading /%s:%d: %w: %s", file, line, ErrDamaged, fmt.Sprintf(format, args...))
}

// A Database is what the package managers of a root say is installed. It is
// safe for concurrent use if the root is.
type Database struct {
	Release Release // which distribution it is

	fsys     fs.FS
	stores   []store
	packages []*Package
}

// A store is the database of one package manager.
type store interface {
	// packages returns the installed packages, in any order.
	packages() []*Package
	// search calls s.claim with every path that a package lists, or with those at
	// least whose last component s wants.
	search(s *search) error
}

// An Owner says whose a path is.
type Owner struct {
	*Package
	// Path is where the package has the file, as the database spells it: /bin/bash
	// for /usr/bin/bash. It is the Path of one of the package's Files, unless it is
	// a folder.
	Path string
	// Link is set if the path itself is a link that no package lists. Path is then
	// what it leads to.
	Link bool
}

// Open returns the database of a root: all those of the package managers that
// left one there. A root without any has a Database that owns nothing.
//
// It reads what the packages are; lists of files are read when they are needed.
func Open(fsys fs.FS) (*Database, error) {
	db := &Database{fsys: fsys}
	var err error
	if db.Release, err = readRelease(fsys); err != nil {
		return nil, err
	}
	for _, open := range []func(fs.FS) (store, error){openDpkg, openAPK, openPacman, openRPM} {
		s, err := open(fsys)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		list := s.packages()
		slices.SortStableFunc(list, comparePackages)
		db.stores = append(db.stores, s)
		db.packages = append(db.packages, list...)
	}
	for i, p := range db.packages {
		p.order = i
	}
	return db, nil
}

func comparePackages(a, b *Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
}

// Packages returns the installed packages, those of one package manager after
// those of another, sorted by name. The slice is the caller's.
func (db *Database) Packages() []*Package { return slices.Clone(db.packages) }

// Named returns the packages of a name, several where a library is installed for
// two architectures, or a kernel in two versions.
func (db *Database) Named(name string) []*Package {
	var list []*Package
	for _, p := range db.packages {
		if p.Name == name {
			list = append(list, p)
		}
	}
	return list
}

// Of returns who owns the paths, by the rules of the package. Paths are taken
// from the root; those without an owner are not in the map. One call for many
// paths costs little more than one for one: it goes once through the lists of
// all packages.
func (db *Database) Of(paths ...string) (map[string]Owner, error) {
	s := newSearch(db.fsys)
	chains, err := db.search(s, paths)
	if err != nil {
		return nil, err
	}
	owners := make(map[string]Owner, len(chains))
	for name, chain := range chains {
		for i, real := range chain {
			if c := s.claims[real]; c.by != nil && !(c.shared() && s.isFolder(real)) {
				owners[name] = Owner{Package: c.by, Path: c.path, Link: i > 0}
				break
			}
		}
	}
	return owners, nil
}

// Listing returns the packages that list a path, by name and all of them: a folder
// is often listed by many. A path that is a link that no package lists has those
// of what it leads to. The cost is that of [Database.Of].
func (db *Database) Listing(paths ...string) (map[string][]*Package, error) {
	s := newSearch(db.fsys)
	chains, err := db.search(s, paths)
	if err != nil {
		return nil, err
	}
	listing := make(map[string][]*Package, len(chains))
	for name, chain := range chains {
		for _, real := range chain {
			if all := s.claims[real].all; len(all) > 0 {
				listing[name] = slices.SortedFunc(slices.Values(all), comparePackages)
				break
			}
		}
	}
	return listing, nil
}

// search goes through the lists of all packages for the paths, and returns for
// each what it leads to, one link after the other.
func (db *Database) search(s *search, paths []string) (map[string][]string, error) {
	chains := make(map[string][]string, len(paths))
	for _, name := range paths {
		chains[name] = s.want(name)
	}
	if len(chains) == 0 {
		return chains, nil
	}
	for _, store := range db.stores {
		if err := store.search(s); err != nil {
			return nil, err
		}
	}
	return chains, nil
}
