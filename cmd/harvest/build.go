package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// buildOptions is the command line of a build.
type buildOptions struct {
	selection
	imageOptions
	layers  string
	maxSize byteSize
	hub     registryOptions // of --from and --push
	checks  checkOptions
	lesson  lessonOptions
	breaks  breakOptions
}

// imageOptions is the part of the command line that says how an image runs and
// where it goes.
type imageOptions struct {
	tags       []string
	output     string
	format     string
	compress   string
	entrypoint string
	cmd        string
	env        []string
	workdir    string
	user       string
	labels     []string
	expose     []string
	volumes    []string
	stopSignal string
	health     healthOptions
	author     string
	created    string
	load       bool
	push       bool // into the registries that the tags name
	dryRun     bool
	json       bool
	quiet      bool

	setEntrypoint bool // --entrypoint was given, be it empty
}

var (
	errPositional = errors.New("unexpected argument")
	errEpoch      = errors.New("not a number of seconds since 1970")
)

// newBuildCmd returns the verb without a name, which fills in the options and
// builds.
func newBuildCmd(s streams, o *buildOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "harvest --bin PROGRAM [flags]",
		Short: "Turn programs of a Linux root into a minimal container image",
		Long: `harvest finds everything that programs need to run, without running them, lays
it out as a minimal root file system, and ships that as an image which docker,
podman, containerd and skopeo load.`,
		Example: `  harvest --bin /bin/bash --bin /bin/echo -t basic:v1
  docker load -i basic.tar
  docker run --rm basic:v1 -c "echo hello"`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.setEntrypoint = cmd.Flags().Changed("entrypoint")
			o.hub.given(cmd)
			return buildRun(cmd.Context(), s, o)
		},
	}
	o.addFlags(cmd)
	o.addConfigFlags(cmd, "the first program")
	o.checks.addFlags(cmd)
	o.breaks.addBreakFlag(cmd)
	cmd.Flags().StringVar(&o.layers, "layers", "1", "`HOW`: what is a layer of its own: all of it (1), libraries and the rest (2), loader and libc, other libraries and the rest (3 or libs), each package (by-package), the biggest N-1 packages (N) (default 1)")
	completeWords(cmd, "layers", layersOne, "2", "3", layersLibs, layersPackage)
	cmd.Flags().Var(&o.maxSize, "max-size", "`SIZE`: write nothing if what the image holds, a base's files among it, is more bytes than 120MB, say")
	completeWords(cmd, "max-size")
	cmd.Flags().BoolVar(&o.push, "push", false, "push the image to the registries that its names are in; a file is written only if -o names it")
	o.hub.addFlags(cmd)
	o.addFlag(cmd)
	o.addOutputFlags(cmd, "the first program")
	o.lesson.addFlags(cmd)
	return cmd
}

// addConfigFlags adds the flags that say how the image is to run; if nothing is
// said, it runs first.
func (o *imageOptions) addConfigFlags(cmd *cobra.Command, first string) {
	f := cmd.Flags()
	f.StringVar(&o.entrypoint, "entrypoint", "", "`COMMAND`: what runs, words, quoted as in a shell, or a JSON array (default: "+first+")")
	f.StringVar(&o.cmd, "cmd", "", "`ARGUMENTS`: what it gets unless docker run has others, words, quoted as in a shell, or a JSON array")
	f.StringArrayVarP(&o.env, "env", "e", nil, "`NAME=VALUE`: a variable of its environment (repeatable)")
	f.StringVarP(&o.workdir, "workdir", "w", "", "`DIR`: where it starts (default /)")
	f.StringVarP(&o.user, "user", "u", "", "`USER[:GROUP]`: who it runs as (default root)")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "`NAME=VALUE`: a label of the image (repeatable)")
	f.StringArrayVar(&o.expose, "expose", nil, "`PORT[/PROTO]`: a port that it listens on (repeatable)")
	f.StringArrayVar(&o.volumes, "volume", nil, "`DIR`: where engines mount a volume (repeatable)")
	f.StringVar(&o.stopSignal, "stop-signal", "", "`SIGNAL`: what ends it, as in SIGINT (default SIGTERM)")
	o.health.addFlags(f)
	f.StringVar(&o.author, "author", "", "`TEXT`: who made the image")
	f.StringVar(&o.created, "created", "", "`TIME`: when it was made, as in 2026-01-31T12:00:00Z, in seconds since 1970, or now (default: SOURCE_DATE_EPOCH, or 1970)")
	group(f, "How it runs")
	flags := []string{"entrypoint", "cmd", "env", "workdir", "user", "label", "expose", "volume", "stop-signal", "author", "created"}
	for _, flag := range append(flags, healthFlags...) {
		completeWords(cmd, flag)
	}
}

// addOutputFlags adds the flags that say where the image goes: what has no name
// is called after first.
func (o *imageOptions) addOutputFlags(cmd *cobra.Command, first string) {
	f := cmd.Flags()
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "`NAME[:TAG]`: a name of the image (repeatable)")
	f.StringVarP(&o.output, "output", "o", "", "`FILE`: what to write, - for stdout; or another kind, type=oci|rootfs|layer,dest=PATH (default: a .tar named after the image or "+first+")")
	f.StringVar(&o.format, "format", formatArchive, "`FORMAT`: archive, a docker archive and an OCI layout in one, as is the default; docker, the former alone, with the names of tutorials; v1, with a folder for each layer, as before 2016")
	f.StringVar(&o.compress, "compress", "none", "`METHOD[:LEVEL]`: how layers are compressed: none, as is the default, since then their digests are their diff_ids, gzip or zstd")
	f.BoolVar(&o.load, "load", false, "load the image into docker; a file is written only if -o names it")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	group(f, "Where it goes")
	completeWords(cmd, "tag")
	completeWords(cmd, "format", formats...)
	completeWords(cmd, "compress", "none", pack.Gzip, pack.Zstd)
}

// buildRun makes an image.
func buildRun(ctx context.Context, s streams, o *buildOptions) error {
	start := time.Now()
	if _, err := o.checks.commands(); err != nil {
		return err
	}
	if _, err := o.spec(); err != nil { // before what follows, which takes a program for granted
		return err
	}
	epoch, err := sourceDate(s.getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	tags, out, err := o.goal(ctx, s)
	if err != nil {
		return err
	}
	base, err := o.openBase(ctx, s, o.hub)
	if err != nil {
		return err
	}
	if base != nil {
		defer base.Close()
	}
	o.fault = o.breaks.fault
	p, err := o.plan(ctx, o.user, o.env, base)
	if err != nil {
		return err
	}
	if err := checkBudget(p.Root, p.Tree, int64(o.maxSize)); err != nil {
		return err
	}
	img, parts, err := o.image(p, base, tags, epoch)
	if err != nil {
		return err
	}
	if err := o.lesson.makeable(img, base); err != nil {
		return err
	}
	result := newSummary(p, img, out)
	result.DryRun = o.dryRun
	result.Broken = newBrokenSummary(p.Damage, o.user)
	if base != nil {
		result.Base, result.baseLayers = o.from, len(base.Layers)
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	if result.Checks, err = o.checks.run(ctx, o.absentee(host, p), img.Config.ImageConfig, epoch); err != nil {
		return errors.Join(err, o.reportFailed(s, result.Checks))
	}
	if !o.dryRun {
		stage := func(dir string) error { return p.Root.Stage(ctx, dir, epoch) }
		if err := o.ship(ctx, s, img, stage, out, result); err != nil {
			return err
		}
		if err := o.pushImage(ctx, s, img, result); err != nil {
			return err
		}
	}
	if err := o.teach(ctx, s, making{p, img, parts, epoch, out}, result); err != nil {
		return err
	}
	result.Elapsed = time.Since(start)
	return o.report(s, result)
}

// reportFailed prints what came of checks as JSON, if that is asked for: there is
// no image to tell of.
func (o *buildOptions) reportFailed(s streams, checks []checkSummary) error {
	if !o.json || checks == nil {
		return nil
	}
	return writeJSON(s.out, struct {
		Checks []checkSummary `json:"checks"`
	}{checks})
}

// goal returns the names of the image, and where it goes, if that can be.
func (o *buildOptions) goal(ctx context.Context, s streams) (tags []string, out destination, err error) {
	if tags, err = parseTags(o.tags); err != nil {
		return nil, out, err
	}
	if out, err = o.destination(tags, o.first()); err != nil {
		return nil, out, err
	}
	if err := o.rename(tags, &out); err != nil {
		return nil, out, err
	}
	if out.Type == typeLayer && o.layers != "1" {
		return nil, out, usagef("-o type=%s is one layer, and --layers %s makes several", out.Type, o.layers)
	}
	if err := out.check(s, &o.imageOptions); err != nil {
		return nil, out, err
	}
	if err := o.lesson.check(s, &o.imageOptions, out); err != nil {
		return nil, out, err
	}
	return tags, out, o.ping(ctx, s)
}

// pushImage pushes the image under all its names, if that is asked for.
func (o *buildOptions) pushImage(ctx context.Context, s streams, img *pack.Image, result *summary) error {
	if !o.push {
		return nil
	}
	client, err := o.hub.client(s)
	if err != nil {
		return err
	}
	defer client.Close()
	defer startTransfer(s, o.quiet, "pushing", client)()
	push, err := client.Push(ctx, img, img.Tags...)
	if err != nil {
		return err
	}
	result.Pushed = newPushSummary(push, img.Tags)
	result.Digests.Manifest = push.Digest
	return nil
}

// report prints the summary the way that was asked for.
func (o *imageOptions) report(s streams, result *summary) error {
	switch {
	case o.json:
		return writeJSON(s.out, result)
	case o.quiet:
		return nil
	}
	_, err := fmt.Fprint(s.err, result.text())
	return err
}

// image returns the image of a plan, upon a base unless that is nil, and what its
// own layers are made of.
func (o *buildOptions) image(p *plan.Plan, base *base, tags []string, epoch time.Time) (*pack.Image, []plan.Part, error) {
	img := base.imageUpon()
	img.Tags = tags
	if base == nil {
		img.Architecture, img.Variant, img.OS = p.Arch.GOARCH(), p.Arch.Variant(), "linux"
	}
	var err error
	if img.Created, err = createdAt(o.created, epoch, time.Now()); err != nil {
		return nil, nil, err
	}
	img.Author = cmp.Or(o.author, img.Author)
	if img.Config, err = o.config(p, base); err != nil {
		return nil, nil, err
	}
	if img.Compression, err = pack.ParseCompression(o.compress); err != nil {
		return nil, nil, usagef("--compress: %w", err)
	}
	parts, err := o.parts(p)
	if err != nil {
		return nil, nil, err
	}
	createdBy := "harvest " + strings.Join(p.Programs, " ")
	if len(p.Shipments) > 0 {
		createdBy = "harvest " + shorten(p.Programs, createdByWidth)
	}
	for _, part := range parts {
		text := createdBy
		if o.layers != layersOne {
			text += ": " + part.Name
		}
		img.Append(pack.TreeLayer(part.Tree, epoch), text)
	}
	return img, parts, nil
}

// createdByWidth is how much the history says of a package's programs.
const createdByWidth = 120

// The values of --layers, beside numbers.
const (
	layersOne     = "1"
	layersLibs    = "libs"
	layersPackage = "by-package"
)

// Layers of packages: as many as by-package makes, and the most that engines
// take, upon a base of a few.
const (
	packageLayers = 100
	mostLayers    = 120
)

// parts divides what is to be shipped into layers, as --layers says.
func (o *buildOptions) parts(p *plan.Plan) ([]plan.Part, error) {
	n, err := strconv.Atoi(o.layers)
	switch {
	case o.layers == layersLibs:
		return p.Parts(plan.MaxParts), nil
	case o.layers == layersPackage:
		return p.PackageParts(packageLayers)
	case err != nil || n < 1 || n > mostLayers:
		return nil, usagef("--layers %s: there are 1 to %d, %s and %s", o.layers, mostLayers, layersLibs, layersPackage)
	case n > plan.MaxParts:
		return p.PackageParts(n)
	}
	return p.Parts(n), nil
}

// tagError is what is wrong with the name of an image.
type tagError struct{ error }

func (e *tagError) Unwrap() error { return e.error }

func parseTags(names []string) ([]string, error) {
	var tags []string
	for _, name := range names {
		tag, err := pack.ParseTag(name)
		if err != nil {
			return nil, &tagError{err}
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// maxEpoch is the last second of the year 9999, the last that RFC 3339 and so
// an image's config can say.
const maxEpoch = 253402300799

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org): the time that
// nothing in the image is later than. Unset, it is the start of 1970.
func sourceDate(value string) (time.Time, error) {
	if value == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds < 0 || seconds > maxEpoch {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%s: %w", value, errEpoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// createdAt reads --created: a time as RFC 3339 has it, seconds since 1970, or now.
// Without it, it is the given one. Images have whole seconds.
func createdAt(value string, otherwise, now time.Time) (time.Time, error) {
	switch value {
	case "":
		return otherwise, nil
	case "now":
		return now.UTC().Truncate(time.Second), nil
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && seconds >= 0 && seconds <= maxEpoch {
		return time.Unix(seconds, 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if t = t.UTC().Truncate(time.Second); err != nil || t.Unix() < 0 || t.Unix() > maxEpoch {
		return t, usagef("--created %s: give a time from 1970 on as 2026-01-31T12:00:00Z, in seconds since 1970, or now", value)
	}
	return t, nil
}
