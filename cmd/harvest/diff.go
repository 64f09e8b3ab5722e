package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// diffOptions is the command line of diff.
type diffOptions struct {
	imageOrigin
	before, after string
	ignoreTimes   bool
	output        string
	compress      string
	exitCode      bool
	json          bool
	quiet         bool
}

func newDiffCmd(s streams) *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER [flags]",
		Short: "Show what differs between two images or folders, or make a layer of it",
		Long: `diff compares two root file systems, path by path, and lists what was added (A),
modified (M) and deleted (D). With -o it writes that as a layer, with whiteouts
for what was deleted: put upon BEFORE, it gives AFTER.

Each of them is an archive that docker, podman or harvest has saved, the folder
of an OCI layout, - for what comes through stdin, or the name of an image in a
registry; ARCHIVE:NAME is one image of several. ` + treeHelp,
		Example: `  harvest diff basic.tar other.tar
  docker export box | harvest diff basic.tar - --ignore-mtime
  harvest diff old-root new-root -o changes.tar`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return usagef("diff: name two images or folders, as in harvest diff old.tar new.tar")
			case args[0] == stdin && args[1] == stdin:
				return usagef("diff - -: there is one stdin")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.before, o.after = args[0], args[1]
			return diffRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.ignoreTimes, "ignore-mtime", false, "a path whose time alone differs is not modified")
	group(f, "What is compared")
	f.StringVarP(&o.output, "output", "o", "", "`FILE`: write what differs as a layer, - for stdout, in place of the list")
	f.StringVar(&o.compress, "compress", "none", "`METHOD[:LEVEL]`: how the layer is compressed: none, as is the default, gzip or zstd")
	f.BoolVar(&o.exitCode, "exit-code", false, "end with exit code 4 if anything differs")
	f.BoolVar(&o.json, "json", false, "print the list as JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no list and no summary")
	group(f, "Output")
	completeWords(cmd, "compress", "none", pack.Gzip, pack.Zstd)
	return cmd
}

// diffRun prints or writes what differs.
func diffRun(ctx context.Context, s streams, o *diffOptions) (err error) {
	compression, err := o.check(s)
	if err != nil {
		return err
	}
	debug.SetGCPercent(50) // both trees stay, and contents only stream through
	before, err := o.openRoot(ctx, s, o.before)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, before.Close()) }()
	after, err := o.openRoot(ctx, s, o.after)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, after.Close()) }()
	var ignore []rootfs.Aspect
	if o.ignoreTimes {
		ignore = append(ignore, rootfs.AspectModTime)
	}
	if before.isFolder || after.isFolder { // of whose extended attributes capabilities alone are read
		ignore = append(ignore, rootfs.AspectXAttrs)
	}
	c, err := rootfs.Changes(ctx, before.Tree, after.Tree, ignore...)
	if err != nil {
		return err
	}
	d := newDifference(c)
	if o.output != "" {
		if err := o.write(ctx, s, c, compression, d); err != nil {
			return err
		}
	}
	return o.report(s, d)
}

// check refuses what would go wrong only after the work is done.
func (o *diffOptions) check(s streams) (pack.Compression, error) {
	compression, err := pack.ParseCompression(o.compress)
	switch {
	case err != nil:
		return compression, usagef("--compress: %w", err)
	case o.output == "" && compression.Method != "":
		return compression, usagef("--compress is for the layer that -o writes")
	case o.output == stdout && o.json:
		return compression, usagef("-o - and --json both want stdout")
	case o.output == stdout && s.outTerm:
		return compression, errTerminal
	}
	return compression, nil
}

// write writes the layer.
func (o *diffOptions) write(ctx context.Context, s streams, c *rootfs.Changeset, compression pack.Compression, d *difference) error {
	progress := startProgress(s, o.quiet, "packing")
	defer progress.stop()
	layer := watchedLayer{pack.ChangeLayer(c, time.Unix(maxEpoch, 0)), ctx, progress}
	write := func(w io.Writer) error {
		blob, err := pack.WriteBlob(w, layer, compression)
		d.Layer = &writtenLayer{o.output, blob.MediaType, blob.Digest.String(), blob.Size, blob.DiffID.String()}
		return err
	}
	if o.output == stdout {
		return unlessDone(ctx, func() error { return outputErrorOf(write(outWriter{ctx, s.out, "stdout"})) })
	}
	return writeFile(ctx, o.output, write)
}

// A difference is what diff has found.
type difference struct {
	Added    int           `json:"added"`
	Modified int           `json:"modified"`
	Deleted  int           `json:"deleted"`
	Changes  []diffChange  `json:"changes"`
	Layer    *writtenLayer `json:"layer,omitempty"`
}

type diffChange struct {
	Path   string          `json:"path"`
	Bytes  []byte          `json:"pathBytes,omitempty"`
	Kind   string          `json:"kind"`
	What   []rootfs.Aspect `json:"what,omitempty"`
	Before *diffEntry      `json:"before,omitempty"`
	After  *diffEntry      `json:"after,omitempty"`

	change rootfs.Change
}

type diffEntry struct {
	listedEntry
	ModTime time.Time `json:"mtime"`
}

type writtenLayer struct {
	File      string `json:"file"`
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	DiffID    string `json:"diffId"`
}

func newDifference(c *rootfs.Changeset) *difference {
	d := &difference{Changes: []diffChange{}}
	for _, change := range c.Changes {
		dc := diffChange{change.Path, unlessText(change.Path), "modified", change.What, newDiffEntry(change.Before), newDiffEntry(change.After), change}
		switch {
		case change.Before == nil:
			dc.Kind = "added"
			d.Added++
		case change.After == nil:
			dc.Kind = "deleted"
			d.Deleted++
		default:
			d.Modified++
		}
		d.Changes = append(d.Changes, dc)
	}
	return d
}

func newDiffEntry(e *rootfs.Entry) *diffEntry {
	if e == nil {
		return nil
	}
	return &diffEntry{newListedEntry(e), time.Unix(e.ModTime.Unix(), 0).UTC()}
}

// report prints what was found the way that was asked for.
func (o *diffOptions) report(s streams, d *difference) error {
	switch {
	case o.json:
		if err := writeJSON(s.out, d); err != nil {
			return err
		}
	case !o.quiet && o.output == "":
		if err := d.print(s.out); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%d added, %d modified, %d deleted", d.Added, d.Modified, d.Deleted)
	if o.exitCode && len(d.Changes) > 0 {
		return &checkError{fmt.Errorf("%s and %s differ: %s", o.before, o.after, text)}
	}
	if o.quiet || o.json {
		return nil
	}
	fmt.Fprintln(s.err, text)
	if l := d.Layer; l != nil {
		fmt.Fprintf(s.err, "  diff_id  %s\n", l.DiffID)
		if l.Digest != l.DiffID {
			fmt.Fprintf(s.err, "  digest   %s\n", l.Digest)
		}
		to := l.File
		if to == stdout {
			to = "to stdout"
		}
		fmt.Fprintf(s.err, "  written  %s, %s\n", to, units.Size(l.Size))
	}
	return nil
}

// print lists what differs, a path a line.
func (d *difference) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	names := 0
	for _, c := range d.Changes {
		if n := len(printable(c.Path)); n <= maxNameColumn {
			names = max(names, n)
		}
	}
	for _, c := range d.Changes {
		letter := strings.ToUpper(c.Kind[:1])
		fmt.Fprintf(out, "%s  %-*s  %s\n", letter, names, printable(c.Path), printable(c.details()))
	}
	return out.Flush()
}

// details says what was added or deleted, or what differs.
func (c diffChange) details() string {
	switch a, b := c.change.Before, c.change.After; {
	case a == nil:
		return b.String()
	case b == nil:
		return a.String()
	}
	var list []string
	for _, aspect := range c.What {
		list = append(list, c.detail(aspect))
	}
	return strings.Join(list, ", ")
}

// detail tells both sides of an aspect, where that takes few words.
func (c diffChange) detail(aspect rootfs.Aspect) string {
	a, b := c.change.Before, c.change.After
	from := func(x, y any) string { return fmt.Sprintf("%s %v -> %v", aspect, x, y) }
	switch aspect {
	case rootfs.AspectType:
		return fmt.Sprintf("%s -> %s", a, b)
	case rootfs.AspectMode:
		return from(c.Before.Mode, c.After.Mode)
	case rootfs.AspectOwner:
		return from(owner(a), owner(b))
	case rootfs.AspectTarget:
		return from(a.Link, b.Link)
	case rootfs.AspectModTime:
		return from(c.Before.ModTime.Format(time.DateTime), c.After.ModTime.Format(time.DateTime))
	case rootfs.AspectContents:
		if a.Size != b.Size {
			return from(a.Size, b.Size) + " bytes"
		}
	case rootfs.AspectDevice:
		return from(fmt.Sprintf("%d,%d", a.Major, a.Minor), fmt.Sprintf("%d,%d", b.Major, b.Minor))
	}
	return string(aspect)
}
