package plan

import (
	"context"
	"debug/elf"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// provision adds to the spec's programs, and to the closure, what recipes bring,
// until nothing of it needs more.
func (b *builder) provision(ctx context.Context) error {
	r := b.spec.Recipes
	if r.Book == nil || b.spec.Bare {
		r = Recipes{Book: &recipe.Book{}}
	}
	if b.spec.Bare && len(b.parcels) == 0 {
		return nil
	}
	if len(r.Book.Recipes)+len(b.parcels) > 0 {
		b.spec.Path, b.spec.PathIsSet = b.plan.path, true // which what is brought does not change
	}
	var err error
	if b.pantry, err = newPantry(ctx, b.host, r, b.excluded); err != nil {
		return err
	}
	for _, p := range b.plan.Closure.Programs {
		real, err := b.host.RealPath(p.Name)
		if err != nil {
			return plain(err)
		}
		b.pantry.asked[real] = p.Name
	}
	b.pantry.deliver(b.parcels)
	if err := b.bring(ctx, b.pantry.programs); err != nil {
		return err
	}
	next := b.plan.Closure.Programs
	for len(r.Book.Recipes) > 0 {
		brought, err := b.pantry.stock(next)
		if err != nil || len(brought) == 0 {
			return err
		}
		n := len(b.plan.Closure.Programs)
		if err := b.bring(ctx, brought); err != nil {
			return err
		}
		next = b.plan.Closure.Programs[n:]
	}
	return nil
}

// bring resolves what recipes brought, and adds it to the programs. What cannot
// be loaded for want of a library is left out: nothing could use it on the host
// either. What is no program or library in spite of its first bytes is data.
func (b *builder) bring(ctx context.Context, brought []ingredient) error {
	if len(brought) == 0 {
		return nil
	}
	names := make([]string, len(brought))
	for i, in := range brought {
		names[i] = in.path
	}
	r := b.spec.resolver(b.host)
	r.Mentions = false
	found, err := r.Resolve(ctx, names...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	lacks := b.lacks(err, brought)
	for _, in := range brought {
		p := found.Program(in.path)
		want, lacking := lacks[in.path]
		arch := madeFor(p)
		why, isData := "", false // which nothing loads or starts, whatever it looks like
		switch {
		case p == nil:
			why = unread(err, in.path)
			isData = !errors.Is(err, fs.ErrPermission)
		case lacking:
			why = "it needs " + want + ", which is not here"
			isData = in.whole && p.Script != nil
		case arch.Machine == elf.EM_NONE && p.Script == nil:
			isData = true
		case arch.String() != b.plan.Arch.String():
			why = "it is for " + arch.String()
			isData = in.whole
		}
		switch {
		case isData:
			b.pantry.note(in)
			continue
		case why != "":
			b.note("%s is left out: %s", in.path, why)
			continue
		}
		if in.byName {
			b.plan.found[path.Dir(in.path)] = true
		}
		b.brought = append(b.brought, in)
		b.spec.Programs = append(slices.Clip(b.spec.Programs), b.input(in))
		b.plan.Closure.Programs = append(b.plan.Closure.Programs, p)
	}
	return nil
}

// madeFor returns what a program is made for, of a script its interpreter.
func madeFor(p *elfdeps.Program) (arch elfdeps.Arch) {
	if p == nil {
		return arch
	}
	for q := range p.All() {
		if q.Script == nil {
			return q.Self().Arch
		}
	}
	return arch
}

// unread returns what an error says of a program that could not be read.
func unread(err error, name string) string {
	for _, e := range split(err) {
		if pe := (*fs.PathError)(nil); errors.As(e, &pe) && pe.Path == name {
			return pe.Err.Error()
		}
	}
	return "it cannot be read"
}

// lacks returns, of an error, what each of the brought programs needs and cannot
// have. What another one of them is called it has: whoever opens it has opened
// that one before, and then nobody looks for it.
func (b *builder) lacks(err error, brought []ingredient) map[string]string {
	lacks := make(map[string]string)
	for _, e := range split(err) {
		var missing *elfdeps.MissingError
		if !errors.As(e, &missing) {
			continue
		}
		for _, m := range missing.Missing {
			if !b.loaded(m.Need.Name, brought) {
				lacks[m.Program] = m.Need.Name
			}
		}
	}
	return lacks
}

// loaded reports whether something of this name is brought, or needed by a
// program.
func (b *builder) loaded(name string, brought []ingredient) bool {
	called := func(in ingredient) bool { return path.Base(in.path) == name }
	if slices.ContainsFunc(brought, called) || slices.ContainsFunc(b.brought, called) {
		return true
	}
	for _, p := range b.plan.Closure.Programs {
		for _, o := range p.Objects {
			if o.Soname == name || path.Base(o.Path) == name {
				return true
			}
		}
	}
	return false
}

// bad returns what is wrong in an error from resolving the plan's programs, but
// for what those that were brought, under the given paths, lacked from the start.
func (b *builder) bad(err error, brought []string) error {
	if err == nil {
		return nil
	}
	var errs []error
	for _, e := range split(err) {
		var missing *elfdeps.MissingError
		if errors.As(e, &missing) {
			rest := slices.DeleteFunc(slices.Clone(missing.Missing), func(m elfdeps.Missing) bool {
				return slices.Contains(brought, m.Program) && b.loaded(m.Need.Name, nil)
			})
			if len(rest) == 0 {
				continue
			}
			e = &elfdeps.MissingError{Missing: rest}
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// input returns where a program that a recipe brought goes: to its own path, for
// that is where it is looked for.
func (b *builder) input(in ingredient) Input {
	if b.spec.Layout == Flat {
		return Input{Source: in.path, Dest: in.path}
	}
	return Input{Source: in.path}
}

// split returns the errors that an error joins.
func split(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// unpack adds the files and folders that recipes brought, unless something is in
// their place.
func (b *builder) unpack() error {
	if b.pantry == nil {
		return nil
	}
	for _, in := range b.pantry.files {
		if err := b.unpackOne(in); err != nil {
			return err
		}
	}
	if err := b.dangle(); err != nil {
		return err
	}
	if err := b.makeFolders(); err != nil {
		return err
	}
	b.plan.Notes = slices.DeleteFunc(b.plan.Notes, func(note string) bool { return b.pantry.settled[note] })
	b.plan.Notes = append(b.plan.Notes, b.pantry.notes...)
	if secrets := b.pantry.secrets; len(secrets) > 0 {
		b.note("%s; --add ships what it is told", several(secrets, mayBeSecret, mayBeSecrets))
	}
	b.plan.Env = b.pantry.env
	return nil
}

func (b *builder) unpackOne(in ingredient) error {
	if b.taken(in.path) && !(in.why.Kind == "package" && b.isBases(in.path)) {
		return nil
	}
	var err error
	if b.spec.Layout == Flat {
		err = b.place(in.path, in.path, in.why)
	} else {
		err = b.tree.AddHost(b.host, in.path, in.why)
	}
	var conflict *rootfs.ConflictError
	if errors.As(err, &conflict) && len(conflict.Have.Why) > 0 && conflict.Have.Why[0].Kind == "base" {
		return nil // the base has its own
	}
	return err
}

// has reports whether the image has something of what a recipe brings, be it from
// its base.
func (b *builder) has(name string) bool {
	r := b.pantry.Book.Named(name)
	for _, add := range slices.Concat(r.Add, r.Programs) {
		for _, pattern := range recipe.Expand(add, recipe.Fact{}, b.pantry.libraries) {
			if found, err := fs.Glob(b.tree, pattern[1:]); err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

// conclude says what each decision came to.
func (b *builder) conclude() {
	if b.pantry == nil {
		return
	}
	texts := make(map[rootfs.Reason]*Decision)
	for _, in := range slices.Concat(b.pantry.files, b.brought) {
		texts[in.why] = in.decide
	}
	for e := range b.tree.All() {
		for _, why := range e.Why {
			if d := texts[why]; d != nil && !e.Mode.IsDir() {
				d.Paths++
				if e.Hardlink == "" {
					d.Size += e.Size
				}
				break
			}
		}
	}
	b.plan.Decisions = slices.DeleteFunc(b.pantry.decisions(), func(d Decision) bool { return !d.Added && b.has(d.Recipe) })
}
