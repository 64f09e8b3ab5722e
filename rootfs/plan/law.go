package plan

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A LawError says where the tree breaks the law.
type LawError struct{ Violations []Violation }

// A Violation is a name for which a program, or a library of its, would get
// another file in the image than on the host.
type Violation struct {
	Program   string // path in the image
	Name      string // what is asked for
	Host      string // the file that answers on the host, "" if none does
	Image     string // the file that would answer in the image, "" if none does
	Cause     string // why the index of libraries does not help, "" if it could
	Processor string // the best of glibc-hwcaps that the processor has for this to happen, "" if it happens on all
}

func (e *LawError) Error() string {
	lines := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		lines[i] = v.String()
	}
	return strings.Join(lines, "\n")
}

// String says in a line what would go wrong.
func (v Violation) String() string {
	where := "in the image "
	if v.Processor != "" {
		where += "on " + v.Processor + " "
	}
	switch {
	case v.Image == "" && v.Cause != "":
		return fmt.Sprintf("%s%s would not find %s, which is %s on the host (%s)", where, v.Program, v.Name, v.Host, v.Cause)
	case v.Image == "":
		return fmt.Sprintf("%s%s would not find %s, which is %s on the host", where, v.Program, v.Name, v.Host)
	case v.Host == "":
		return fmt.Sprintf("%s%s would load %s as %s, which it does not on the host", where, v.Program, v.Image, v.Name)
	}
	return fmt.Sprintf("%s%s would load %s as %s instead of the host's %s", where, v.Program, v.Image, v.Name, v.Host)
}

// checkLaw resolves every program inside the tree, and compares: for every
// processor, and for those that get libraries of their own. What goes wrong on
// every processor is not said again of some.
func (b *builder) checkLaw(ctx context.Context) error {
	violations, err := b.violations(ctx, Variant{Closure: b.plan.Closure})
	if err != nil {
		return err
	}
	for _, v := range b.plan.Variants {
		more, err := b.violations(ctx, v)
		if err != nil {
			return fmt.Errorf("on %s: %w", v.processor(), err)
		}
		for _, violation := range more {
			if !slices.Contains(violations, violation) {
				violation.Processor = v.processor()
				violations = append(violations, violation)
			}
		}
	}
	if err := b.checkProcessors(ctx, &violations); err != nil {
		return err
	}
	if len(violations) > 0 {
		return &LawError{violations}
	}
	return nil
}

// checkProcessors adds what goes wrong on processors for which a base has libraries
// of its own: those that come get theirs, too. They must be what the host has for
// every processor, or what it has for that one.
func (b *builder) checkProcessors(ctx context.Context, violations *[]Violation) error {
	if b.spec.Base == nil || !hasVariants(b.spec.Base) {
		return nil
	}
	expected := b.plan.Closure
	levels := b.plan.Arch.Hwcaps()
	for i := range levels {
		hwcaps := levels[len(levels)-1-i:]
		if at := slices.IndexFunc(b.plan.Variants, func(v Variant) bool { return v.processor() == hwcaps[0] }); at >= 0 {
			expected = b.plan.Variants[at].Closure
			continue
		}
		r := b.spec.resolver(b.host)
		r.Hwcaps = hwcaps
		better, _ := r.Resolve(ctx, b.spec.sources()...) // what is missing is not what the image gets
		more, err := b.violations(ctx, Variant{hwcaps, expected}, better.Programs...)
		if err != nil {
			return fmt.Errorf("on %s: %w", hwcaps[0], err)
		}
		for _, v := range more {
			v.Processor = hwcaps[0]
			*violations = appendNew(*violations, v)
		}
	}
	return ctx.Err()
}

// appendNew adds a violation unless it is said already, of all processors or of
// another one.
func appendNew(list []Violation, v Violation) []Violation {
	known := slices.ContainsFunc(list, func(have Violation) bool {
		have.Processor = v.Processor
		return have == v
	})
	if known {
		return list
	}
	return append(list, v)
}

// hasVariants reports whether a tree has libraries for some processors.
func hasVariants(t *rootfs.Tree) bool {
	for e := range t.All() {
		if strings.Contains(e.Path, "/glibc-hwcaps/") && !e.Mode.IsDir() {
			return true
		}
	}
	return false
}

// violations returns where the tree breaks the law for one kind of processor.
// Where it does not, the needs of all programs are met inside the tree. A file of
// the same name that one of the better programs loads will do, too.
func (b *builder) violations(ctx context.Context, v Variant, better ...*elfdeps.Program) ([]Violation, error) {
	r := elfdeps.Resolver{FS: b.tree, LibraryPath: b.spec.ImagePath, Dlopen: b.spec.Dlopen, Hwcaps: v.Hwcaps, Path: b.imagePath()}
	inside, err := r.Resolve(ctx, b.programs()...)
	err = b.bad(err, b.plan.brought)
	if len(inside.Programs) < len(v.Closure.Programs) {
		return nil, fmt.Errorf("inside the image: %w", err)
	}
	one := func(want, got *elfdeps.Object) bool {
		return want.Same(got) || copies(b.host, want.Path, b.tree, got.Path)
	}
	same := func(want, got *elfdeps.Object) bool {
		return one(want, got) || slices.ContainsFunc(better, func(p *elfdeps.Program) bool {
			return slices.ContainsFunc(p.Objects, func(o *elfdeps.Object) bool {
				return path.Base(o.Path) == path.Base(want.Path) && one(o, got)
			})
		})
	}
	var violations []Violation
	for i, program := range v.Closure.Programs {
		for _, v := range compare(program, inside.Programs[i], same) {
			v.Cause = b.cause(program.Loader, v.Name)
			violations = append(violations, v)
		}
	}
	if err != nil && len(violations) == 0 {
		return nil, fmt.Errorf("inside the image: %w", err)
	}
	return violations, nil
}

// cause returns why the index of libraries does not help a loader to find what a
// name stands for, "" if it could.
func (b *builder) cause(l *elfdeps.Loader, name string) string {
	if l == nil || l.CachePath == "" || strings.Contains(name, "/") {
		return ""
	}
	if err := b.unlisted(name); err != nil {
		return err.Error()
	}
	if b.fixed != nil {
		return fmt.Sprintf("the base's index cannot be written anew: %v", b.fixed)
	}
	return ""
}

// copies reports whether the host's file and the tree's are copies of one file,
// of which a tree may hold just one.
func copies(host *rootfs.Host, want string, tree *rootfs.Tree, got string) bool {
	outside, err1 := host.RealPath(want)
	inside, err2 := tree.RealPath(got)
	if err1 != nil || err2 != nil {
		return false
	}
	e, err := host.Entry(outside)
	if err != nil {
		return false
	}
	same, err := e.SameContents(tree.Entry(inside))
	return err == nil && same
}

// compare returns the names for which two link maps of one program disagree,
// that of the program among them.
func compare(host, image *elfdeps.Program, same func(want, got *elfdeps.Object) bool) []Violation {
	c := comparison{program: image.Name, same: same, known: make(map[pair]bool), said: make(map[Violation]bool)}
	self := pair{host.Self(), image.Self()}
	if !c.agree(self) {
		c.disagree(image.Name, self)
		c.pairs = append(c.pairs, self) // what it would load is of interest all the same
	}
	for len(c.pairs) > 0 {
		next := c.pairs[0]
		c.pairs = c.pairs[1:]
		c.needs(next)
	}
	return c.violations
}

// A comparison walks two link maps of one program side by side, from need to
// need, for a name has an answer for each object that asks.
type comparison struct {
	program    string // path in the image
	same       func(want, got *elfdeps.Object) bool
	known      map[pair]bool // whether the two are the same, of those compared
	pairs      []pair        // the same, and their needs are still to be compared
	violations []Violation
	said       map[Violation]bool
}

// A pair is what an edge leads to on the host and in the image, nil if nowhere.
type pair struct{ host, image *elfdeps.Object }

// agree reports whether the two are the same. The needs of those that are get
// compared in their turn.
func (c *comparison) agree(p pair) bool {
	same, known := c.known[p]
	if !known {
		same = c.same(p.host, p.image)
		c.known[p] = same
		if same {
			c.pairs = append(c.pairs, p)
		}
	}
	return same
}

// disagree notes what a name leads to, once.
func (c *comparison) disagree(name string, p pair) {
	v := Violation{Program: c.program, Name: name, Host: pathOf(p.host), Image: pathOf(p.image)}
	if !c.said[v] {
		c.said[v] = true
		c.violations = append(c.violations, v)
	}
}

// needs compares what the needs of two objects lead to: each with its
// counterpart, and then those that only the image's object has.
func (c *comparison) needs(p pair) {
	inside := p.image.Needs
	taken := make([]bool, len(inside))
	for i := range p.host.Needs {
		n := &p.host.Needs[i]
		ends := pair{host: n.Object}
		for j := range inside {
			if !taken[j] && sameEdge(n, &inside[j]) {
				taken[j], ends.image = true, inside[j].Object
				break
			}
		}
		c.ends(n.Name, ends)
	}
	for j := range inside {
		if !taken[j] {
			c.ends(inside[j].Name, pair{image: inside[j].Object})
		}
	}
}

// ends compares what one need leads to.
func (c *comparison) ends(name string, p pair) {
	switch {
	case p.host == nil && p.image == nil: // it can do without, there and here
	case p.host == nil || p.image == nil || !c.agree(p):
		c.disagree(name, p)
	}
}

// sameEdge reports whether two needs ask for the same, whatever answers.
func sameEdge(a, b *elfdeps.Need) bool {
	if a.Dlopen != nil && b.Dlopen != nil {
		return slices.Equal(a.Dlopen.Sonames, b.Dlopen.Sonames)
	}
	return a.Tag == b.Tag && a.Name == b.Name && a.Dlopen == b.Dlopen
}

func pathOf(o *elfdeps.Object) string {
	if o == nil {
		return ""
	}
	return o.Path
}
