package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/rootfs"
)

// A page is all that is shown.
type page struct {
	Source   *Source
	Counts   []string
	Files    []*file
	Total    int // files, if the table has not all
	Graphs   []view
	Maps     []*treemap
	Legend   []legend
	Packages []*packageRow
	Steps    []step
	Absent   []fact
	Config   string
	Manifest string
	Types    []string // of files
	Data     data
}

// A view is a graph and what it is called.
type view struct {
	ID, Name, About string
	*graph
}

// A file is a row of the table.
type file struct {
	Row     int
	Path    string
	Type    string
	Target  string
	Mode    string
	Size    int64
	Package string
	Sum     string
	Asked   string
	Through string
	More    int // reasons that are not shown
}

// A legend is a colour of the treemap.
type legend struct {
	Colour  int
	Name    string
	Size    int64
	Percent float64
}

// mostFiles is how many rows the table of files has at most.
const mostFiles = 5000

// Sizes of the treemap, on a desk and in a hand.
const (
	mapWidth, mapHeight     = 1080, 420
	smallWidth, smallHeight = 358, 480
)

// Write writes the page of an image.
func Write(ctx context.Context, w io.Writer, s *Source) error {
	p, err := newPage(ctx, s)
	if err != nil {
		return err
	}
	return p.write(w)
}

func newPage(ctx context.Context, s *Source) (*page, error) {
	p := &page{Source: s}
	rows, weights, err := p.addFiles(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.addGraphs(ctx, rows); err != nil {
		return nil, err
	}
	p.addMaps(weights)
	if p.Packages, err = packageRows(s); err != nil {
		return nil, err
	}
	p.Steps = s.steps()
	p.Absent = facts(s.Root)
	p.Config, p.Manifest = indented(s.Documents.Config), indented(s.Documents.Manifest)
	p.count()
	p.Data = newData(p)
	return p, nil
}

// addFiles lists the files, of very many the biggest. It returns the rows by path,
// and what each package weighs.
func (p *page) addFiles(ctx context.Context) (rows map[string]int, weights []weight, err error) {
	var list []*rootfs.Entry
	for e := range p.Source.Root.All() {
		list = append(list, e)
		if e.Mode.IsRegular() && e.Hardlink == "" {
			weights = append(weights, weight{printable(e.Path), p.packageOf(e), e.Size})
		}
	}
	if p.Total = len(list); p.Total > mostFiles {
		slices.SortStableFunc(list, func(a, b *rootfs.Entry) int { return cmp.Compare(b.Size, a.Size) })
		list = list[:mostFiles]
		slices.SortFunc(list, func(a, b *rootfs.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
	rows = make(map[string]int, len(list))
	for i, e := range list {
		f := p.newFile(e)
		f.Row = i
		if e.Mode.IsRegular() && e.Hardlink == "" {
			if f.Sum, err = sum(ctx, e); err != nil {
				return nil, nil, err
			}
		}
		if !slices.Contains(p.Types, f.Type) {
			p.Types = append(p.Types, f.Type)
		}
		rows[e.Path] = i
		p.Files = append(p.Files, f)
	}
	slices.Sort(p.Types)
	return rows, weights, nil
}

func (p *page) packageOf(e *rootfs.Entry) string {
	if o, ok := p.Source.Own(e); ok && !e.Mode.IsDir() {
		return o.Name
	}
	return ""
}

func (p *page) newFile(e *rootfs.Entry) *file {
	f := &file{
		Path: printable(e.Path), Type: typeName(e), Target: printable(cmp.Or(e.Link, e.Hardlink)),
		Mode: fmt.Sprintf("%04o", rootfs.UnixPerm(e.Mode)), Size: e.Size, Package: p.packageOf(e),
	}
	if why := p.Source.Why(e); len(why) > 0 {
		f.Asked, f.More = printable(why[0].From), len(why)-1
		f.Through = printable(strings.TrimSpace(why[0].Kind + " " + why[0].Text))
	}
	return f
}

func typeName(e *rootfs.Entry) string {
	switch {
	case e.Hardlink != "":
		return "hard link"
	case e.Link != "":
		return "link"
	case e.Mode.IsDir():
		return "folder"
	case e.Mode.IsRegular():
		return "file"
	case e.Mode&fs.ModeNamedPipe != 0:
		return "pipe"
	}
	return "device"
}

// addGraphs draws the closure by files and by packages.
func (p *page) addGraphs(ctx context.Context, rows map[string]int) error {
	c, err := p.Source.closure(ctx)
	if err != nil {
		return err
	}
	root := p.Source.Root
	g := newGraph(c, func(name string) string {
		if real, err := root.RealPath(name); err == nil {
			return real
		}
		return path.Clean(name)
	})
	for _, n := range g.Nodes {
		if row, ok := rows[n.Path]; ok {
			n.Row = row
		}
		if e := root.Entry(n.Path); e != nil && n.Path != "" {
			n.Package, n.size = p.packageOf(e), e.Size
		}
		n.Label, n.Path = printable(n.Label), printable(n.Path)
	}
	byPackage := g.packages()
	g.group()
	for _, v := range []view{{"files", "files", "programs and libraries", g}, {"packages", "packages", "packages", byPackage}} {
		if v.graph != nil && len(v.Nodes) > 0 {
			v.settle()
			v.layOut()
			p.Graphs = append(p.Graphs, v)
		}
	}
	return nil
}

// addMaps draws where the bytes are.
func (p *page) addMaps(weights []weight) {
	sizes := make(map[string]int64)
	var total int64
	for _, w := range weights {
		sizes[w.group] += w.size
		total += w.size
	}
	var names []string
	for name := range sizes {
		if name != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) })
	colour := map[string]int{"": colours}
	rest := legend{Colour: colours, Name: "no package"}
	rest.Size = sizes[""]
	for i, name := range names {
		colour[name] = min(i, colours)
		if i < colours {
			p.Legend = append(p.Legend, legend{i, name, sizes[name], percent(sizes[name], total)})
			continue
		}
		rest.Size += sizes[name]
		rest.Name = "other packages, or none"
	}
	if rest.Size > 0 {
		rest.Percent = percent(rest.Size, total)
		p.Legend = append(p.Legend, rest)
	}
	if total > 0 {
		p.Maps = []*treemap{
			newTreemap(mapWidth, mapHeight, weights, colour),
			newTreemap(smallWidth, smallHeight, weights, colour),
		}
	}
}

func percent(part, of int64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(part) / float64(of)
}

// count says in a few words what there is.
func (p *page) count() {
	files := 0
	var bytes int64
	for e := range p.Source.Root.All() {
		if e.Mode.IsRegular() && e.Hardlink == "" {
			files++
			bytes += e.Size
		}
	}
	p.Counts = append(p.Counts, p.Source.Platform, plural(files, "file"), plural(p.Total, "path"), units.Size(bytes), plural(len(p.Source.Layers), "layer"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
