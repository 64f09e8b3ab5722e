package plan

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// damage puts the spec's fault into a tree for which the law holds, and checks
// that it does what it is for, and nothing else.
func (b *builder) damage(ctx context.Context) error {
	f := b.spec.Fault
	switch {
	case f == Fault{}:
		return nil
	case b.spec.Base != nil:
		return &FaultError{f.String(), "not upon a base, which could have what would be missing"}
	case len(b.plan.Programs) == 0:
		return &FaultError{f.String(), "the image has no program that could notice"}
	}
	r := elfdeps.Resolver{FS: b.tree, LibraryPath: b.spec.ImagePath, Dlopen: b.spec.Dlopen, Path: b.imagePath()}
	inside, err := r.Resolve(ctx, b.programs()...)
	if err := b.bad(err, b.plan.brought); err != nil {
		return fmt.Errorf("inside the image: %w", err)
	}
	w := &wrecker{tree: b.tree, damage: &Damage{Fault: f, Program: cmp.Or(b.plan.Main, b.plan.Programs[0])}}
	if err := w.find(inside, b.plan.Programs); err != nil {
		return err
	}
	if b.tree, err = w.wrecked(); err != nil {
		return err
	}
	b.plan.Damage = w.damage
	if f.Kind == OtherRoot { // in which nothing else has changed
		return nil
	}
	return b.lawAfter(ctx, w)
}

// lawAfter asks what the law has against a broken tree. A program may lack what it
// has on the host, and be for another processor; it must not get anything else.
func (b *builder) lawAfter(ctx context.Context, w *wrecker) error {
	left := b.undamaged()
	violations, err := left.violations(ctx, Variant{Closure: left.plan.Closure})
	if err != nil {
		return err
	}
	expected := w.damage.Fault.Kind == NoLoader || w.damage.Fault.Kind == NoLibrary || w.damage.Fault.Kind == OtherArch
	others := slices.DeleteFunc(slices.Clone(violations), func(v Violation) bool {
		real, _ := b.tree.RealPath(v.Image)
		return expected && (v.Image == "" || w.targets[real])
	})
	switch {
	case len(others) > 0:
		return &LawError{others}
	case expected && len(violations) == 0:
		return &FaultError{w.damage.Fault.String(), "every program still finds what it needs"}
	}
	return nil
}

// undamaged returns a builder of the same plan, but for what recipes brought and is
// not there any more: nobody can ask what such a file loads.
func (b *builder) undamaged() *builder {
	p := *b.plan
	p.Closure, p.brought = &elfdeps.Closure{}, nil
	for i, program := range b.plan.Closure.Programs {
		if i >= len(p.Programs) {
			file := b.plan.brought[i-len(p.Programs)]
			if _, err := b.tree.Stat(strings.TrimPrefix(file, "/")); err != nil {
				continue
			}
			p.brought = append(p.brought, file)
		}
		p.Closure.Programs = append(p.Closure.Programs, program)
	}
	left := *b
	left.plan = &p
	return &left
}

// A wrecker makes a broken tree of one that is not.
type wrecker struct {
	tree    *rootfs.Tree
	damage  *Damage
	targets map[string]bool // paths of what is taken out or changed
}

// find finds what the fault is about, in the closure inside the tree.
func (w *wrecker) find(inside *elfdeps.Closure, programs []string) error {
	w.targets = make(map[string]bool)
	switch f := w.damage.Fault; f.Kind {
	case NoLoader:
		return w.loaders(inside, len(programs))
	case NoLibrary:
		return w.library(inside, len(programs))
	case NoTmp:
		return w.folders("/tmp", "/var/tmp")
	case NoPasswd:
		return w.file("/etc/passwd")
	case NoExecBit:
		return w.programs(programs)
	case OtherArch:
		return w.elves(inside, len(programs))
	case OtherRoot:
		return nil
	default:
		panic("BUG: no fault " + f.String())
	}
}

func (w *wrecker) cannot(format string, args ...any) error {
	return &FaultError{w.damage.Fault.String(), fmt.Sprintf(format, args...)}
}

// loaders finds what starts programs, the first n of which are the user's.
func (w *wrecker) loaders(inside *elfdeps.Closure, n int) error {
	for i, program := range inside.Programs {
		for p := range program.All() {
			if p.Loader == nil {
				continue
			}
			if len(w.targets) == 0 && i < n {
				w.damage.Program, w.damage.Musl = program.Name, p.Loader.Musl
			}
			if err := w.withLinks(p.Loader.Path); err != nil {
				return err
			}
		}
	}
	if len(w.targets) == 0 {
		return w.cannot("no program has a loader: they are static")
	}
	return nil
}

// library finds the library of a name. One of the first n programs must need it to
// start: nobody would notice another.
func (w *wrecker) library(inside *elfdeps.Closure, n int) error {
	var names []string
	for i, program := range inside.Programs {
		for p := range program.All() {
			start := toStart(p)
			for by, need := range libraries(p) {
				notices := i < n && start[by] && !isOptional(need)
				if notices && !slices.Contains(names, need.Name) {
					names = append(names, need.Name)
				}
				if !w.damage.Fault.isNamed(need.Name) {
					continue
				}
				if notices && w.damage.Name == "" {
					w.damage.Name = need.Name
					w.damage.Program, w.damage.By, w.damage.Musl = p.Name, by.Path, p.Loader != nil && p.Loader.Musl
				}
				if err := w.withLinks(need.Object.Path); err != nil {
					return err
				}
			}
		}
	}
	switch {
	case w.damage.Name != "":
		return nil
	case len(names) == 0:
		return w.cannot("no program needs a library")
	}
	return w.cannot("no program needs it to start; there are %s", strings.Join(names, ", "))
}

// toStart returns what a program cannot start without: itself, and what is loaded
// for that before anything of it runs.
func toStart(p *elfdeps.Program) map[*elfdeps.Object]bool {
	start := make(map[*elfdeps.Object]bool)
	var add func(*elfdeps.Object)
	add = func(o *elfdeps.Object) {
		if o == nil || start[o] {
			return
		}
		start[o] = true
		for _, need := range o.Needs {
			if !isOptional(need) && !need.Starts() {
				add(need.Object)
			}
		}
	}
	add(p.Self())
	return start
}

// isOptional reports whether a program starts without what it needs: it is opened
// later, or the loader goes on (DT_AUXILIARY, see ld(1)).
func isOptional(need elfdeps.Need) bool {
	return need.Dlopen != nil || need.Tag == elf.DT_AUXILIARY
}

// libraries returns the needs of a program that lead to libraries, the loader not
// among them, each with whose need it is.
func libraries(p *elfdeps.Program) iter.Seq2[*elfdeps.Object, elfdeps.Need] {
	return func(yield func(*elfdeps.Object, elfdeps.Need) bool) {
		for _, by := range p.Objects {
			for _, need := range by.Needs {
				switch {
				case need.Object == nil, need.Interp(), need.Starts(), p.Loader != nil && need.Object.Path == p.Loader.Path:
				case !yield(by, need):
					return
				}
			}
		}
	}
}

// withLinks takes out a file, and all links that lead to it.
func (w *wrecker) withLinks(name string) error {
	real, err := w.tree.RealPath(name)
	if err != nil {
		return err
	}
	if w.targets[real] {
		return nil
	}
	for e := range w.tree.All() {
		at, err := w.tree.RealPath(e.Path)
		if err == nil && at == real {
			w.targets[e.Path] = true
		}
	}
	return nil
}

// folders takes out empty folders, those of them that are there.
func (w *wrecker) folders(names ...string) error {
	for _, name := range names {
		if w.tree.Entry(name) == nil {
			continue
		}
		for e := range w.tree.All() {
			if strings.HasPrefix(e.Path, name+"/") {
				return w.cannot("%s lies in %s", e.Path, name)
			}
		}
		w.targets[name] = true
	}
	if len(w.targets) == 0 {
		return w.cannot("there is no %s in the image as it is", names[0])
	}
	return nil
}

func (w *wrecker) file(name string) error {
	if w.tree.Entry(name) == nil {
		return w.cannot("there is no %s in the image as it is", name)
	}
	w.targets[name] = true
	return nil
}

// programs finds the files of programs, under all their names.
func (w *wrecker) programs(names []string) error {
	for _, name := range names {
		real, err := w.tree.RealPath(name)
		if err != nil {
			return err
		}
		w.targets[real] = true
		carrier := w.tree.Entry(real).Hardlink
		for e := range w.tree.All() {
			if e.Hardlink == real || carrier != "" && (e.Path == carrier || e.Hardlink == carrier) {
				w.targets[e.Path] = true
			}
		}
	}
	return nil
}

// elves finds the programs that are ELF files.
func (w *wrecker) elves(inside *elfdeps.Closure, n int) error {
	for _, p := range inside.Programs[:n] {
		if p.Script != nil {
			continue
		}
		if len(w.targets) == 0 {
			w.damage.Program = p.Name
		}
		if err := w.programs([]string{p.Name}); err != nil {
			return err
		}
	}
	if len(w.targets) == 0 {
		return w.cannot("no program is an ELF file")
	}
	return nil
}

// wrecked returns the broken tree. The one that it is made of stays as it is.
func (w *wrecker) wrecked() (*rootfs.Tree, error) {
	broken := &rootfs.Tree{}
	for e := range w.tree.All() {
		changed := *e
		if w.targets[e.Path] {
			w.damage.Paths = append(w.damage.Paths, e.Path)
			switch w.damage.Fault.Kind {
			case NoExecBit:
				changed.Mode &^= 0o111
			case OtherArch:
				changed = *forged(e)
			default:
				continue
			}
		}
		if w.damage.Fault.Kind == OtherRoot {
			changed.Path = FaultRoot + e.Path
		}
		if err := broken.Add(&changed); err != nil {
			return nil, err
		}
	}
	return broken, nil
}
