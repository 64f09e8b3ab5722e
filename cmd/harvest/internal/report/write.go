package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
)

// The parts of a page, each as a contributor edits it.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// data is what the page's script, or any other program, reads of it.
type data struct {
	Title    string      `json:"title"`
	Platform string      `json:"platform"`
	ImageID  string      `json:"imageId,omitempty"`
	Manifest string      `json:"manifest,omitempty"`
	Graphs   []dataGraph `json:"graphs"`
}

type dataGraph struct {
	ID    string     `json:"id"`
	Nodes []dataNode `json:"nodes"`
	Edges [][2]int   `json:"edges"` // from, to
}

type dataNode struct {
	Label   string   `json:"label"`
	Path    string   `json:"path,omitempty"`
	Package string   `json:"package,omitempty"`
	Members []string `json:"members,omitempty"`
	By      int      `json:"by"` // the edge that brought it in, -1 if none did
	Rule    string   `json:"rule,omitempty"`
}

func newData(p *page) data {
	d := data{
		Title: p.Source.Title, Platform: p.Source.Platform,
		ImageID: digestOf(p.Source.Documents.Config).String(), Manifest: digestOf(p.Source.Documents.Manifest).String(),
		Graphs: []dataGraph{},
	}
	for _, v := range p.Graphs {
		g := dataGraph{ID: v.ID, Nodes: []dataNode{}, Edges: [][2]int{}}
		edges := make(map[*edge]int)
		for i, e := range v.Edges {
			edges[e] = i
			g.Edges = append(g.Edges, [2]int{e.From.ID, e.To.ID})
		}
		for _, n := range v.Nodes {
			dn := dataNode{Label: n.Label, Path: n.Path, Package: n.Package, Members: n.Members, By: -1}
			if n.Brought != nil {
				dn.By, dn.Rule = edges[n.Brought], n.Brought.Rule
			}
			g.Nodes = append(g.Nodes, dn)
		}
		d.Graphs = append(d.Graphs, g)
	}
	return d
}

// CSS is the style of the page.
func (*page) CSS() template.CSS { return template.CSS(pageCSS) }

// Script is what the page does if it may.
func (*page) Script() template.JS { return template.JS(pageJS) } //nolint:gosec // it is ours

// Policy says what a browser may do for the page: nothing but use the style and
// the script in it.
func (*page) Policy() string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", sourceHash(pageCSS), sourceHash(pageJS))
}

// sourceHash names a script or style in a Content-Security-Policy (CSP level 3).
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// write writes the page.
func (p *page) write(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"size":   units.Size,
		"plural": plural,
		"number": number,
		"percent": func(p float64) string {
			if p < 0.5 {
				return "less than 1 %"
			}
			return fmt.Sprintf("%.0f %%", p)
		},
	}).Parse(pageHTML)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	out := bufio.NewWriter(w)
	if err := t.Execute(out, p); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return out.Flush()
}

// number writes a coordinate.
func number(f float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
}
