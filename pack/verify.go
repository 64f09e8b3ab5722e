package pack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// maxFaults is how many faults of one image are worth reading.
const maxFaults = 100

// Verify reads an image as a whole and returns what is wrong with it: layers that
// have not the digest, size or diff ID that they should have, tars that engines
// refuse or take for different things, a config that they cannot run. It stops
// at a hundred faults. The error is one of reading, not of the image.
func Verify(ctx context.Context, img *Image, limits Limits) ([]*FaultError, error) {
	v := verifier{ctx: ctx, limits: limits, done: make(map[Blob]bool)}
	err := v.image(img)
	return v.faults, err
}

// Verify verifies all images of a store, and that the two lists of them agree
// where it has an index and a manifest.json: engines read one or the other.
func (s *Store) Verify(ctx context.Context, limits Limits) ([]*FaultError, error) {
	v := verifier{ctx: ctx, limits: limits, done: make(map[Blob]bool)}
	if s.Format == FormatArchive {
		if err := v.note(s.agree()); err != nil {
			return nil, err
		}
	}
	for _, img := range s.Images {
		if err := v.image(img); err != nil {
			return v.faults, err
		}
	}
	return v.faults, nil
}

// agree compares manifest.json with the index.
func (s *Store) agree() error {
	list, err := s.dockerImages()
	if err != nil {
		return err
	}
	for _, entry := range list {
		docker, err := s.dockerImage(entry)
		if err != nil {
			return err
		}
		id := digest.FromBytes(docker.Read.Config)
		i := slices.IndexFunc(s.Images, func(img *Image) bool { return digest.FromBytes(img.Read.Config) == id })
		if i < 0 {
			return faultf(manifestFile, "has an image %s, which %s has not", id, "index.json")
		}
		if names := s.namesOf(id); len(docker.Tags) > 0 && len(names) > 0 && !sameNames(docker.Tags, names) {
			return faultf(manifestFile, "calls the image %s %s, and index.json calls it %s", id,
				strings.Join(docker.Tags, ", "), strings.Join(names, ", "))
		}
		for n, l := range docker.Layers {
			a, b := l.Blob().Digest, s.Images[i].Layers[n].Blob().Digest
			if a != "" && a != b {
				return faultf(manifestFile, "has %s as layer %d of the image %s, and index.json has %s", a, n, id, b)
			}
		}
	}
	return nil
}

// namesOf returns what the index calls the images of a config.
func (s *Store) namesOf(id digest.Digest) []string {
	var names []string
	for _, img := range s.Images {
		if digest.FromBytes(img.Read.Config) == id {
			names = append(names, img.Tags...)
		}
	}
	return names
}

// sameNames reports whether two lists have the same names, however often.
func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// A verifier collects faults.
type verifier struct {
	ctx    context.Context
	limits Limits
	done   map[Blob]bool // layers that have been read
	faults []*FaultError
}

var errEnough = errors.New("enough faults")

// note keeps a fault and returns any other error.
func (v *verifier) note(err error) error {
	var fault *FaultError
	if !errors.As(err, &fault) {
		return err
	}
	v.faults = append(v.faults, fault)
	if len(v.faults) >= maxFaults {
		return errEnough
	}
	return nil
}

func (v *verifier) image(img *Image) error {
	err := v.config(img)
	budget := v.limits.budget()
	for _, l := range img.Layers {
		if err == nil {
			err = v.layer(l, budget)
		}
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// config checks what the engines that load an image ask of its config.
func (v *verifier) config(img *Image) error {
	where := "config"
	if img.Read.Config != nil {
		where += " " + digest.FromBytes(img.Read.Config).String()
	}
	var errs []error
	if img.OS == "" {
		errs = append(errs, v.note(faultf(where, "names no os")))
	}
	if img.Architecture == "" {
		errs = append(errs, v.note(faultf(where, "names no architecture")))
	}
	if n := filled(img.History); n > len(img.Layers) {
		errs = append(errs, v.note(faultf(where, "has %d entries of the history for %d layers", n, len(img.Layers))))
	}
	return errors.Join(errs...)
}

// layer reads a layer that has not been read for another image.
func (v *verifier) layer(l Layer, b *budget) error {
	if blob := l.Blob(); blob.Digest != "" {
		if v.done[blob] {
			return nil
		}
		v.done[blob] = true
	}
	s := newScan(l, b)
	s.fault = func(f *FaultError) error { return v.note(f) }
	err := s.stream(v.ctx, l, v.limits)
	if err := v.note(err); err != nil {
		return fmt.Errorf("reading the %s: %w", l.Blob().name(), err)
	}
	return nil
}
