package plan

import (
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// Evidence is what objects show of what they need, without being run.
type evidence struct {
	host    *rootfs.Host
	facts   recipe.Facts
	symbols []string // of interest
	known   map[string]bool
	db      func() (*owner.Database, error)
}

func newEvidence(host *rootfs.Host, book *recipe.Book) evidence {
	return evidence{
		host: host, symbols: slices.Concat(book.Symbols(), switchers), known: make(map[string]bool),
		db: sync.OnceValues(func() (*owner.Database, error) { return owner.Open(host) }),
	}
}

// A sight is an object that was looked at.
type sight struct {
	path    string   // without links
	program string   // for which it was loaded
	loader  string   // that loads it, which it may name
	paths   []string // that are texts of it
	symbols []string // that it takes from others, of interest
}

// look adds the facts about programs that it has not seen before to those that
// are known, and returns what it looked at. A libc names all that there is, and
// its loader too, so they are no evidence.
func (v *evidence) look(programs []*elfdeps.Program) ([]sight, error) {
	var sights []sight
	for p := range (&elfdeps.Closure{Programs: programs}).All() {
		self, err := v.host.RealPath(p.Self().Path)
		if err != nil {
			return nil, plain(err)
		}
		for _, name := range []string{p.Name, self} {
			v.facts.Add(recipe.Fact{Kind: recipe.Program, Name: name, In: name})
		}
		loader := ""
		if p.Loader != nil {
			loader = p.Loader.Path
		}
		for _, o := range p.Objects {
			if o != p.Self() {
				v.facts.Add(recipe.Fact{Kind: recipe.Soname, Name: path.Base(o.Path), In: o.Path})
			}
			for _, d := range o.Dlopen {
				for _, name := range d.Sonames {
					v.facts.Add(recipe.Fact{Kind: recipe.Dlopen, Name: name, In: o.Path})
				}
			}
			if o.Path == loader || slices.Contains(o.VerDef, "GLIBC_PRIVATE") {
				continue
			}
			real, err := v.host.RealPath(o.Path)
			if err != nil {
				return nil, plain(err)
			}
			if !v.known[real] {
				v.known[real] = true
				sights = append(sights, sight{path: real, program: self, loader: loader})
			}
		}
	}
	if err := v.read(sights); err != nil {
		return nil, err
	}
	for _, s := range sights {
		for _, name := range s.symbols {
			v.facts.Add(recipe.Fact{Kind: recipe.Symbol, Name: name, In: s.path})
		}
		for _, name := range s.paths {
			v.facts.Add(recipe.Fact{Kind: recipe.Path, Name: name, In: s.path})
		}
	}
	return sights, nil
}

// read reads the objects, several at a time.
func (v *evidence) read(sights []sight) error {
	var next int
	var mu sync.Mutex
	var failed error
	work := func() {
		for {
			mu.Lock()
			i := next
			next++
			mu.Unlock()
			if i >= len(sights) {
				return
			}
			if err := v.readOne(&sights[i]); err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(sights)) {
		workers.Go(work)
	}
	workers.Wait()
	return failed
}

func (v *evidence) readOne(s *sight) error {
	f, err := v.host.Open(s.path[1:])
	if err != nil {
		return plain(err)
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return plain(err)
	}
	if s.symbols, err = elfdeps.Imports(at, info.Size(), v.symbols); err != nil {
		return nil //nolint:nilerr // the closure has read it: what is wrong with its symbols is no matter of the loader's
	}
	if s.paths, err = elfdeps.Paths(at, info.Size()); err != nil {
		return nil //nolint:nilerr // likewise
	}
	return nil
}

// holders returns the packages that list paths.
func (v *evidence) holders(paths ...string) (map[string][]*owner.Package, error) {
	db, err := v.db()
	if err != nil {
		return nil, err
	}
	return db.Listing(paths...)
}

// shareSource reports whether a package of one list was built from what one of
// the other was built from.
func shareSource(a, b []*owner.Package) bool {
	return slices.ContainsFunc(a, func(x *owner.Package) bool {
		return slices.ContainsFunc(b, func(y *owner.Package) bool { return x.Source == y.Source })
	})
}

// dependsOn reports whether a package of one list needs one of the other.
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

// hostPath returns the path of the host that a text of an object stands for, ""
// if there is none: as it is, below the prefix that the object is installed in,
// or as far as its words are not to be filled in.
func (v *evidence) hostPath(text, object string) string {
	if before, _, ok := strings.Cut(text, "%"); ok {
		text = before[:strings.LastIndexByte(before, '/')+1]
	}
	if !strings.HasPrefix(text, "/") {
		text = recipe.Expand("{prefix}/"+text, recipe.Fact{In: object}, nil)[0]
	}
	name := path.Clean(text)
	if strings.Count(name, "/") < 2 {
		return ""
	}
	if _, err := v.host.Stat(name[1:]); err != nil {
		return ""
	}
	return name
}

// exists reports whether the host has a path, whatever is there.
func exists(host *rootfs.Host, name string) bool {
	_, err := fs.Stat(host, name[1:])
	return err == nil
}
