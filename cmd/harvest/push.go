package main

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
)

// pushOptions is the command line of push.
type pushOptions struct {
	registryOptions
	limitOptions
	image    string
	names    []string
	platform string
	compress string
	json     bool
	quiet    bool
}

func newPushCmd(s streams) *cobra.Command {
	o := &pushOptions{}
	cmd := &cobra.Command{
		Use:   "push IMAGE NAME... [flags]",
		Short: "Push an image from an archive or a layout to registries",
		Long: `push writes an image to registries, under one or more names. It sends the layers
that they lack, as they are, and the tag last. Images of one name for several
platforms become an index.

` + imageHelp + `

` + nameHelp,
		Example: `  harvest push basic.tar 127.0.0.1:5000/basic:v1
  docker save basic:v1 | harvest push - registry.example.com/basic:v1 --compress gzip`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("push: name an image and where it goes, as in harvest push basic.tar 127.0.0.1:5000/basic:v1")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image, o.names = args[0], args[1:]
			o.given(cmd)
			return pushRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	addPlatformFlag(cmd, &o.platform)
	f.StringVar(&o.compress, "compress", "", "`METHOD[:LEVEL]`: compress layers anew: none, gzip or zstd (default: as they are)")
	o.addFlags(cmd)
	o.addFlag(cmd)
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	completeWords(cmd, "compress", "none", pack.Gzip, pack.Zstd)
	return cmd
}

// pushRun pushes what an archive or a layout holds.
func pushRun(ctx context.Context, s streams, o *pushOptions) (err error) {
	start := time.Now()
	names, err := parseTags(o.names)
	if err != nil {
		return err
	}
	client, err := o.client(s)
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := (&imageOrigin{o.registryOptions, o.limitOptions, o.platform}).openImages(ctx, s, o.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	if !list.makeIndex() {
		if _, err := list.one(); err != nil {
			return naming(o.image, err)
		}
	}
	for _, img := range list.wanted {
		if err := o.recompress(img); err != nil {
			return err
		}
	}
	push, err := o.push(ctx, s, client, list.wanted, names)
	if err != nil {
		return err
	}
	result := newPushSummary(push, names)
	result.Seconds = time.Since(start).Seconds()
	return result.report(s, o.json, o.quiet)
}

// makeIndex reports whether several images are one for several platforms: they
// have the same names, and each has a platform of its own.
func (list *images) makeIndex() bool {
	platforms := make(map[string]bool)
	for _, img := range list.wanted {
		platforms[pack.PlatformText(img.Platform())] = true
		if !slices.Equal(img.Tags, list.wanted[0].Tags) {
			return false
		}
	}
	return len(list.wanted) > 1 && len(platforms) == len(list.wanted)
}

// recompress has the layers of an image made anew, if that is asked for.
func (o *pushOptions) recompress(img *pack.Image) (err error) {
	if o.compress == "" {
		return nil
	}
	if img.Compression, err = pack.ParseCompression(o.compress); err != nil {
		return usagef("--compress: %w", err)
	}
	for i, l := range img.Layers {
		img.Layers[i] = pack.TarLayer(l, o.limits())
	}
	return nil
}

// push pushes images, and shows how far it is.
func (o *pushOptions) push(ctx context.Context, s streams, c *registry.Client, images []*pack.Image, names []string) (*registry.Push, error) {
	debug.SetGCPercent(20) // contents only stream through, but compressing them leaves much behind
	defer startTransfer(s, o.quiet, "pushing", c)()
	if len(images) > 1 {
		return c.PushIndex(ctx, images, names...)
	}
	return c.Push(ctx, images[0], names...)
}

// startTransfer shows on a terminal what a client sends, until the function that
// it returns is called.
func startTransfer(s streams, quiet bool, doing string, c *registry.Client) (stop func()) {
	p := startProgress(s, quiet, doing)
	c.Progress = func(done, total int64) {
		p.done.Store(done)
		p.total.Store(total)
	}
	return p.stop
}
