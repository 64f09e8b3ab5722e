package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
)

// indexOptions is the command line of index.
type indexOptions struct {
	registryOptions
	limitOptions
	sources []string
	tags    []string
	output  string
	json    bool
	quiet   bool
}

func newIndexCmd(s streams) *cobra.Command {
	o := &indexOptions{}
	cmd := &cobra.Command{
		Use:   "index IMAGE... -o DIR [flags]",
		Short: "Put images for several platforms under one name",
		Long: `index writes images for different platforms and an index of them, by which an
engine finds the one for itself. The images stay as they are, to the byte.

A name that ends in .tar becomes an archive, any other a folder, each an OCI
layout for podman, containerd and skopeo. Of docker, only version 29 and later
loads the archive; earlier ones know of indexes in registries alone.

Each ` + imageHelp,
		Example: `  harvest index app-amd64.tar app-arm64.tar -t app:v1 -o app
  harvest inspect --platform linux/arm64 app`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("index: name images, as in harvest index a.tar b.tar -o multi")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.sources = args
			o.given(cmd)
			return indexRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "`NAME[:TAG]`: a name of the index (repeatable; default: the names that all images have)")
	f.StringVarP(&o.output, "output", "o", "", "`DIR`: what to write, a folder, or an archive if it ends in .tar, - for one to stdout")
	o.addFlags(cmd)
	o.addFlag(cmd)
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	completeWords(cmd, "tag")
	return cmd
}

// indexRun writes an index.
func indexRun(ctx context.Context, s streams, o *indexOptions) (err error) {
	start := time.Now()
	if err := o.check(s); err != nil {
		return err
	}
	tags, err := parseTags(o.tags)
	if err != nil {
		return err
	}
	in := &indexed{index: &pack.Index{Tags: tags}, from: make(map[string]string)}
	defer func() { err = errors.Join(err, in.Close()) }()
	for _, name := range o.sources {
		if err := in.add(ctx, s, name, &imageOrigin{registryOptions: o.registryOptions, limitOptions: o.limitOptions}); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		in.index.Tags = commonTags(in.index.Images)
	}
	result := &indexSummary{Output: o.output}
	if err := o.write(ctx, s, in.index, result); err != nil {
		return err
	}
	result.Seconds = time.Since(start).Seconds()
	switch {
	case o.json:
		return writeJSON(s.out, result)
	case o.quiet:
		return nil
	}
	_, err = fmt.Fprint(s.err, result.text())
	return err
}

// check refuses what would go wrong only after the work is done.
func (o *indexOptions) check(s streams) error {
	switch {
	case o.output == "":
		return usagef("index: say where to with -o DIR, or -o FILE.tar")
	case o.output == stdout && o.json:
		return usagef("-o - and --json both want stdout")
	case o.output == stdout && s.outTerm:
		return errTerminal
	case slices.Index(o.sources, stdin) != lastIndex(o.sources, stdin):
		return usagef("index - -: there is one stdin")
	}
	return nil
}

// Indexed are the images that go into an index.
type indexed struct {
	index   *pack.Index
	from    map[string]string // the name that each platform came by
	closers []io.Closer
}

// Close closes the images.
func (in *indexed) Close() error {
	var errs []error
	for _, c := range in.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// add adds all images that a name leads to.
func (in *indexed) add(ctx context.Context, s streams, name string, origin *imageOrigin) error {
	list, err := origin.openImages(ctx, s, name)
	if err != nil {
		return err
	}
	in.closers = append(in.closers, list)
	for _, img := range list.wanted {
		platform := inspect(img).platform()
		if other, ok := in.from[platform]; ok {
			return fmt.Errorf("%s and %s are both for %s: an index has one image for each platform", other, name, platform)
		}
		in.from[platform] = name
		in.index.Images = append(in.index.Images, img)
	}
	return nil
}

// commonTags returns the names that all images have.
func commonTags(images []*pack.Image) []string {
	return slices.DeleteFunc(slices.Clone(images[0].Tags), func(tag string) bool {
		return slices.ContainsFunc(images, func(img *pack.Image) bool { return !slices.Contains(img.Tags, tag) })
	})
}

// write writes the index and says what it wrote.
func (o *indexOptions) write(ctx context.Context, s streams, x *pack.Index, result *indexSummary) error {
	progress := startProgress(s, o.quiet, "packing")
	defer progress.stop()
	for _, img := range x.Images {
		for i, l := range img.Layers {
			img.Layers[i] = watchedLayer{l, ctx, progress}
		}
	}
	archive := func(w io.Writer) error {
		sum, digests, err := pack.WriteIndexArchive(w, x)
		result.fill(x, sum, digests)
		return err
	}
	switch {
	case o.output == stdout:
		return unlessDone(ctx, func() error { return outputErrorOf(archive(outWriter{ctx, s.out, "stdout"})) })
	case strings.HasSuffix(o.output, ".tar"):
		return writeFile(ctx, o.output, archive)
	}
	return writeFolder(ctx, o.output, supersedes(x.Tags), func(dir string) error {
		sum, digests, err := pack.WriteIndexLayout(dir, x)
		result.fill(x, sum, digests)
		return err
	})
}

// An indexSummary is what index has written.
type indexSummary struct {
	Tags    []string      `json:"tags,omitempty"`
	Index   digest.Digest `json:"index"`
	Images  []indexImage  `json:"images"`
	Output  string        `json:"output"`
	Seconds float64       `json:"seconds"`
}

type indexImage struct {
	Platform string        `json:"platform"`
	Manifest digest.Digest `json:"manifest"`
	ImageID  digest.Digest `json:"imageId"`
}

func (r *indexSummary) fill(x *pack.Index, sum digest.Digest, digests []pack.Digests) {
	r.Index = sum
	for _, t := range x.Tags {
		r.Tags = append(r.Tags, pack.ShortTag(t))
	}
	for i, d := range digests {
		r.Images = append(r.Images, indexImage{inspect(x.Images[i]).platform(), d.Manifest, d.Image})
	}
}

// text is the summary for people.
func (r *indexSummary) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s for %s\n", inspectedImage{Tags: r.Tags}.title(), count(len(r.Images), "platform"))
	line := func(label, text string) { fmt.Fprintf(&b, "  %-12s %s\n", label, text) }
	line("index", r.Index.String())
	for _, i := range r.Images {
		line(strings.TrimPrefix(i.Platform, "linux/"), i.Manifest.String())
	}
	to := r.Output
	if to == stdout {
		to = "to stdout"
	}
	line("written", to+", in "+elapsed(time.Duration(r.Seconds*float64(time.Second))))
	return b.String()
}
