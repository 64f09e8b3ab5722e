package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A graph is the picture of a closure: a node for each file, however many
// programs load it, and for each name that is missing.
type graph struct {
	nodes []graphNode
	edges []graphEdge
}

type graphNode struct {
	label string
	kind  nodeKind
}

// A nodeKind is how a node looks.
type nodeKind int

const (
	nodeLibrary nodeKind = iota
	nodeProgram
	nodeMissing
)

type graphEdge struct {
	from, to int // indices of nodes
	label    string
	later    bool // by dlopen
}

// newGraph returns the graph of a closure, in load order.
func newGraph(r *resolved) *graph {
	g := &grapher{
		host:   r.host,
		index:  make(map[string]int),
		paths:  make(map[string]int),
		labels: make(map[graphEdge]bool),
		pairs:  make(map[[2]int]bool),
	}
	for p := range r.All() {
		g.nodes[g.file(p.Self().Path)].kind = nodeProgram
	}
	var loaded []graphEdge
	for p := range r.All() {
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				e := g.edge(o, n)
				if e.label == "" {
					loaded = append(loaded, e)
					continue
				}
				g.add(e)
			}
		}
	}
	for _, e := range loaded { // unless some program says more of it
		if !g.pairs[[2]int{e.from, e.to}] {
			g.add(e)
		}
	}
	return &g.graph
}

// A grapher makes a graph.
type grapher struct {
	graph
	host   *rootfs.Host
	index  map[string]int // of nodes, by real path or missing name
	paths  map[string]int // likewise, by path
	labels map[graphEdge]bool
	pairs  map[[2]int]bool // of nodes with an edge
}

// file returns the node of a file.
func (g *grapher) file(name string) int {
	if i, ok := g.paths[name]; ok {
		return i
	}
	real, err := g.host.RealPath(name)
	if err != nil {
		real = name
	}
	label := name
	if strings.Contains(name, "/../") {
		label = real
	}
	i := g.node(real, label, nodeLibrary)
	g.paths[name] = i
	return i
}

func (g *grapher) node(key, label string, kind nodeKind) int {
	i, known := g.index[key]
	if !known {
		i = len(g.nodes)
		g.index[key] = i
		g.nodes = append(g.nodes, graphNode{label, kind})
	}
	return i
}

// edge returns the edge of a need, without a label if the library was loaded
// already under that name.
func (g *grapher) edge(o *elfdeps.Object, n elfdeps.Need) graphEdge {
	e := graphEdge{from: g.file(o.Path), later: n.Dlopen != nil}
	if n.Object == nil {
		e.to = g.node("missing "+n.Name, n.Name, nodeMissing)
		e.label = "not found"
	} else {
		e.to = g.file(n.Object.Path)
		if n.Rule.Kind != elfdeps.RuleLoaded {
			e.label = n.Rule.String()
		}
	}
	if kind := needKind(n); kind != "" {
		e.label = strings.TrimPrefix(e.label+"; "+kind, "; ")
	}
	if len(n.Lacks) > 0 {
		e.label = strings.TrimPrefix(e.label+"; lacks version "+strings.Join(n.Lacks, ", "), "; ")
	}
	return e
}

// add adds an edge, once.
func (g *grapher) add(e graphEdge) {
	if g.labels[e] {
		return
	}
	g.labels[e] = true
	g.pairs[[2]int{e.from, e.to}] = true
	g.edges = append(g.edges, e)
}

// printDot prints a closure in Graphviz's language.
func printDot(w io.Writer, r *resolved) error {
	g := newGraph(r)
	var b strings.Builder
	b.WriteString("digraph harvest {\n\trankdir=LR\n\tnode [shape=box fontname=monospace]\n\tedge [fontsize=10]\n")
	for i, n := range g.nodes {
		b.WriteString("\t" + nodeID(i) + " [label=" + dotQuote(n.label))
		switch n.kind {
		case nodeProgram:
			b.WriteString(" style=bold")
		case nodeMissing:
			b.WriteString(" style=dashed color=red fontcolor=red")
		}
		b.WriteString("]\n")
	}
	for _, e := range g.edges {
		b.WriteString("\t" + nodeID(e.from) + " -> " + nodeID(e.to))
		var attrs []string
		if e.label == "" {
			attrs = append(attrs, "color=gray", `tooltip="already loaded"`)
		} else {
			attrs = append(attrs, "label="+dotQuote(e.label))
		}
		if e.later {
			attrs = append(attrs, "style=dashed")
		}
		if g.nodes[e.to].kind == nodeMissing {
			attrs = append(attrs, "color=red")
		}
		b.WriteString(" [" + strings.Join(attrs, " ") + "]\n")
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func nodeID(i int) string { return "n" + strconv.Itoa(i) }

// dotEscapes are what an escString and the entities in it would take for more
// than text (graphviz.org/docs/attr-types/escString).
var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;")

func dotQuote(s string) string { return `"` + dotEscapes.Replace(printable(s)) + `"` }

// printMermaid prints a closure as a Mermaid flowchart.
func printMermaid(w io.Writer, r *resolved) error {
	g := newGraph(r)
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, n := range g.nodes {
		b.WriteString("    " + nodeID(i) + "[" + mermaidQuote(n.label) + "]")
		switch n.kind {
		case nodeProgram:
			b.WriteString(":::program")
		case nodeMissing:
			b.WriteString(":::missing")
		}
		b.WriteString("\n")
	}
	for _, e := range g.edges {
		arrow := " --> "
		if e.later {
			arrow = " -.-> "
		}
		if e.label != "" {
			arrow = strings.TrimRight(arrow, " ") + "|" + mermaidQuote(e.label) + "| "
		}
		b.WriteString("    " + nodeID(e.from) + arrow + nodeID(e.to) + "\n")
	}
	b.WriteString("    classDef program stroke-width:3px\n")
	b.WriteString("    classDef missing stroke:#c00,color:#c00,stroke-dasharray:4 3\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// mermaidEscapes are what a quoted text would take for markup: it knows entity
// codes, HTML, Markdown and formulas.
var mermaidEscapes = strings.NewReplacer("#", "#35;", `"`, "#quot;", `\`, "#92;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;", "$$", "#36;#36;")

func mermaidQuote(s string) string { return `"` + mermaidEscapes.Replace(printable(s)) + `"` }
