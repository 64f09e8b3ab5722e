package plan

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// Evidence is what objects show of what they need, without being run.
type evidence struct {
	facts   recipe.Facts
	symbols []string // of interest
	known   map[string]bool
	named   map[string][]*owner.Package
	vault
}

func newEvidence(host *rootfs.Host, book *recipe.Book) evidence {
	return evidence{
		symbols: slices.Concat(book.Symbols(), starters, switchers), known: make(map[string]bool),
		vault: newVault(host, sync.OnceValues(func() (*owner.Database, error) { return owner.Open(host) })),
	}
}

// A sight is an object that was looked at.
type sight struct {
	path    string   // without links
	program string   // for which it was loaded
	loader  string   // that loads it, which it may name
	script  []string // of a script, without links what it is started with
	text    bool     // it is a script or a configuration
	paths   []string // that are texts of it
	symbols []string // that it takes from others, of interest
	plugins []string // names of libraries in a configuration
}

// isProgram reports whether it is one, and neither a library nor a configuration.
func (s *sight) isProgram() bool { return s.path == s.program }

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
			if v.known[real] {
				continue
			}
			v.known[real] = true
			s := sight{path: real, program: self, loader: loader}
			if p.Script != nil {
				if s, err = v.script(p, real); err != nil {
					return nil, err
				}
			}
			sights = append(sights, s)
		}
	}
	if err := v.read(sights); err != nil {
		return nil, err
	}
	for _, s := range sights {
		for _, name := range s.symbols {
			v.facts.Add(recipe.Fact{Kind: recipe.Symbol, Name: name, In: s.path, Self: s.isProgram()})
		}
		for _, name := range s.paths {
			v.facts.Add(recipe.Fact{Kind: recipe.Path, Name: name, In: s.path, Self: s.isProgram()})
		}
	}
	return sights, nil
}

// script returns the sight of a script.
func (v *evidence) script(p *elfdeps.Program, real string) (sight, error) {
	s := sight{path: real, program: real, text: true}
	for _, interp := range p.Interpreters {
		with, err := v.host.RealPath(interp.Self().Path)
		if err != nil {
			return s, plain(err)
		}
		s.script = append(s.script, with)
	}
	return s, nil
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
	if s.text && errors.Is(err, fs.ErrPermission) {
		return nil // whoever reads it here is not who packs it
	}
	if err != nil {
		return plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return plain(err)
	}
	if s.text {
		s.paths, s.plugins, err = textPaths(f, info.Size())
		return err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	if s.symbols, err = elfdeps.Imports(at, info.Size(), v.symbols); err != nil {
		return nil // the closure has read it: what is wrong with its symbols is no matter of the loader's
	}
	if s.paths, err = elfdeps.Paths(at, info.Size()); err != nil {
		return nil // likewise
	}
	return nil
}

// exists reports whether the host has a path, whatever is there.
func exists(host *rootfs.Host, name string) bool {
	_, err := fs.Stat(host, name[1:])
	return err == nil
}
