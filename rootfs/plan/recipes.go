package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// Own is the name of the rule that brings what a program names and its own
// package has, for With and Without of a [Recipes].
const Own = "own"

// Recipes says what is to be brought in beside libraries.
type Recipes struct {
	Book    *recipe.Book // nil for nothing at all
	Auto    bool         // go by strong evidence
	With    []string     // recipes that are wanted without any
	Without []string     // recipes that are not, whatever the evidence
	Env     []string     // names of the variables that the image sets
}

// An UnknownRecipeError means that there is no recipe of a name.
type UnknownRecipeError struct {
	Name  string
	Known []string
}

func (e *UnknownRecipeError) Error() string {
	return fmt.Sprintf("there is no recipe %s; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// A NothingError means that a root has nothing of what a recipe brings that was
// asked for by name.
type NothingError struct {
	Recipe string
	Sought []string // paths and patterns
}

func (e *NothingError) Error() string {
	return fmt.Sprintf("this root has nothing for the recipe %s: no %s", e.Recipe, strings.Join(e.Sought, ", "))
}

// A pantry is what recipes bring: as long as that holds programs, these may need
// more.
type pantry struct {
	ctx  context.Context
	host *rootfs.Host
	Recipes
	evidence
	libraries []string // folders that the loader searches
	excluded  *exclusion
	omitted   int // of what it was to take, that is excluded or there already

	programs []ingredient // and libraries that are opened later
	files    []ingredient
	folders  []wanted
	users    []string
	groups   []string
	shadow   bool
	env      map[string]string
	notes    []string
	accounts accounts
	by       map[string]*Decision
	order    []*Decision
	took     map[string]bool // paths that are among files or programs, the links of their folders followed
	done     map[recipe.Fact]bool
	asked    map[string]string          // programs that the user named, by what their links lead to
	partial  []string                   // folders of which only a part was taken in
	started  map[string]bool            // programs that others start, without links
	serviced map[*owner.Package]service // what packages have done when a system starts
	settled  map[string]bool            // notes that are no longer true
	settings []sight                    // configurations that were taken in and have not been read
	secrets  []string                   // that were to be taken in
}

// An ingredient is a path of the host that a recipe brings.
type ingredient struct {
	path   string
	why    rootfs.Reason
	decide *Decision
	whole  bool // it is of a package that is shipped whole, so what cannot be loaded goes along as a file
	byName bool // whoever starts it looks for it in PATH
}

func newPantry(ctx context.Context, host *rootfs.Host, r Recipes, x *exclusion) (*pantry, error) {
	p := &pantry{
		asked: make(map[string]string), settled: make(map[string]bool), started: make(map[string]bool), serviced: make(map[*owner.Package]service),
		ctx: ctx, host: host, Recipes: r, excluded: x,
		by: make(map[string]*Decision), took: make(map[string]bool), done: make(map[recipe.Fact]bool),
		env: make(map[string]string),
	}
	p.evidence = newEvidence(host, r.Book)
	for _, name := range slices.Concat(r.With, r.Without) {
		if name != Own && name != Scripts && r.Book.Named(name) == nil {
			known := []string{Own, Scripts}
			for _, r := range r.Book.Recipes {
				known = append(known, r.Name)
			}
			return nil, &UnknownRecipeError{name, known}
		}
	}
	for _, name := range r.Env {
		p.facts.Add(recipe.Fact{Kind: recipe.Env, Name: name})
	}
	return p, nil
}

// stock looks at the programs of a closure and takes in what they need. It
// returns the programs that this brings.
func (p *pantry) stock(programs []*elfdeps.Program) ([]ingredient, error) {
	for program := range (&elfdeps.Closure{Programs: programs}).All() {
		if program.Loader != nil && p.libraries == nil {
			p.libraries = program.Loader.DefaultDirs
		}
	}
	before := len(p.programs)
	seen, err := p.look(programs)
	if err != nil {
		return nil, err
	}
	if err := p.recipes(); err != nil {
		return nil, err
	}
	if p.wants(Own) {
		if err := p.own(seen); err != nil {
			return nil, err
		}
	}
	if p.wants(Scripts) {
		if err := p.written(seen); err != nil {
			return nil, err
		}
		if err := p.recipes(); err != nil { // by what has been seen meanwhile
			return nil, err
		}
	}
	return p.programs[before:], nil
}

// wants reports whether strong evidence for a recipe counts.
func (p *pantry) wants(name string) bool {
	if slices.Contains(p.Without, name) {
		return false
	}
	return p.Auto || slices.Contains(p.With, name)
}

// recipes takes in what recipes bring by the facts that are known now.
func (p *pantry) recipes() error {
	for _, r := range p.Book.Recipes {
		if slices.Contains(p.Without, r.Name) {
			continue
		}
		strong := r.Strong(&p.facts)
		if slices.Contains(p.With, r.Name) {
			omitted := p.omitted
			if err := p.bring(r, recipe.Fact{}, "--with "+r.Name); err != nil {
				return err
			}
			if d := p.by[r.Name]; !d.Added && len(r.Add)+len(r.Programs) > 0 && p.omitted == omitted {
				return &NothingError{r.Name, slices.Concat(r.Add, r.Programs)}
			}
		} else if !p.Auto {
			continue
		}
		for _, fact := range strong {
			if err := p.bring(r, fact, fact.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring takes in what a recipe brings on account of a fact.
func (p *pantry) bring(r *recipe.Recipe, fact recipe.Fact, why string) error {
	once := recipe.Fact{Kind: recipe.Kind(r.Name), Name: string(fact.Kind) + fact.Name, In: fact.In}
	if p.done[once] {
		return nil
	}
	p.done[once] = true
	d := p.decision(r.Name, r.Name, why)
	reason := rootfs.Reason{Kind: "recipe", From: fact.In, Text: r.Name + ": " + why}
	var except []string
	for _, pattern := range r.Except {
		except = append(except, recipe.Expand(pattern, fact, p.libraries)...)
	}
	for _, name := range r.Add {
		for _, pattern := range recipe.Expand(name, fact, p.libraries) {
			if err := p.add(pattern, reason, d, except); err != nil {
				return err
			}
		}
	}
	for _, name := range r.Programs {
		for _, file := range recipe.Expand(name, fact, p.libraries) {
			if exists(p.host, file) && p.take(file) {
				p.addProgram(ingredient{path: file, why: reason, decide: d})
			}
		}
	}
	for _, f := range r.Folders {
		if !p.excluded.covers(f.Path) {
			p.folders = append(p.folders, wanted{Folder: f, why: reason, decide: d})
			d.Added = true
		}
	}
	if err := p.addPackages(r.Packages, reason, d, except); err != nil {
		return err
	}
	p.users = append(p.users, r.Users...)
	p.groups = append(p.groups, r.Groups...)
	p.shadow = p.shadow || r.Shadow
	for name, value := range r.Env {
		p.env[name] = value
	}
	if r.Note != "" && !slices.Contains(p.notes, r.Note) {
		p.notes = append(p.notes, r.Note)
	}
	for _, other := range r.With {
		if !slices.Contains(p.Without, other) {
			if err := p.bring(p.Book.Named(other), fact, why+" (by "+r.Name+")"); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes in all that a pattern stands for.
func (p *pantry) add(pattern string, why rootfs.Reason, d *Decision, except []string) error {
	names := []string{pattern[1:]}
	if strings.ContainsAny(pattern, `*?[\`) {
		var err error
		if names, err = fs.Glob(p.host, pattern[1:]); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := p.addPath("/"+name, why, d, except); err != nil {
			return err
		}
	}
	return nil
}

// addPath takes in a file, or a folder with all that is in it, if it is there.
func (p *pantry) addPath(name string, why rootfs.Reason, d *Decision, except []string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if withheld(name) || slices.ContainsFunc(except, func(x string) bool { return recipe.Match(x, name) }) {
		return nil
	}
	real, err := p.host.RealPath(name)
	if err != nil {
		return nil //nolint:nilerr // what is not there cannot be brought, and nobody has asked for it
	}
	e, err := p.host.Entry(real)
	if err != nil || !e.Mode.IsDir() && !e.Mode.IsRegular() || withheld(real) {
		return nil //nolint:nilerr // sockets and the like
	}
	if !p.take(name) {
		return nil
	}
	if p.isSecret(e) {
		p.secrets = append(p.secrets, name)
		return nil
	}
	if e.Mode.IsDir() {
		p.note(ingredient{path: name, why: why, decide: d})
		if p.place(name) != real && !p.take(real) { // a link to what is taken already
			return nil
		}
		return p.addFolder(name, real, why, d, except)
	}
	p.configured(name)
	in := ingredient{path: name, why: why, decide: d}
	if mayBeELF(name) && p.isELF(real) {
		p.addProgram(in)
		return nil
	}
	p.note(in)
	return nil
}

// take reports whether a path has not been taken yet and is not excluded, and
// takes it.
func (p *pantry) take(name string) bool {
	given := name
	name = p.place(name)
	if p.excluded.covers(given) || p.excluded.covers(name) {
		p.omitted++
		return false
	}
	if p.took[name] {
		p.omitted++
		return false
	}
	p.took[name] = true
	return true
}

// place returns a path with the links of its folders followed.
func (p *pantry) place(name string) string {
	dir, err := p.host.RealPath(path.Dir(name))
	if err != nil {
		return name
	}
	return path.Join(dir, path.Base(name))
}

func (p *pantry) note(in ingredient) {
	in.decide.Added = true
	p.files = append(p.files, in)
}

// addStarted takes in a program that another one starts.
func (p *pantry) addStarted(in ingredient) {
	if real, err := p.host.RealPath(in.path); err == nil {
		p.started[real] = true
	}
	p.addProgram(in)
}

func (p *pantry) addProgram(in ingredient) {
	in.decide.Added = true
	p.programs = append(p.programs, in)
}

// addFolder takes in what is in a folder that real leads to, and what its links
// to files lead to.
func (p *pantry) addFolder(name, real string, why rootfs.Reason, d *Decision, except []string) error {
	list, err := p.host.ReadDir(cmp.Or(real[1:], "."))
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			p.notes = append(p.notes, plain(err).Error()+", so it is left out")
			return nil
		}
		return err
	}
	for _, f := range list {
		child := path.Join(name, f.Name())
		if isByproduct(child) {
			continue
		}
		if f.Type()&fs.ModeSymlink != 0 {
			if info, err := p.host.Stat(child[1:]); err != nil || info.IsDir() && !p.ours(child, name) {
				continue
			}
		}
		if err := p.addPath(child, why, d, except); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether a link to a folder, which lies in one that is brought,
// leads to something of the same package, and not up again.
func (p *pantry) ours(link, from string) bool {
	real, err := p.host.RealPath(link)
	if err != nil || strings.HasPrefix(from+"/", real+"/") {
		return false
	}
	holders, err := p.holders(real, link)
	return err == nil && shareSource(holders[real], holders[link])
}
