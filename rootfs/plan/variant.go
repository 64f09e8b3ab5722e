package plan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A Variant is the closure of the programs on a better processor than any.
type Variant struct {
	Hwcaps  []string // what it has of glibc-hwcaps, the best first
	Closure *elfdeps.Closure
}

// processor names the processor by the best of what it has.
func (v Variant) processor() string { return v.Hwcaps[0] }

// A VariantError means that needs are unmet on a processor and those better than
// it, though not on every one.
type VariantError struct {
	Processor string // the best that it has of glibc-hwcaps: "x86-64-v3"
	Missing   *elfdeps.MissingError
}

// Error has a line for each need, as [elfdeps.MissingError] has it.
func (e *VariantError) Error() string {
	on := "on " + e.Processor + ": "
	return on + strings.ReplaceAll(e.Missing.Error(), "\n", "\n"+on)
}

// Unwrap returns what is missing.
func (e *VariantError) Unwrap() error { return e.Missing }

// ResolveVariants returns the variants of a closure that [Resolve] has returned
// for spec: those in which some program gets another file. There are none unless
// the spec wants them. With a *[VariantError] comes, last, the variant whose needs
// are unmet; better processors are not looked at.
func ResolveVariants(ctx context.Context, host *rootfs.Host, spec Spec, c *elfdeps.Closure) ([]Variant, error) {
	if !spec.AllHwcaps {
		return nil, nil
	}
	spec, _ = spec.located(host)
	return variants(ctx, host, spec, c, func(err error) error { return err })
}

// variants is [ResolveVariants] for a spec whose programs are located. What bad
// makes of an error is nil if it is none.
func variants(ctx context.Context, host *rootfs.Host, spec Spec, c *elfdeps.Closure, bad func(error) error) ([]Variant, error) {
	if !spec.AllHwcaps || len(c.Programs) == 0 {
		return nil, nil
	}
	var list []Variant
	known := paths(c)
	levels := c.Programs[0].Self().Arch.Hwcaps()
	for i := range levels {
		r := spec.resolver(host)
		r.Hwcaps = levels[len(levels)-1-i:]
		v, err := r.Resolve(ctx, spec.sources()...)
		found := paths(v)
		err = bad(err)
		if missing := (*elfdeps.MissingError)(nil); errors.As(err, &missing) {
			return append(list, Variant{r.Hwcaps, v}), &VariantError{r.Hwcaps[0], missing}
		}
		if err != nil {
			return list, err
		}
		if another(found, known) {
			list = append(list, Variant{r.Hwcaps, v})
			known = found
		}
	}
	return list, nil
}

// variants sets the plan's variants: those in which all needs are met. Better
// processors than those get what they are given.
func (b *builder) variants(ctx context.Context) error {
	p := b.plan
	brought := make([]string, len(b.brought))
	for i, in := range b.brought {
		brought[i] = in.path
	}
	list, err := variants(ctx, b.host, b.spec, p.Closure, func(err error) error { return b.bad(err, brought) })
	if lacks := (*VariantError)(nil); errors.As(err, &lacks) {
		list = list[:len(list)-1]
		for line := range strings.SplitSeq(lacks.Missing.Error(), "\n") {
			p.Notes = append(p.Notes, fmt.Sprintf("the image has no libraries of their own for %s and better processors: %s", lacks.Processor, line))
		}
		err = nil
	}
	p.Variants = list
	return err
}

// paths returns the paths of all files of a closure.
func paths(c *elfdeps.Closure) map[string]bool {
	set := make(map[string]bool)
	for p := range c.All() {
		for _, o := range p.Objects {
			set[o.Path] = true
		}
	}
	return set
}

// another reports whether found has a path that is not known.
func another(found, known map[string]bool) bool {
	for path := range found {
		if !known[path] {
			return true
		}
	}
	return false
}

// closures returns the closure for every processor and those for better ones.
func (p *Plan) closures() iter.Seq[*elfdeps.Closure] {
	return func(yield func(*elfdeps.Closure) bool) {
		if !yield(p.Closure) {
			return
		}
		for _, v := range p.Variants {
			if !yield(v.Closure) {
				return
			}
		}
	}
}
