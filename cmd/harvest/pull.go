package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
)

// pullOptions is the command line of pull.
type pullOptions struct {
	registryOptions
	limitOptions
	imageOptions
	name     string
	platform string
}

func newPullCmd(s streams) *cobra.Command {
	o := &pullOptions{}
	cmd := &cobra.Command{
		Use:   "pull NAME [flags]",
		Short: "Pull an image from a registry into an archive, a layout or a folder",
		Long: `pull writes the image of a name as a file: by default an archive that is named
after it. Layers go from the registry into the file, checked on the way; what
breaks off is continued.

` + nameHelp,
		Example: `  harvest pull debian:12
  harvest pull 127.0.0.1:5000/basic:v1 -o - | docker load
  harvest pull debian:12 --platform linux/arm64 -o type=rootfs,dest=root`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  oneArg("pull", "an image", "harvest pull debian:12"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			o.given(cmd)
			return pullRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.platform, "platform", "", "`PLATFORM`: of an image for several platforms, that for linux/arm64, say (default: this machine's)")
	completeWords(cmd, "platform", platforms...)
	o.registryOptions.addFlags(cmd)
	o.addFlag(cmd)
	f.StringVarP(&o.output, "output", "o", "", "`FILE`: what to write, - for stdout; or another kind, type=oci|rootfs,dest=PATH (default: a .tar named after the image)")
	f.StringVar(&o.format, "format", formatArchive, "`"+strings.Join(formats, "|")+"`: docker archive and OCI layout in one, as is the default; the former alone, with the names of tutorials; or as docker wrote it before 2016")
	f.BoolVar(&o.load, "load", false, "load the image into docker; a file is written only if -o names it")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	completeWords(cmd, "format", formats...)
	return cmd
}

// pullRun writes an image of a registry as a file.
func pullRun(ctx context.Context, s streams, o *pullOptions) error {
	start := time.Now()
	out, err := o.check(s)
	if err != nil {
		return err
	}
	platform, err := parsePlatform(o.platform)
	if err != nil {
		return err
	}
	c, err := o.client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := o.ping(ctx, s); err != nil {
		return err
	}
	img, err := c.Pull(ctx, o.name, platform)
	if err != nil {
		return err
	}
	img, end, err := o.fetch(ctx, s, c, img, out)
	if err != nil {
		return err
	}
	defer end()
	result := newPullSummary(o.name, img, out)
	stage := func(dir string) error { return pack.Unpack(ctx, img, dir, pack.UnpackOptions{Limits: o.limits()}) }
	written := &summary{}
	if err := o.ship(ctx, s, img, stage, out, written); err != nil {
		return err
	}
	result.finish(written, time.Since(start))
	switch {
	case o.json:
		return writeJSON(s.out, result)
	case o.quiet:
		return nil
	}
	_, err = fmt.Fprint(s.err, result.text())
	return err
}

// fetch has layers come several at a time: all of them before a folder is made,
// for which they are read more than once, and else while others are written. What
// it returns must be called when they have been read.
func (o *pullOptions) fetch(ctx context.Context, s streams, c *registry.Client, img *pack.Image, out destination) (*pack.Image, func(), error) {
	all := out.Type == typeRootfs
	if len(img.Layers) < 2 && !all {
		return img, func() {}, nil
	}
	temp, err := nameless()
	if err != nil {
		return nil, nil, err
	}
	if all {
		defer startTransfer(s, o.quiet, "pulling", c)()
		if img, err = c.Fetch(ctx, img, temp); err != nil {
			temp.Close()
			return nil, nil, err
		}
		return img, func() { temp.Close() }, nil
	}
	img, end := c.Ahead(ctx, img, temp)
	return img, func() {
		end()
		temp.Close()
	}, nil
}

// check returns where the image goes, and refuses what would go wrong only after
// the work is done.
func (o *pullOptions) check(s streams) (destination, error) {
	var tags []string
	if tag, err := pack.ParseTag(o.name); err == nil {
		tags = []string{tag}
	}
	out, err := o.destination(tags, "image")
	if err != nil {
		return out, err
	}
	if out.Type == typeLayer {
		return out, usagef("-o type=%s: pull writes whole images", typeLayer)
	}
	return out, out.check(s, &o.imageOptions)
}

// A pullSummary is what a pull did, for people and as JSON.
type pullSummary struct {
	Name     string      `json:"name"`
	Platform string      `json:"platform"`
	ImageID  string      `json:"imageId,omitempty"`
	Manifest string      `json:"manifest,omitempty"`
	Layers   int         `json:"layers"`
	Size     int64       `json:"size"` // of the layers as they are shipped
	Output   destination `json:"output"`
	Loaded   []string    `json:"loaded,omitempty"`
	Notes    []string    `json:"notes,omitempty"`
	Seconds  float64     `json:"seconds"`

	elapsed time.Duration
}

func newPullSummary(name string, img *pack.Image, out destination) *pullSummary {
	s := &pullSummary{
		Name:     name,
		Platform: pack.PlatformText(img.Platform()),
		Layers:   len(img.Layers),
		Output:   out,
	}
	for _, l := range img.Layers {
		s.Size += l.Blob().Size
	}
	return s
}

// finish adds what writing the image has come to.
func (s *pullSummary) finish(written *summary, elapsed time.Duration) {
	s.ImageID, s.Manifest = written.Digests.Image.String(), written.Digests.Manifest.String()
	s.Loaded, s.Notes = written.Loaded, written.Notes
	s.elapsed, s.Seconds = elapsed, elapsed.Seconds()
}

// text returns the summary for people.
func (s *pullSummary) text() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s for %s, %s in %s\n", s.Name, s.Platform, units.Size(s.Size), count(s.Layers, "layer"))
	for _, note := range s.Notes {
		line("note", "%s", note)
	}
	if s.ImageID != "" {
		line("image ID", "%s", s.ImageID)
	}
	if s.Manifest != "" {
		line("manifest", "%s", s.Manifest)
	}
	outcome := &summary{Output: s.Output, Loaded: s.Loaded, Elapsed: s.elapsed}
	if len(s.Loaded) > 0 && s.Output.Path != "" {
		line("written", "%s", s.Output.Path)
	}
	line(outcome.outcome())
	return b.String()
}
