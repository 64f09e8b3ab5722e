package plan

import (
	"context"
	"errors"
	"iter"

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

// ResolveVariants returns the variants of a closure that [Resolve] has returned
// for spec: those in which some program gets another file. There are none unless
// the spec wants them.
func ResolveVariants(ctx context.Context, host *rootfs.Host, spec Spec, c *elfdeps.Closure) ([]Variant, error) {
	if !spec.AllHwcaps {
		return nil, nil
	}
	spec, _ = spec.located(host)
	return variants(ctx, host, spec, c)
}

func variants(ctx context.Context, host *rootfs.Host, spec Spec, c *elfdeps.Closure) ([]Variant, error) {
	if !spec.AllHwcaps || len(c.Programs) == 0 {
		return nil, nil
	}
	var list []Variant
	var errs []error
	known := paths(c)
	levels := c.Programs[0].Self().Arch.Hwcaps()
	for i := range levels {
		r := spec.resolver(host)
		r.Hwcaps = levels[len(levels)-1-i:]
		v, err := r.Resolve(ctx, spec.sources()...)
		found := paths(v)
		if another(found, known) {
			list = append(list, Variant{r.Hwcaps, v})
			errs = append(errs, err)
			known = found
		}
	}
	return list, errors.Join(errs...)
}

// paths returns the paths of all files of a closure.
func paths(c *elfdeps.Closure) map[string]bool {
	set := make(map[string]bool)
	for _, p := range c.Programs {
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
