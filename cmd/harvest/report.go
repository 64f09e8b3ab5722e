package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/report"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/teach"
	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	ownerdb "github.com/harvest-oci/harvest/rootfs/owner"
)

// addReportFlag adds the flag that names a page.
func addReportFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "report", "", "`FILE`: write a page for a browser, too: what is in the image, and why")
}

// checkReport refuses a name that no page can have.
func checkReport(file string) error {
	if file == stdout {
		return usagef("--report -: name a file, as in basic.html")
	}
	return nil
}

// writeReport writes the page of what was built, if that is asked for.
func (o *buildOptions) writeReport(ctx context.Context, m making, result *summary, lang teach.Language) error {
	if o.lesson.page == "" {
		return nil
	}
	return unlessDone(ctx, func() error {
		src, err := o.reportSource(m, result)
		if err != nil {
			return err
		}
		if src.ByHand, err = o.scriptFor(ctx, m, result, src.Layers, lang); err != nil {
			return err
		}
		return writeFile(ctx, o.lesson.page, func(w io.Writer) error { return report.Write(ctx, w, src) })
	})
}

func (o *buildOptions) reportSource(m making, result *summary) (*report.Source, error) {
	host, err := o.host()
	if err != nil {
		return nil, err
	}
	p, img := m.plan, m.img
	own, err := owners(p.Root, host)
	if err != nil {
		return nil, err
	}
	dlopen, err := elfdeps.ParsePriority(o.dlopen)
	if err != nil {
		return nil, err
	}
	why := func(e *rootfs.Entry) []rootfs.Reason { return e.Why }
	src := &report.Source{
		Title: result.title(), Platform: result.Platform, Created: img.Created.UTC().Format(time.RFC3339),
		Root: p.Root, Why: why, Own: own, Dlopen: dlopen,
		Programs: withMore(p.Programs, p.Tree, why), LibraryPath: libraryPathOf(img.Config.Env),
		Place: o.reportPlace(result),
	}
	if next := result.next(); len(next) > 0 {
		src.Load = next[0]
	}
	if result.Output.Type == typeRootfs || result.Output.Type == typeLayer {
		return src, nil
	}
	blobs := result.Digests.Layers
	if len(blobs) != len(img.Layers) { // nothing was written
		if blobs, err = blobsOf(img); err != nil {
			return nil, err
		}
	}
	if src.Documents, _, err = img.Documents(blobs); err != nil {
		return nil, err
	}
	if !o.dryRun && result.Digests.Manifest == "" {
		src.Documents.Manifest = nil // there is none in an archive for docker alone
	}
	src.Layers = reportLayers(img, blobs)
	return src, nil
}

// scriptFor returns a script that makes the image by hand, "" if none does.
func (o *buildOptions) scriptFor(ctx context.Context, m making, result *summary, layers []report.Layer, lang teach.Language) (string, error) {
	if len(layers) == 0 || teach.Check(m.img, result.Base != "") != nil {
		return "", nil //nolint:nilerr // a page without it
	}
	blobs := make([]pack.Blob, len(layers))
	for i, l := range layers {
		blobs[i] = l.Blob
	}
	lesson, err := o.lessonOf(m, blobs)
	if err != nil {
		return "", err
	}
	var script strings.Builder
	err = teach.Script(ctx, &script, lesson, lang)
	if cannot := (*teach.CannotError)(nil); errors.As(err, &cannot) {
		return "", nil
	}
	return script.String(), err
}

// reportPlace returns where a shell finds the blobs of what was built.
func (o *buildOptions) reportPlace(result *summary) report.Place {
	to := result.Output
	switch {
	case o.dryRun:
	case to.Path == stdout, to.Path == "" && result.Pushed == nil:
	case to.Path == "":
		return report.Place{Kind: report.Registry, Name: result.Tags[0]}
	case to.Type == typeOCI:
		return report.Place{Kind: report.Layout, Name: to.Path}
	case to.Type == typeArchive && o.format == formatArchive:
		return report.Place{Kind: report.Archive, Name: to.Path}
	case to.Type == typeArchive && o.format == formatDocker:
		return report.Place{Kind: report.Docker, Name: to.Path}
	}
	return report.Place{}
}

// reportLayers returns layers with how they came about.
func reportLayers(img *pack.Image, blobs []pack.Blob) []report.Layer {
	history := slices.DeleteFunc(slices.Clone(img.History), func(h v1.History) bool { return h.EmptyLayer })
	layers := make([]report.Layer, len(blobs))
	for i, b := range blobs {
		layers[i].Blob = b
		if i < len(history) {
			layers[i].CreatedBy = history[i].CreatedBy
		}
	}
	return layers
}

// libraryPathOf returns LD_LIBRARY_PATH of an environment.
func libraryPathOf(env []string) []string {
	if dirs := lookupEnv(env, "LD_LIBRARY_PATH"); dirs != "" {
		return []string{dirs}
	}
	return nil
}

// loaded are the kinds of reasons for which a file is there that is no program of
// its own.
var loaded = []string{"library", "loader", "interpreter", "base", "layer"}

// withMore returns programs with what else in a tree is executable and loaded by
// none of them.
func withMore(programs []string, t *rootfs.Tree, why func(*rootfs.Entry) []rootfs.Reason) []string {
	known := make(map[*rootfs.Entry]bool)
	for _, name := range programs {
		if real, err := t.RealPath(name); err == nil {
			known[t.Entry(real)] = true
		}
	}
	list := slices.Clone(programs)
	for e := range t.All() {
		if !e.Mode.IsRegular() || e.Mode&0o111 == 0 || e.Hardlink != "" || known[e] || len(why(e)) == 0 {
			continue
		}
		if !slices.ContainsFunc(why(e), func(r rootfs.Reason) bool { return slices.Contains(loaded, r.Kind) }) {
			list = append(list, e.Path)
		}
	}
	return list
}

// owners returns what packages the files of a tree are of: as the host says that
// they came from, if any, and as the tree's own records say of the others.
func owners(root *rootfs.Tree, host *rootfs.Host) (func(*rootfs.Entry) (report.Owner, bool), error) {
	var sources, paths []string
	for e := range root.All() {
		switch {
		case e.Mode.IsDir():
		case host != nil && e.Source != "":
			sources = append(sources, e.Source)
		default:
			paths = append(paths, e.Path)
		}
	}
	own, err := ownersIn(root, paths)
	if err != nil || host == nil {
		return func(e *rootfs.Entry) (report.Owner, bool) { o, ok := own[e.Path]; return o, ok }, err
	}
	taken, err := ownersOnHost(host, sources)
	return func(e *rootfs.Entry) (report.Owner, bool) {
		if e.Source != "" {
			o, ok := taken[e.Source]
			return o, ok
		}
		o, ok := own[e.Path]
		return o, ok
	}, err
}

func ownersOnHost(host *rootfs.Host, paths []string) (map[string]report.Owner, error) {
	db, err := ownerdb.Open(host)
	if err != nil {
		return nil, err
	}
	return db.Of(paths...)
}

func ownersIn(root *rootfs.Tree, paths []string) (map[string]report.Owner, error) {
	db, err := ownerdb.Open(root)
	if errors.Is(err, ownerdb.ErrDamaged) { // which is somebody else's, and not what the page is for
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := db.Of(paths...)
	if errors.Is(err, ownerdb.ErrDamaged) {
		return nil, nil
	}
	return own, err
}

// writeReport writes the page of an image that somebody has made.
func (o *inspectOptions) writeReport(ctx context.Context, list *images) (err error) {
	img, err := list.one()
	if err != nil {
		return err
	}
	t := &openTree{Image: img, limits: o.limits()}
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.addLayers(ctx, img); err != nil {
		return err
	}
	return unlessDone(ctx, func() error {
		src, err := o.reportSource(ctx, t, list)
		if err != nil {
			return err
		}
		return writeFile(ctx, o.page, func(w io.Writer) error { return report.Write(ctx, w, src) })
	})
}

func (o *inspectOptions) reportSource(ctx context.Context, t *openTree, list *images) (*report.Source, error) {
	all, err := t.reasons(ctx)
	if err != nil {
		return nil, err
	}
	why := func(e *rootfs.Entry) []rootfs.Reason {
		if len(all[e.Path]) == 0 {
			return e.Why
		}
		return all[e.Path]
	}
	own, err := owners(t.Tree, nil)
	if err != nil {
		return nil, err
	}
	named, _ := t.named()
	i := inspect(t.Image)
	src := &report.Source{
		Title: i.title(), Platform: i.platform(), Root: t.Tree, Why: why, Own: own, Dlopen: elfdeps.Suggested,
		Programs: withMore(named, t.Tree, why), LibraryPath: libraryPathOf(t.Image.Config.Env),
		Documents: t.Image.Read, Place: o.reportPlace(list),
	}
	if i.Created != nil {
		src.Created = i.Created.UTC().Format(time.RFC3339)
	}
	switch src.Place.Kind {
	case report.Archive, report.Docker:
		src.Load = "docker load -i " + shellWord(src.Place.Name)
	case report.Registry:
		src.Load = "docker pull " + shellWord(src.Place.Name)
	}
	blobs := make([]pack.Blob, len(t.Image.Layers))
	for i, l := range t.Image.Layers {
		blobs[i] = l.Blob()
	}
	src.Layers = reportLayers(t.Image, blobs)
	return src, nil
}

// reportPlace returns where a shell finds the blobs of an image that was read.
func (o *inspectOptions) reportPlace(list *images) report.Place {
	if list.store == nil {
		return report.Place{Kind: report.Registry, Name: o.image}
	}
	file, _, err := splitImage(o.image)
	info, serr := os.Stat(file)
	if err != nil || serr != nil || file == stdin {
		return report.Place{}
	}
	switch format := list.store.Format; {
	case format == pack.FormatOCI && info.IsDir():
		return report.Place{Kind: report.Layout, Name: strings.TrimSuffix(file, "/")}
	case format == pack.FormatArchive, format == pack.FormatOCI:
		return report.Place{Kind: report.Archive, Name: file}
	case format == pack.FormatDocker && len(list.store.Images) == 1:
		return report.Place{Kind: report.Docker, Name: file}
	}
	return report.Place{}
}
