package report

import (
	"cmp"
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// A graph is a picture of who needs whom. Nodes are in the order in which programs
// load them; edges in the order of needs.
type graph struct {
	Nodes         []*node
	Edges         []*edge
	Width, Height int
	Large         bool // too many edges to show them all at once
}

// A node is a file, several programs that need the same, or a package.
type node struct {
	Label   string
	Kind    nodeKind
	Path    string // in the image, "" if it is none
	Package string
	Members []string // of a node that stands for several
	Row     int      // in the table of files, -1 if it is not there

	Brought *edge // why it is there; nil for what was asked for and what is missing

	ID, Layer        int
	X, Y, W, H, Turn int // Turn is the middle of its height
	size             int64
}

// A nodeKind is what a node stands for, as a class of CSS.
type nodeKind string

const (
	program nodeKind = "program"
	library nodeKind = "library"
	loader  nodeKind = "loader"
	missing nodeKind = "missing"
)

// An edge is a need.
type edge struct {
	From, To *node
	How      edgeKind
	Name     string // that was asked for
	Rule     string // by which it was found
	Common   bool   // it leads to the C library or the loader, as nearly everything does
	Tree     bool   // it is what brought To in, or all that From has
	Curve    string // as SVG has it
}

// An edgeKind is how a need is followed, as a class of CSS.
type edgeKind string

const (
	needed edgeKind = "needed" // DT_NEEDED, by the loader
	interp edgeKind = "interp" // PT_INTERP or #!, by the kernel
	dlopen edgeKind = "dlopen" // by the program, if it comes to that
)

// isLibc reports whether a library is that of C, which everything needs.
func isLibc(name string) bool {
	for _, prefix := range []string{"libc.so.", "libc.musl-", "ld-musl-", "libpthread.so.", "libdl.so.", "librt.so."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// A grapher makes the graph of a closure in which files are known by a path
// without links.
type grapher struct {
	graph
	real  func(string) string
	nodes map[string]*node
	edges map[[2]*node]*edge
}

// newGraph returns the graph of a closure, without places.
func newGraph(c *elfdeps.Closure, real func(string) string) *graph {
	g := &grapher{real: real, nodes: make(map[string]*node), edges: make(map[[2]*node]*edge)}
	for _, p := range c.Programs {
		g.file(p.Self().Path).Kind = program
	}
	for p := range c.All() {
		if p.Loader != nil {
			if n := g.file(p.Loader.Path); n.Kind != program {
				n.Kind = loader
			}
		}
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				g.need(g.file(o.Path), n)
			}
		}
	}
	g.number()
	return &g.graph
}

// file returns the node of a file.
func (g *grapher) file(name string) *node {
	real := g.real(name)
	if n := g.nodes[real]; n != nil {
		return n
	}
	return g.add(real, &node{Label: path.Base(name), Kind: library, Path: real})
}

func (g *grapher) add(key string, n *node) *node {
	n.Row = -1
	g.nodes[key] = n
	g.Nodes = append(g.Nodes, n)
	return n
}

// need adds the edge of a need. Of several needs from one file to another, the
// first counts that the loader follows itself.
func (g *grapher) need(from *node, need elfdeps.Need) {
	to := g.nodes["missing "+need.Name]
	switch {
	case need.Object != nil:
		to = g.file(need.Object.Path)
	case to == nil:
		to = g.add("missing "+need.Name, &node{Label: need.Name, Kind: missing})
	}
	if to == from {
		return
	}
	e := &edge{From: from, To: to, How: needed, Name: need.Name, Rule: ruleText(need), Common: to.Kind == loader || isLibc(need.Name)}
	switch {
	case need.Dlopen != nil:
		e.How = dlopen
	case need.Interp() || need.Starts():
		e.How = interp
	}
	key := [2]*node{from, to}
	have := g.edges[key]
	switch {
	case have == nil:
		g.edges[key] = e
		g.Edges = append(g.Edges, e)
	case have.How == dlopen && e.How != dlopen, have.Rule == "" && e.Rule != "" && have.How == e.How:
		*have = *e
	}
}

// ruleText says by which rule a need was met.
func ruleText(n elfdeps.Need) string {
	var words []string
	switch {
	case n.Object == nil:
		words = append(words, "not found")
	case n.Rule.Kind != elfdeps.RuleLoaded:
		words = append(words, n.Rule.String())
	}
	switch {
	case n.Dlopen != nil && n.Dlopen.Feature != "":
		words = append(words, fmt.Sprintf("dlopen, %v for %s", n.Dlopen.Priority, n.Dlopen.Feature))
	case n.Dlopen != nil:
		words = append(words, fmt.Sprintf("dlopen, %v", n.Dlopen.Priority))
	case n.Tag > elf.DT_NEEDED && !n.Interp() && !n.Starts():
		words = append(words, n.Tag.String())
	}
	if len(n.Lacks) > 0 {
		words = append(words, "lacks version "+strings.Join(n.Lacks, ", "))
	}
	return strings.Join(words, "; ")
}

// Limits of what is drawn as it is.
const (
	largeEdges = 120 // with more, those that brought nothing in are hidden at first
	largeNodes = 60  // with more, programs that need the same are one node
	leastGroup = 4   // if there are that many of them
)

// group makes one node of programs that need the same, if the graph is large.
func (g *graph) group() {
	if len(g.Nodes) <= largeNodes {
		return
	}
	out, in := make(map[*node][]string), make(map[*node]int)
	for _, e := range g.Edges {
		in[e.To]++
		out[e.From] = append(out[e.From], fmt.Sprint(e.To.ID, e.How))
	}
	alike := make(map[string][]*node)
	var keys []string
	for _, n := range g.Nodes {
		if n.Kind != program || in[n] > 0 {
			continue
		}
		slices.Sort(out[n])
		key := strings.Join(out[n], " ")
		if alike[key] == nil {
			keys = append(keys, key)
		}
		alike[key] = append(alike[key], n)
	}
	into := make(map[*node]*node)
	for _, key := range keys {
		list := alike[key]
		if len(list) < leastGroup {
			continue
		}
		first := list[0]
		for _, n := range list {
			into[n] = first
			first.Members = append(first.Members, n.Path)
		}
		slices.Sort(first.Members)
		first.Label = fmt.Sprintf("%d programs", len(list))
	}
	g.merge(into)
}

// merge puts nodes into others.
func (g *graph) merge(into map[*node]*node) {
	of := func(n *node) *node { return cmp.Or(into[n], n) }
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *node) bool { return of(n) != n })
	seen := make(map[[2]*node]*edge)
	g.Edges = slices.DeleteFunc(g.Edges, func(e *edge) bool {
		e.From, e.To = of(e.From), of(e.To)
		key := [2]*node{e.From, e.To}
		if have := seen[key]; have != nil || e.From == e.To {
			if have != nil && have.How == dlopen {
				have.How = e.How
			}
			return true
		}
		seen[key] = e
		return false
	})
	g.number()
}

// packages returns the same graph with a node for each package, nil if it would
// be no other. What is of no package stays as it is.
func (g *graph) packages() *graph {
	p := &graph{}
	into, of := make(map[*node]*node), make(map[string]*node)
	for _, n := range g.Nodes {
		c := *n
		c.Members = nil
		to := &c
		if n.Package != "" {
			if of[n.Package] == nil {
				c.Label, c.Row = n.Package, -1
				of[n.Package] = &c
				p.Nodes = append(p.Nodes, &c)
			}
			to = of[n.Package]
			to.Members = append(to.Members, cmp.Or(n.Path, n.Label))
			to.Kind = stronger(to.Kind, n.Kind)
		} else {
			p.Nodes = append(p.Nodes, to)
		}
		into[n] = to
	}
	if len(of) == 0 {
		return nil
	}
	for _, e := range g.Edges {
		c := *e
		c.From, c.To = into[e.From], into[e.To]
		p.Edges = append(p.Edges, &c)
	}
	p.merge(nil)
	return p
}

// stronger returns what a node is that holds two others.
func stronger(a, b nodeKind) nodeKind {
	for _, k := range []nodeKind{program, loader, library} {
		if a == k || b == k {
			return k
		}
	}
	return a
}

func (g *graph) number() {
	for i, n := range g.Nodes {
		n.ID = i
	}
}

// settle finds for each node what brought it in, breadth first from all that
// nothing needs, as a loader goes. So an edge never leads further than to the next
// layer.
func (g *graph) settle() {
	out := make(map[*node][]*edge)
	for _, e := range g.Edges {
		e.Tree = false
		out[e.From] = append(out[e.From], e)
	}
	queue := g.roots(out)
	reached := make(map[*node]bool)
	for _, n := range queue {
		n.Layer, n.Brought, reached[n] = 0, nil, true
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, e := range out[queue[0]] {
			if !reached[e.To] {
				e.To.Layer, e.To.Brought, reached[e.To] = queue[0].Layer+1, e, true
				e.Tree = true
				queue = append(queue, e.To)
			}
		}
	}
	for _, n := range g.Nodes {
		if len(out[n]) > 0 && n.Layer == 0 && !slices.ContainsFunc(out[n], func(e *edge) bool { return e.Tree || !e.Common }) {
			last := out[n][len(out[n])-1] // the C library rather than the loader, which comes first
			last.Tree = true
		}
	}
	g.Large = len(g.Edges) > largeEdges
}

// roots returns the nodes that nothing needs, and one of each circle that none of
// them leads to.
func (g *graph) roots(out map[*node][]*edge) []*node {
	in := make(map[*node]int)
	for _, e := range g.Edges {
		in[e.To]++
	}
	var roots []*node
	seen := make(map[*node]bool)
	var see func(*node)
	see = func(n *node) {
		seen[n] = true
		for _, e := range out[n] {
			if !seen[e.To] {
				see(e.To)
			}
		}
	}
	for _, circles := range []bool{false, true} {
		for _, n := range g.Nodes {
			if !seen[n] && (circles || in[n] == 0) {
				roots = append(roots, n)
				see(n)
			}
		}
	}
	return roots
}

// way returns the nodes from a program to one that it brought in.
func (n *node) way() []*node {
	way := []*node{n}
	for at := n; at.Brought != nil; {
		at = at.Brought.From
		way = append(way, at)
	}
	slices.Reverse(way)
	return way
}

// Way is the way from a program, as text.
func (n *node) Way() string {
	var labels []string
	for _, at := range n.way() {
		labels = append(labels, at.Label)
	}
	return strings.Join(labels, " → ")
}

// Tip says of a node what it is and why it is there.
func (n *node) Tip() string {
	lines := []string{cmp.Or(n.Path, n.Label)}
	if len(n.Members) > 0 {
		lines = []string{n.Label + ": " + strings.Join(n.Members, " ")}
	}
	if n.Package != "" && n.Label != n.Package {
		lines = append(lines, "package "+n.Package)
	}
	if n.Brought != nil {
		lines = append(lines, n.Way())
		if n.Brought.Rule != "" {
			lines = append(lines, n.Brought.Name+": "+n.Brought.Rule)
		}
	}
	return strings.Join(lines, "\n")
}
