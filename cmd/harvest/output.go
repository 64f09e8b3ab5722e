package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/engine"
	"github.com/harvest-oci/harvest/pack"
)

// The values of --format.
const (
	formatArchive = "archive"
	formatDocker  = "docker"
	formatV1      = "v1"
)

var formats = []string{formatArchive, formatDocker, formatV1}

// The types of -o.
const (
	typeArchive = "archive" // a tar for docker load and everything else
	typeOCI     = "oci"     // an OCI layout, a folder
	typeRootfs  = "rootfs"  // the tree itself, a folder
	typeLayer   = "layer"   // the bare tar of the layer
)

// stdout is the destination that -o - names.
const stdout = "-"

var errTerminal = errors.New("an archive is not written to a terminal")

// A destination is where the result goes. Without a path it goes to the engine
// only.
type destination struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"`
}

// folder reports whether the destination is a folder rather than a file.
func (d destination) folder() bool { return d.Type == typeOCI || d.Type == typeRootfs }

// destination reads -o. Without it the file is named after the first tag, or
// after what is first of what goes in.
func (o *imageOptions) destination(tags []string, first string) (destination, error) {
	d := destination{typeArchive, o.output}
	if strings.HasPrefix(o.output, "type=") || strings.HasPrefix(o.output, "dest=") {
		d.Path = ""
		for field := range strings.SplitSeq(o.output, ",") {
			key, value, _ := strings.Cut(field, "=")
			switch key {
			case "type":
				d.Type = value
			case "dest":
				d.Path = value
			default:
				return d, usagef("-o %s: unknown key %q; there are type and dest", o.output, key)
			}
		}
		if d.Path == "" {
			return d, usagef("-o %s: add dest=PATH", o.output)
		}
	}
	switch d.Type {
	case typeArchive:
	case typeOCI, typeRootfs, typeLayer:
		if o.format != formatArchive || o.load {
			return d, usagef("-o type=%s goes with neither --format nor --load, which are about archives", d.Type)
		}
	default:
		return d, usagef("-o type=%s: there are %s, %s, %s and %s", d.Type, typeArchive, typeOCI, typeRootfs, typeLayer)
	}
	if o.push && (len(tags) == 0 || d.Type == typeRootfs || d.Type == typeLayer) {
		return d, usagef("--push needs an image with a name, as in -t 127.0.0.1:5000/app:v1")
	}
	if d.Path == "" && !o.load && !o.push {
		d.Path = defaultName(tags, first)
	}
	return d, nil
}

// defaultName returns "basic.tar" for the image basic:v1.
func defaultName(tags []string, first string) string {
	name, _ := splitInput(first)
	if len(tags) > 0 {
		name, _, _ = strings.Cut(path.Base(pack.ShortTag(tags[0])), ":")
	}
	return path.Base(name) + ".tar"
}

// check refuses what would go wrong only after the work is done.
func (d destination) check(s streams, o *imageOptions) error {
	if !slices.Contains(formats, o.format) {
		return usagef("--format %s: there are %s", o.format, strings.Join(formats, ", "))
	}
	switch {
	case d.Path != stdout:
		return nil
	case d.folder():
		return usagef("-o type=%s writes a folder, which stdout cannot be", d.Type)
	case o.json:
		return usagef("-o - and --json both want stdout")
	case o.load:
		return usagef("-o - and --load: one of them is enough")
	case s.outTerm && !o.dryRun:
		return errTerminal
	}
	return nil
}

// ship writes the image to its destination and fills in the result. Where its
// root file system is wanted, stage writes that.
func (o *imageOptions) ship(ctx context.Context, s streams, img *pack.Image, stage func(dir string) error, d destination, result *summary) error {
	debug.SetGCPercent(50) // what is held by now stays, and contents only stream through
	progress := startProgress(s, o.quiet, "packing")
	defer progress.stop()
	for i, l := range img.Layers {
		img.Layers[i] = watchedLayer{l, ctx, progress}
	}
	write := func(w io.Writer) (err error) {
		result.Digests, err = o.write(w, img, d.Type)
		return err
	}
	switch {
	case d.Type == typeRootfs:
		return writeFolder(ctx, d.Path, nil, stage)
	case d.Type == typeOCI:
		return writeFolder(ctx, d.Path, supersedes(img.Tags), func(dir string) (err error) {
			result.Digests, err = pack.WriteLayout(dir, img)
			return err
		})
	case d.Path == stdout:
		return unlessDone(ctx, func() error { return outputErrorOf(write(outWriter{ctx, s.out, "stdout"})) })
	case d.Path == "" && o.load:
		return o.loadImage(ctx, s, write, result)
	case d.Path == "":
		return nil // it is pushed, and goes nowhere else
	}
	if err := writeFile(ctx, d.Path, write); err != nil {
		return err
	}
	if !o.load {
		return nil
	}
	return o.loadImage(ctx, s, func(w io.Writer) error { return copyFile(w, d.Path) }, result)
}

// write writes one file's worth of image.
func (o *imageOptions) write(w io.Writer, img *pack.Image, typ string) (pack.Digests, error) {
	switch {
	case typ == typeLayer:
		blob, err := pack.WriteBlob(w, img.Layers[len(img.Layers)-1], img.Compression)
		return pack.Digests{Layers: []pack.Blob{blob}}, err
	case o.format == formatDocker:
		return pack.WriteDocker(w, img)
	case o.format == formatV1:
		return pack.WriteV1(w, img)
	}
	return pack.WriteArchive(w, img)
}

func (o *imageOptions) loadImage(ctx context.Context, s streams, write func(io.Writer) error, result *summary) error {
	host, err := engine.Host(s.getenv)
	if err != nil {
		return err
	}
	said, err := engine.Load(ctx, host, write)
	for _, line := range said {
		if strings.HasPrefix(line, "Loaded image") {
			result.Loaded = append(result.Loaded, line)
		} else { // such as whose name the image has taken over
			result.Notes = append(result.Notes, line)
		}
	}
	return err
}

// ping makes sure, before any work is done for it, that there is an engine.
func (o *imageOptions) ping(ctx context.Context, s streams) error {
	if !o.load || o.dryRun {
		return nil
	}
	host, err := engine.Host(s.getenv)
	if err != nil {
		return err
	}
	return engine.Ping(ctx, host)
}

func copyFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
