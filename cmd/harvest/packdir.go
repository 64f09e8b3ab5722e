package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// packOptions is the command line of pack.
type packOptions struct {
	imageOptions
	limitOptions
	sources  []string
	platform string
}

func newPackCmd(s streams) *cobra.Command {
	o := &packOptions{}
	cmd := &cobra.Command{
		Use:   "pack DIR... [flags]",
		Short: "Make an image of folders as they are, a layer each",
		Long: `pack makes an image whose layers are folders, from the lowest up, with all that
is in them and nothing else. In place of a folder there may be a tar, compressed
or not, or - for one on stdin, which becomes a layer byte for byte. Nothing is
resolved: harvest lint says what the image lacks.`,
		Example: `  harvest pack rootfs -t basic:v1 --entrypoint /bin/bash
  harvest pack base app -t app:v1
  docker export box | harvest pack - -t box:v1`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("pack: name a folder, as in harvest pack rootfs -t basic:v1")
			case slices.Index(args, stdin) != lastIndex(args, stdin):
				return usagef("pack - -: there is one stdin")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.sources = args
			o.setEntrypoint = cmd.Flags().Changed("entrypoint")
			return packRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.platform, "platform", "", "`PLATFORM`: what the image is for, as in linux/arm64 (default: what the entrypoint, or else the first program, is for)")
	completeWords(cmd, "platform", platforms...)
	o.addFlag(cmd)
	o.addConfigFlags(cmd, "nothing")
	o.addOutputFlags(cmd, "the first folder")
	return cmd
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

// packRun makes an image of folders.
func packRun(ctx context.Context, s streams, o *packOptions) (err error) {
	start := time.Now()
	tags, err := parseTags(o.tags)
	if err != nil {
		return err
	}
	epoch, err := sourceDate(s.getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	out, err := o.destination(tags, packName(o.sources[0]))
	if err != nil {
		return err
	}
	if out.Type == typeLayer && len(o.sources) > 1 {
		return usagef("-o type=%s is one layer, and there are %d", out.Type, len(o.sources))
	}
	if err := out.check(s, &o.imageOptions); err != nil {
		return err
	}
	if err := o.ping(ctx, s); err != nil {
		return err
	}
	p := &packed{limits: o.limits()}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.add(ctx, s, o.sources, epoch); err != nil {
		return err
	}
	img, err := o.image(ctx, p, tags, epoch)
	if err != nil {
		return err
	}
	result := describe(img, out, p.notes, p.trees...)
	result.DryRun = o.dryRun
	if !o.dryRun {
		stage := func(dir string) error { return pack.Unpack(ctx, img, dir, pack.UnpackOptions{Limits: o.limits()}) }
		if err := o.ship(ctx, s, img, stage, out, result); err != nil {
			return err
		}
	}
	result.Elapsed = time.Since(start)
	return o.report(s, result)
}

// packName returns what the image of a folder is called if nobody says: like the
// folder. That of a tar must not take its place.
func packName(source string) string {
	dir, err := filepath.Abs(source)
	if info, serr := os.Stat(source); err != nil || serr != nil || !info.IsDir() || dir == "/" {
		return "image"
	}
	return dir
}

// Packed are the layers that pack was given, from the lowest up.
type packed struct {
	layers []pack.Layer
	trees  []*rootfs.Tree // of each layer for itself
	notes  []string

	limits  pack.Limits
	closers []io.Closer
}

// Close closes the tars.
func (p *packed) Close() error {
	var errs []error
	for _, c := range slices.Backward(p.closers) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// add adds a layer for each source.
func (p *packed) add(ctx context.Context, s streams, sources []string, epoch time.Time) error {
	for _, source := range sources {
		info, err := os.Stat(source)
		switch {
		case source == stdin:
			err = p.addStdin(ctx, s)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: %w", source, errNoSource)
		case err != nil:
		case info.IsDir():
			err = p.addFolder(ctx, source, epoch)
		default:
			err = p.addFile(ctx, source)
		}
		if err != nil {
			return naming(source, err)
		}
		p.noteHidden(source)
	}
	return nil
}

var errInNoLayer = errors.New("is in none of the layers")

// errIsImage is the error for an image in the place of what goes into one.
var errIsImage = errors.New("is an image itself, and would be nothing but a few files in another")

func (p *packed) addFolder(ctx context.Context, dir string, epoch time.Time) error {
	if store, err := pack.Open(dir); err == nil {
		store.Close()
		return errIsImage
	}
	tree, err := folderTree(ctx, dir)
	if err != nil {
		return err
	}
	p.layers = append(p.layers, pack.TreeLayer(tree, epoch))
	p.trees = append(p.trees, tree)
	return nil
}

func (p *packed) addFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return p.addTar(ctx, f)
}

func (p *packed) addStdin(ctx context.Context, s streams) error {
	if s.inTerm {
		return errInTerminal
	}
	temp, err := nameless()
	if err != nil {
		return err
	}
	err = unlessDone(ctx, func() error {
		_, err := io.Copy(temp, s.in)
		return err
	})
	if err != nil {
		temp.Close()
		return err
	}
	return p.addTar(ctx, temp)
}

// addTar adds the layer that is in a file.
func (p *packed) addTar(ctx context.Context, f *os.File) error {
	p.closers = append(p.closers, f)
	layer, err := tarLayer(f)
	if err != nil {
		return err
	}
	size, err := layer.Size()
	if err != nil {
		return err
	}
	if store, err := pack.OpenAt(f, size); err == nil {
		store.Close()
		return errIsImage
	}
	t := &openTree{limits: p.limits}
	if err := t.addLayers(ctx, &pack.Image{Layers: []pack.Layer{layer}}); err != nil {
		return err
	}
	p.closers = append(p.closers, t)
	if _, err := pack.OpenFS(t.Tree); err == nil { // an archive that is compressed as a whole
		return errIsImage
	}
	p.layers = append(p.layers, layer)
	p.trees = append(p.trees, t.Tree)
	return nil
}

// noteHidden notes what the topmost layer hides by accident: where it has a folder
// in the place of a link, what the link leads to is not found there any more.
func (p *packed) noteHidden(source string) {
	below := p.trees[:len(p.trees)-1]
	for e := range p.trees[len(below)].All() {
		if !e.Mode.IsDir() {
			continue
		}
		for _, lower := range slices.Backward(below) {
			have := lower.Entry(e.Path)
			if have == nil {
				continue
			}
			if have.Link != "" {
				p.notes = append(p.notes, fmt.Sprintf("%s has a folder %s, where a layer below has a link to %s: what that leads to is no longer found there",
					source, e.Path, have.Link))
			}
			break
		}
	}
}

// image returns the image of the layers.
func (o *packOptions) image(ctx context.Context, p *packed, tags []string, epoch time.Time) (*pack.Image, error) {
	img := &pack.Image{Tags: tags, Author: o.author}
	var err error
	if img.Created, err = createdAt(o.created, epoch, time.Now()); err != nil {
		return nil, err
	}
	if err := o.configure(&img.Config); err != nil {
		return nil, err
	}
	if img.Compression, err = pack.ParseCompression(o.compress); err != nil {
		return nil, usagef("--compress: %w", err)
	}
	for _, l := range p.layers {
		img.Append(l, "harvest pack")
	}
	if o.setEntrypoint {
		if err := p.checkEntrypoint(ctx, img); err != nil {
			return nil, err
		}
	}
	platform, err := parsePlatform(o.platform)
	if err != nil {
		return nil, err
	}
	if o.platform == "" {
		platform = p.platform(img.Config)
	}
	img.OS, img.Architecture, img.Variant = platform.OS, platform.Architecture, platform.Variant
	return img, nil
}

// checkEntrypoint makes sure that the command is in the image. In most cases one
// layer has it with all that leads there; else all of them are put together,
// which reads them.
func (p *packed) checkEntrypoint(ctx context.Context, img *pack.Image) error {
	c := img.Config
	for _, t := range p.trees {
		if checkEntrypoint(t, c) == nil {
			return nil
		}
	}
	missing := fmt.Errorf("--entrypoint %s %w", c.Entrypoint[0], errInNoLayer)
	if len(p.trees) == 1 {
		return missing
	}
	whole := &openTree{limits: p.limits}
	if err := whole.addLayers(ctx, img); err != nil {
		return err
	}
	if checkEntrypoint(whole, c) == nil {
		missing = nil
	}
	return errors.Join(missing, whole.Close())
}

// platform returns what the entrypoint, or else the first program that there is,
// is for.
func (p *packed) platform(c pack.Config) v1.Platform {
	for _, t := range slices.Backward(p.trees) {
		if len(c.Entrypoint) == 0 {
			break
		}
		if real, err := t.RealPath(c.Entrypoint[0]); err == nil {
			if platform, ok := platformOfELF(t.Entry(real)); ok {
				return platform
			}
		}
	}
	for _, t := range slices.Backward(p.trees) {
		for e := range t.All() {
			if platform, ok := platformOfELF(e); ok {
				return platform
			}
		}
	}
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	p.notes = append(p.notes, "no program tells what the image is for; "+platformOf(&platform)+" is what this machine is")
	return platform
}

// platformOfELF returns what a program is for.
func platformOfELF(e *rootfs.Entry) (p v1.Platform, ok bool) {
	if e == nil || !e.Mode.IsRegular() || e.Mode.Perm()&0o111 == 0 {
		return p, false
	}
	f, err := e.Open()
	if err != nil {
		return p, false // writing the layer will say why
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		panic("BUG: a file of a tree that cannot be read at an offset")
	}
	elf, err := elfdeps.Read(at, e.Size)
	if err != nil {
		return p, false
	}
	return v1.Platform{OS: "linux", Architecture: elf.Arch.GOARCH(), Variant: elf.Arch.Variant()}, true
}
