package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

// verifyOptions is the command line of verify.
type verifyOptions struct {
	imageOrigin
	image string
	json  bool
	quiet bool
}

func newVerifyCmd(s streams) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify IMAGE [flags]",
		Short: "Check every digest and size of an image, its tars, and its programs",
		Long: `verify reads all of an image and checks that each document and layer has the size,
the digest and the diff_id that it should have, that the tars keep to the rules
of layers, so that every engine makes the same of them, and that each program
finds in the image alone all that it needs to start.

` + imageHelp,
		Example: `  harvest verify basic.tar
  harvest verify layout-folder
  docker save app:v1 | harvest verify -`,
		DisableFlagsInUseLine: true,
		Args:                  oneArg("verify", "an image", "harvest verify basic.tar"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image = args[0]
			return verifyRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.json, "json", false, "print what is found as JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing if all is well")
	return cmd
}

// verifyRun checks all images that a name leads to.
func verifyRun(ctx context.Context, s streams, o *verifyOptions) error {
	v := &verification{Image: o.image, Images: []verifiedImage{}, Faults: []verifiedFault{}}
	if err := v.verify(ctx, s, o); err != nil {
		return err
	}
	switch {
	case o.json:
		if err := writeJSON(s.out, v); err != nil {
			return err
		}
	case !o.quiet:
		v.print(s.err)
	}
	return v.err()
}

// isBroken reports whether an error is about what was read, rather than about
// reading it.
func isBroken(err error) bool {
	var file *fs.PathError
	var several *severalError
	var pull *pullError
	var usage *usageError
	switch {
	case err == nil, errors.As(err, &file), errors.As(err, &several), errors.As(err, &pull), errors.As(err, &usage):
		return false
	}
	for _, e := range []error{errNoSource, errInTerminal, pack.ErrNoImage, context.Canceled} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// A verification is what verify has found.
type verification struct {
	Image  string          `json:"image"`
	Images []verifiedImage `json:"images"`
	Faults []verifiedFault `json:"faults"`
}

type verifiedImage struct {
	ID       string         `json:"imageId,omitempty"`
	Tags     []string       `json:"tags,omitempty"`
	Platform string         `json:"platform"`
	Layers   int            `json:"layers"`
	Size     int64          `json:"size"`
	Programs int            `json:"programs"`
	Findings []lint.Finding `json:"findings"` // without warnings
}

type verifiedFault struct {
	Blob string `json:"blob,omitempty"`
	Path string `json:"path,omitempty"`
	Text string `json:"text"`

	limit bool // it is more than --max-unpacked
}

func (f verifiedFault) err() error {
	if f.Blob == "" {
		return errors.New(f.Text)
	}
	return &pack.FaultError{Blob: f.Blob, Path: f.Path, Text: f.Text, Limit: f.limit}
}

func newFault(f *pack.FaultError) verifiedFault {
	return verifiedFault{f.Blob, f.Path, f.Text, f.Limit}
}

// verify fills in what is found. What keeps an image from being opened may be a
// fault, too.
func (v *verification) verify(ctx context.Context, s streams, o *verifyOptions) (err error) {
	list, err := o.openImages(ctx, s, o.image)
	var fault *pack.FaultError
	switch {
	case errors.As(err, &fault): // which is what was asked for
		v.Faults = append(v.Faults, newFault(fault))
		return nil
	case isBroken(err):
		v.Faults = append(v.Faults, verifiedFault{Text: err.Error()})
		return nil
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	if err := list.fetch(ctx); errors.As(err, &fault) {
		v.Faults = append(v.Faults, newFault(fault))
		return nil
	} else if err != nil {
		return naming(o.image, err)
	}
	var faults []*pack.FaultError
	err = unlessDone(ctx, func() (err error) {
		if list.whole() {
			faults, err = list.store.Verify(ctx, o.limits())
			return err
		}
		faults, err = pack.Verify(ctx, list.wanted[0], o.limits())
		return err
	})
	if err != nil {
		return naming(o.image, err)
	}
	for _, f := range faults {
		v.Faults = append(v.Faults, newFault(f))
	}
	for _, img := range list.wanted {
		i := inspect(img)
		vi := verifiedImage{ID: i.ImageID, Tags: i.Tags, Platform: i.platform(), Layers: len(i.Layers), Size: i.Size, Findings: []lint.Finding{}}
		if len(faults) == 0 { // else there may be no telling what is in it
			if err := vi.addPrograms(ctx, img, o.limits()); err != nil {
				return naming(o.image, err)
			}
		}
		v.Images = append(v.Images, vi)
	}
	return nil
}

// addPrograms checks that programs find what they need.
func (vi *verifiedImage) addPrograms(ctx context.Context, img *pack.Image, limits pack.Limits) (err error) {
	t := &openTree{limits: limits}
	if err := t.addLayers(ctx, img); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	r, err := lint.Check(ctx, lintRoot(t.Tree, img))
	if err != nil {
		return err
	}
	vi.Programs = r.Programs
	for _, f := range r.Findings {
		if !f.Warning {
			vi.Findings = append(vi.Findings, f)
		}
	}
	return nil
}

// print says what is well.
func (v *verification) print(w io.Writer) {
	if v.err() != nil {
		return
	}
	for _, i := range v.Images {
		fmt.Fprintf(w, "%s for %s\n", inspectedImage{Tags: i.Tags}.title(), i.Platform)
		fmt.Fprintf(w, "  %-12s %s, as all digests say\n", count(i.Layers, "layer"), units.Size(i.Size))
		finds := "find all that they need to start"
		if i.Programs == 1 {
			finds = "finds all that it needs to start"
		}
		fmt.Fprintf(w, "  %-12s %s\n", count(i.Programs, "program"), finds)
	}
}

// err returns all that is wrong as one error for each.
func (v *verification) err() error {
	var errs []error
	for _, f := range v.Faults {
		errs = append(errs, &checkError{f.err()})
	}
	for _, i := range v.Images {
		for _, f := range i.Findings {
			errs = append(errs, &checkError{fmt.Errorf("%s: %s", printable(f.Path), printable(f.Text))})
		}
	}
	if len(errs) > 0 {
		errs = append(errs, &checkError{fmt.Errorf("%s: %s", v.Image, count(len(errs), "fault"))})
	}
	return errors.Join(errs...)
}
