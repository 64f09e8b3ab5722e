package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A LawError says where the tree breaks the law.
type LawError struct{ Violations []Violation }

// A Violation is a name for which a program would get another file in the image
// than on the host.
type Violation struct {
	Program string // path in the image
	Name    string // what is asked for
	Host    string // the file that answers on the host, "" if none does
	Image   string // the file that would answer in the image, "" if none does
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
	switch {
	case v.Image == "":
		return fmt.Sprintf("in the image %s would not find %s, which is %s on the host", v.Program, v.Name, v.Host)
	case v.Host == "":
		return fmt.Sprintf("in the image %s would load %s as %s, which it does not on the host", v.Program, v.Image, v.Name)
	}
	return fmt.Sprintf("in the image %s would load %s as %s instead of the host's %s", v.Program, v.Image, v.Name, v.Host)
}

// checkLaw resolves every program inside the tree, and compares: for every
// processor, and for those that get libraries of their own.
func (b *builder) checkLaw(ctx context.Context) error {
	violations, err := b.violations(ctx, Variant{Closure: b.plan.Closure})
	for _, v := range b.plan.Variants {
		if err != nil {
			break
		}
		var more []Violation
		more, err = b.violations(ctx, v)
		violations = append(violations, more...)
	}
	if err == nil && len(violations) > 0 {
		err = &LawError{violations}
	}
	return err
}

// violations returns where the tree breaks the law for one kind of processor.
func (b *builder) violations(ctx context.Context, v Variant) ([]Violation, error) {
	r := elfdeps.Resolver{FS: b.tree, Dlopen: b.spec.Dlopen, Hwcaps: v.Hwcaps}
	inside, err := r.Resolve(ctx, b.plan.Programs...)
	if len(inside.Programs) < len(b.plan.Programs) {
		return nil, fmt.Errorf("inside the image: %w", err)
	}
	same := func(want, got *elfdeps.Object) bool {
		return want.Same(got) || copies(b.host, want.Path, b.tree, got.Path)
	}
	var violations []Violation
	for i, program := range v.Closure.Programs {
		violations = append(violations, compare(program, inside.Programs[i], same)...)
	}
	return violations, nil
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
// the name of the program among them.
func compare(host, image *elfdeps.Program, same func(want, got *elfdeps.Object) bool) []Violation {
	var violations []Violation
	if w, g := host.Self(), image.Self(); !same(w, g) {
		violations = append(violations, Violation{image.Name, image.Name, w.Path, g.Path})
	}
	want, got := answers(host), answers(image)
	for _, name := range host.Names() {
		w, g := want[name], got[name]
		if g == nil || !same(w, g) {
			violations = append(violations, Violation{image.Name, name, w.Path, pathOf(g)})
		}
	}
	for _, name := range image.Names() {
		if want[name] == nil {
			violations = append(violations, Violation{image.Name, name, "", got[name].Path})
		}
	}
	return violations
}

// answers returns the object that each name leads to.
func answers(p *elfdeps.Program) map[string]*elfdeps.Object {
	found := make(map[string]*elfdeps.Object)
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if n.Object != nil {
				found[n.Name] = n.Object
			}
		}
	}
	return found
}

func pathOf(o *elfdeps.Object) string {
	if o == nil {
		return ""
	}
	return o.Path
}
