package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/teach"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// lessonOptions is the part of the command line of a build that shows how the
// image is made.
type lessonOptions struct {
	explain bool
	byHand  string
	lang    string
	page    string // of --report
}

func (l *lessonOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&l.explain, "explain", false, "tell how the image is made, step by step, with the commands that do it by hand; on stdout, or with -o - on stderr")
	f.StringVar(&l.byHand, "by-hand", "", "`FILE`: a shell script that makes the same image with nothing but coreutils and GNU tar, - for stdout")
	f.StringVar(&l.lang, "lang", "", "`en|zh`: the language of --explain and --by-hand (default: that of the locale, if it is one of them, or en)")
	addReportFlag(cmd, &l.page)
	group(f, "How it is made")
	completeWords(cmd, "lang", string(teach.English), string(teach.Chinese))
}

// wanted reports whether anything is to be shown.
func (l *lessonOptions) wanted() bool { return l.explain || l.byHand != "" }

// language returns the one that is asked for, or that of the locale.
func (l *lessonOptions) language(getenv func(string) string) (teach.Language, error) {
	if l.lang == "" {
		return teach.LanguageOf(cmp.Or(getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG"))), nil
	}
	lang, ok := teach.ParseLanguage(l.lang)
	if !ok {
		return "", usagef("--lang %s: there are %s and %s", l.lang, teach.English, teach.Chinese)
	}
	return lang, nil
}

// check refuses what would go wrong only after the work is done.
func (l *lessonOptions) check(s streams, o *imageOptions, out destination) error {
	if err := checkReport(l.page); err != nil {
		return err
	}
	if _, err := l.language(s.getenv); err != nil {
		return err
	}
	toStdout := l.byHand == stdout
	switch {
	case l.explain && o.json:
		return usagef("--explain and --json both want stdout")
	case toStdout && o.json:
		return usagef("--by-hand - and --json both want stdout")
	case toStdout && l.explain && out.Path != stdout:
		return usagef("--by-hand - and --explain both want stdout")
	case toStdout && out.Path == stdout:
		return usagef("--by-hand - and -o - both want stdout")
	}
	return nil
}

// makeable refuses to write a script for an image that none makes, before the
// image is written.
func (l *lessonOptions) makeable(img *pack.Image, base *base) error {
	if l.byHand == "" {
		return nil
	}
	return byHandError(teach.Check(img, base != nil))
}

// byHandError says which flag cannot be had.
func byHandError(err error) error {
	var cannot *teach.CannotError
	if errors.As(err, &cannot) {
		return fmt.Errorf("--by-hand: %w", err)
	}
	return err
}

// A making is what a build has come to, for those who show it.
type making struct {
	plan   *plan.Plan
	img    *pack.Image
	parts  []plan.Part
	latest time.Time
	out    destination
}

// teach shows how the image was made, as far as that is asked for.
func (o *buildOptions) teach(ctx context.Context, s streams, m making, result *summary) error {
	l := &o.lesson
	lang, err := l.language(s.getenv)
	if err != nil {
		return err
	}
	if err := o.writeReport(ctx, m, result, lang); err != nil || !l.wanted() {
		return err
	}
	return unlessDone(ctx, func() error { return o.tell(ctx, s, m, result, lang) })
}

// tell writes the script and the explanation that are asked for.
func (o *buildOptions) tell(ctx context.Context, s streams, m making, result *summary, lang teach.Language) error {
	l := &o.lesson
	b, err := o.lessonOf(m, result.Digests.Layers)
	if err != nil {
		return err
	}
	b.Output.Next = result.next()
	script := func(w io.Writer) error { return byHandError(teach.Script(ctx, w, b, lang)) }
	switch {
	case l.byHand == stdout:
		err = script(s.out)
	case l.byHand != "" && !o.dryRun:
		err = writeFile(ctx, l.byHand, script)
	}
	if err != nil || !l.explain {
		return err
	}
	to := s.out
	if m.out.Path == stdout {
		to = s.err
	}
	return teach.Explain(to, b, lang)
}

// lessonOf returns what is to be shown of a build whose layers have been written
// as the given blobs, which may lack some.
func (o *buildOptions) lessonOf(m making, blobs []pack.Blob) (*teach.Build, error) {
	b := &teach.Build{Plan: m.plan, Image: m.img, Parts: m.parts, Latest: m.latest, Blobs: blobs,
		Flat: plan.Layout(o.layout) == plan.Flat, Output: o.lessonOutput(m.out)}
	var err error
	if b.Host, err = o.host(); err != nil {
		return nil, err
	}
	if !isTop(o.root) {
		root, err := filepath.Abs(o.root)
		if err != nil {
			return nil, err
		}
		b.Root = root
	}
	if len(blobs) != len(m.img.Layers) {
		if b.Blobs, err = blobsOf(m.img); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// lessonOutput says where the digests of an image can be seen.
func (o *buildOptions) lessonOutput(d destination) teach.Output {
	out := teach.Output{File: d.Path}
	switch {
	case d.Type == typeOCI:
		out.Format = teach.Layout
	case d.Type == typeLayer:
		out.Format = teach.Layer
	case d.Type == typeArchive && o.format == formatArchive:
		out.Format = teach.Archive
	case d.Type == typeArchive && o.format == formatDocker:
		out.Format = teach.Docker
	case d.Type == typeArchive && o.format == formatV1:
		out.Format = teach.Chain
	case d.Type == typeRootfs:
		out.Format = teach.Root
	}
	if d.Path == stdout || o.dryRun {
		out.File = ""
	}
	return out
}

// blobsOf returns the layers of an image as they would be written.
func blobsOf(img *pack.Image) ([]pack.Blob, error) {
	blobs := make([]pack.Blob, len(img.Layers))
	for i, l := range img.Layers {
		if blobs[i] = l.Blob(); blobs[i].Digest != "" {
			continue
		}
		var err error
		if blobs[i], err = pack.WriteBlob(io.Discard, l, img.Compression); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}
