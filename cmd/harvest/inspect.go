package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// inspectOptions is the command line of inspect.
type inspectOptions struct {
	imageOrigin
	image string
	files bool
	json  bool
	page  string // of the report
}

func newInspectCmd(s streams) *cobra.Command {
	o := &inspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect IMAGE [flags]",
		Short: "Show an image: names, digests, configuration, layers, files",
		Long: `inspect shows names, digests, configuration and layers of all images that are in
an archive or a layout, whoever made it. It reads headers, not contents, as far
as layers are not compressed, and believes what it reads: verify does not.

` + imageHelp,
		Example: `  harvest inspect basic.tar
  harvest inspect --files basic.tar
  docker save debian:12 | harvest inspect --json - | jq .images[0].config`,
		DisableFlagsInUseLine: true,
		Args:                  oneArg("inspect", "an image", "harvest inspect basic.tar"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image = args[0]
			return inspectRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.files, "files", false, "list files, too: what the layers make together, and from which layer each path is")
	f.BoolVar(&o.json, "json", false, "print everything as JSON")
	addReportFlag(cmd, &o.page)
	return cmd
}

// oneArg demands one argument.
func oneArg(verb, what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usagef("%s: name %s, as in %s", verb, what, example)
		}
		return nil
	}
}

// inspectRun prints all images that a name leads to.
func inspectRun(ctx context.Context, s streams, o *inspectOptions) (err error) {
	if err := checkReport(o.page); err != nil {
		return err
	}
	list, err := o.openImages(ctx, s, o.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	r := inspection{Format: formatRegistry, Images: []inspectedImage{}}
	if list.store != nil {
		r.Format = list.store.Format
	}
	if o.files || o.page != "" {
		if err := list.fetch(ctx); err != nil {
			return naming(o.image, err)
		}
	}
	if o.page != "" {
		if err := o.writeReport(ctx, list); err != nil {
			return naming(o.image, err)
		}
	}
	for _, img := range list.wanted {
		i := inspect(img)
		if o.files {
			if err := i.addFiles(ctx, img, o.limits()); err != nil {
				return naming(o.image, err)
			}
		}
		r.Images = append(r.Images, i)
	}
	if list.whole() {
		for _, d := range list.store.Missing {
			r.Missing = append(r.Missing, missingManifest{d.Digest.String(), platformOf(d.Platform)})
		}
	}
	if o.json {
		return writeJSON(s.out, r)
	}
	out := bufio.NewWriter(s.out)
	if err := r.print(out); err != nil {
		return err
	}
	return out.Flush()
}

// An inspection is what inspect has found.
type inspection struct {
	Format  string            `json:"format"`
	Images  []inspectedImage  `json:"images"`
	Missing []missingManifest `json:"missing,omitempty"` // that the index lists and the archive lacks
}

type missingManifest struct {
	Manifest string `json:"manifest"`
	Platform string `json:"platform,omitempty"`
}

type inspectedImage struct {
	Tags         []string         `json:"tags,omitempty"`
	Architecture string           `json:"architecture"`
	Variant      string           `json:"variant,omitempty"`
	OS           string           `json:"os"`
	ImageID      string           `json:"imageId,omitempty"`
	Manifest     string           `json:"manifest,omitempty"`
	Author       string           `json:"author,omitempty"`
	Created      *time.Time       `json:"created,omitempty"`
	Size         int64            `json:"size"` // of all layers as they are shipped
	Config       pack.Config      `json:"config"`
	Layers       []inspectedLayer `json:"layers"`
	Files        []imageFile      `json:"files,omitempty"`

	tree *rootfs.Tree // of Files
}

type inspectedLayer struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest,omitempty"`
	Size      int64  `json:"size"`
	DiffID    string `json:"diffId,omitempty"`
	CreatedBy string `json:"createdBy,omitempty"`
}

func inspect(img *pack.Image) inspectedImage {
	i := inspectedImage{
		Architecture: img.Architecture,
		Variant:      img.Variant,
		OS:           img.OS,
		ImageID:      digestOf(img.Read.Config),
		Manifest:     digestOf(img.Read.Manifest),
		Author:       img.Author,
		Config:       img.Config,
		Layers:       []inspectedLayer{},
	}
	for _, t := range img.Tags {
		i.Tags = append(i.Tags, pack.ShortTag(t))
	}
	if !img.Created.IsZero() {
		i.Created = &img.Created
	}
	history := slices.DeleteFunc(slices.Clone(img.History), func(h v1.History) bool { return h.EmptyLayer })
	for n, l := range img.Layers {
		b := l.Blob()
		layer := inspectedLayer{MediaType: b.MediaType, Digest: b.Digest.String(), Size: b.Size, DiffID: b.DiffID.String()}
		if n < len(history) {
			layer.CreatedBy = history[n].CreatedBy
		}
		i.Size += b.Size
		i.Layers = append(i.Layers, layer)
	}
	return i
}

// title is what people call the image.
func (i inspectedImage) title() string {
	if len(i.Tags) == 0 {
		return "image without a name"
	}
	return printable(strings.Join(i.Tags, " "))
}

func (i inspectedImage) platform() string {
	return printable(platformOf(&v1.Platform{OS: i.OS, Architecture: i.Architecture, Variant: i.Variant}))
}

// digestOf returns the digest of a document, "" of none.
func digestOf(document []byte) string {
	if document == nil {
		return ""
	}
	return digest.FromBytes(document).String()
}

func platformOf(p *v1.Platform) string {
	if p == nil {
		return ""
	}
	return pack.PlatformText(*p)
}

// An imageFile is a path of an image, and the layer that it is from, counted
// from 1.
type imageFile struct {
	listedEntry
	Layer int       `json:"layer"`
	Why   *struct{} `json:"why,omitempty"` // in place of the entry's: the layer is the reason
}

// addFiles adds all that the layers of an image make together.
func (i *inspectedImage) addFiles(ctx context.Context, img *pack.Image, limits pack.Limits) error {
	f, err := pack.OpenFiles(ctx, img, limits)
	if err != nil {
		return err
	}
	i.tree, i.Files = f.Tree, []imageFile{}
	for _, e := range listing(f.Tree) {
		layer, err := strconv.Atoi(e.Why[0].Text)
		if err != nil {
			panic("BUG: an entry of no layer")
		}
		i.Files = append(i.Files, imageFile{listedEntry: e, Layer: layer})
	}
	return f.Close()
}

// print writes an inspection for people.
func (r inspection) print(w io.Writer) error {
	for n, i := range r.Images {
		if n > 0 {
			fmt.Fprintln(w)
		}
		i.print(w, r.Format)
		if i.tree == nil {
			continue
		}
		fmt.Fprintln(w)
		if err := printTree(w, i.tree); err != nil {
			return err
		}
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "\nnot in it: manifest %s%s\n", m.Manifest, suffix(" for ", m.Platform))
	}
	return nil
}

// formatRegistry is the format of what comes from a registry.
const formatRegistry = "registry"

// formatNames say what an image was read from.
var formatNames = map[string]string{
	pack.FormatArchive: "docker archive and OCI layout",
	pack.FormatOCI:     "OCI layout",
	pack.FormatDocker:  "docker archive",
	pack.FormatV1:      "docker archive of version 1",
	formatRegistry:     "registry",
}

func (i inspectedImage) print(w io.Writer, format string) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-12s %s\n", label, printable(text))
		}
	}
	fmt.Fprintf(w, "%s for %s, %s in %s\n", i.title(), i.platform(), units.Size(i.Size), count(len(i.Layers), "layer"))
	line("read from", formatNames[format])
	line("image ID", i.ImageID)
	line("manifest", i.Manifest)
	if i.Created != nil {
		line("created", i.Created.UTC().Format(time.RFC3339))
	}
	line("author", i.Author)
	i.printConfig(line)
	for n, l := range i.Layers {
		id := l.Digest
		if id == "" {
			id = "of a digest that only reading it tells"
		}
		fmt.Fprintf(w, "  %-12s %s, %s%s\n", fmt.Sprintf("layer %d", n+1), id, units.Size(l.Size), suffix(", ", compressionOf(l.MediaType)))
		if l.DiffID != l.Digest {
			line("  diff_id", l.DiffID)
		}
		line("  made by", l.CreatedBy)
	}
}

// printConfig prints how an image runs.
func (i inspectedImage) printConfig(line func(label, text string)) {
	c := i.Config
	line("entrypoint", commandLine(c.Entrypoint))
	line("cmd", commandLine(c.Cmd))
	for _, e := range c.Env {
		line("env", e)
	}
	line("workdir", c.WorkingDir)
	line("user", c.User)
	for _, port := range slices.Sorted(maps.Keys(c.ExposedPorts)) {
		line("port", port)
	}
	for _, dir := range slices.Sorted(maps.Keys(c.Volumes)) {
		line("volume", dir)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		line("label", name+"="+c.Labels[name])
	}
	line("stop signal", c.StopSignal)
	line("health", healthText(c.Healthcheck))
}

// commandLine writes a command as it could be typed.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
		if w == "" {
			quoted[i] = "''"
		}
	}
	return strings.Join(quoted, " ")
}

func compressionOf(mediaType string) string {
	_, compression, _ := strings.Cut(mediaType, "+")
	return compression
}

// suffix returns a text with something before it, or nothing of nothing.
func suffix(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
