package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A base is the image that --from names.
type base struct {
	*pack.Image
	files  *pack.Files // the root that its layers make
	origin io.Closer
}

// Close closes what reading the base has opened.
func (b *base) Close() error { return errors.Join(b.files.Close(), b.origin.Close()) }

// openBase opens the image that --from names, nil if it names none. Where there
// is one for each of several platforms, it is that of the programs.
func (s *selection) openBase(ctx context.Context, st streams, hub registryOptions) (_ *base, err error) {
	if s.from == "" {
		return nil, nil
	}
	platform := s.platform
	if platform == "" {
		platform = s.platformOfPrograms(ctx)
	}
	b := &base{}
	if b.Image, b.origin, err = (&imageOrigin{hub, s.limitOptions, platform}).openImage(ctx, st, s.from); err != nil {
		return nil, fmt.Errorf("--from %w", err)
	}
	err = unlessDone(ctx, func() (err error) {
		b.files, err = pack.OpenFiles(ctx, b.Image, s.limits())
		return err
	})
	if err != nil {
		b.origin.Close()
		return nil, fmt.Errorf("--from %s: %w", s.from, err)
	}
	return b, nil
}

// platformOfPrograms returns that of the first program, "" if it cannot be told:
// making the plan will say why.
func (s *selection) platformOfPrograms(ctx context.Context) string {
	spec, err := s.spec()
	if err != nil {
		return ""
	}
	host, err := s.host()
	if err != nil {
		return ""
	}
	if len(spec.Programs) > 0 {
		spec = plan.Spec{Programs: spec.Programs[:1]}
	}
	c, _ := plan.Resolve(ctx, host, spec) // what it lacks is said later
	for _, p := range c.Programs {
		if p.Self().Arch != (elfdeps.Arch{}) {
			return p.Self().Arch.String()
		}
	}
	return ""
}

// imageUpon returns a copy of the image to put layers upon, an empty one without
// a base.
func (b *base) imageUpon() *pack.Image {
	if b == nil {
		return &pack.Image{}
	}
	img := *b.Image
	return &img
}
