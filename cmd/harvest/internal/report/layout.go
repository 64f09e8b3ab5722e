package report

import (
	"cmp"
	"fmt"
	"slices"
)

// Measures of a graph, in pixels. Labels are set in a monospaced font of 12 pixels.
const (
	letter    = 7.25 // width of a letter
	padding   = 10   // on both sides of a label
	rowHeight = 28   // from one node to the next
	boxHeight = 22
	gap       = 64 // between layers, where edges bend
	margin    = 6
	mostLabel = 32 // letters; longer ones are cut in the middle
)

// layOut gives each node of a settled graph its place: layers from left to right,
// and in each what one node brought in side by side, so that no two edges of the
// tree cross. A node stands at the middle of what it brought in, and subtrees are
// as close to each other as their layers permit (Reingold and Tilford, Tidier
// Drawings of Trees, 1981). In a large graph, whose middle would be out of sight, it
// stands beside the first, and what brought little in comes first.
func (g *graph) layOut() {
	children := make(map[*node][]*node)
	var roots []*node
	layers := 0
	for _, n := range g.Nodes {
		layers = max(layers, n.Layer+1)
		if n.Brought == nil {
			roots = append(roots, n)
		} else {
			children[n.Brought.From] = append(children[n.Brought.From], n)
		}
	}
	if len(g.Nodes) > largeNodes {
		weight := make(map[*node]int)
		for _, r := range roots {
			weighSubtree(r, children, weight)
		}
		for _, kids := range children {
			slices.SortStableFunc(kids, func(a, b *node) int { return cmp.Compare(weight[a], weight[b]) })
		}
	}
	var below []int // for each layer, the first height that is free
	for _, r := range roots {
		t := g.subtree(r, children)
		below = t.under(below)
	}
	g.columns(layers)
	for _, n := range g.Nodes {
		n.Y += margin
		n.H = boxHeight
		n.Turn = n.Y + boxHeight/2
		g.Height = max(g.Height, n.Y+rowHeight)
	}
	for _, e := range g.Edges {
		e.Curve = curve(e.From, e.To)
	}
}

// weighSubtree counts what each node brought in, and what that did.
func weighSubtree(n *node, children map[*node][]*node, weight map[*node]int) int {
	sum := 1
	for _, kid := range children[n] {
		sum += weighSubtree(kid, children, weight)
	}
	weight[n] = sum
	return sum
}

// columns gives all nodes of a layer one width, and the layers their places.
func (g *graph) columns(layers int) {
	widths := make([]int, layers)
	for _, n := range g.Nodes {
		widths[n.Layer] = max(widths[n.Layer], int(letter*float64(len([]rune(n.Short())))+2*padding))
	}
	at := make([]int, layers)
	x := margin
	for i, w := range widths {
		at[i] = x
		x += w + gap
	}
	g.Width = x - gap/2
	for _, n := range g.Nodes {
		n.X, n.W = at[n.Layer], widths[n.Layer]
	}
}

// A shape is a subtree that has been laid out: for each layer from its root's on,
// where it begins and ends.
type shape struct {
	nodes       []*node
	layer       int
	first, last []int
}

// subtree lays out a node with all that it brought in.
func (g *graph) subtree(n *node, children map[*node][]*node) *shape {
	s := &shape{nodes: []*node{n}, layer: n.Layer, first: []int{0}, last: []int{0}}
	kids := children[n]
	if len(kids) == 0 {
		n.Y = 0
		return s
	}
	for _, kid := range kids {
		t := g.subtree(kid, children)
		t.move(s.room(t))
		s.take(t)
	}
	n.Y = (kids[0].Y + kids[len(kids)-1].Y) / 2
	if len(g.Nodes) > largeNodes {
		n.Y = kids[0].Y
	}
	s.first[0], s.last[0] = n.Y, n.Y
	return s
}

// room returns how far down a subtree has to move to lie below what is in s.
func (s *shape) room(t *shape) int {
	down := 0
	for i := range t.first {
		if at := i + t.layer - s.layer; at < len(s.last) {
			down = max(down, s.last[at]+rowHeight-t.first[i])
		}
	}
	if len(s.nodes) == 1 { // its place follows from those of its children
		down = -t.nodes[0].Y
	}
	return down
}

func (s *shape) move(down int) {
	for _, n := range s.nodes {
		n.Y += down
	}
	for i := range s.first {
		s.first[i] += down
		s.last[i] += down
	}
}

// take adds a subtree that lies below all that s has.
func (s *shape) take(t *shape) {
	s.nodes = append(s.nodes, t.nodes...)
	for i := range t.first {
		at := i + t.layer - s.layer
		if at == len(s.first) {
			s.first, s.last = append(s.first, t.first[i]), append(s.last, t.last[i])
		}
		s.last[at] = t.last[i]
	}
}

// under moves a subtree below what is there, and returns what is free then.
func (s *shape) under(below []int) []int {
	down := 0
	for i, first := range s.first {
		if i < len(below) {
			down = max(down, below[i]-first)
		} else {
			down = max(down, -first)
		}
	}
	s.move(down)
	for i, last := range s.last {
		if i == len(below) {
			below = append(below, 0)
		}
		below[i] = last + rowHeight
	}
	return below
}

// curve returns the path of an edge: from the right side of a node to the left of
// one in the next layer, to the right of one in the same, and from the left to the
// right of one in a layer before.
func curve(from, to *node) string {
	const bend = gap / 2
	x1, x2, b1, b2 := from.X+from.W, to.X, bend, -bend
	switch {
	case to.Layer == from.Layer:
		x2, b2 = to.X+to.W, bend
	case to.Layer < from.Layer:
		x1, x2, b1, b2 = from.X, to.X+to.W, -bend, bend
	}
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, from.Turn, x1+b1, from.Turn, x2+b2, to.Turn, x2, to.Turn)
}

// Short returns the label, cut in the middle if it is long.
func (n *node) Short() string {
	r := []rune(n.Label)
	if len(r) <= mostLabel {
		return n.Label
	}
	return string(r[:mostLabel/2]) + "…" + string(r[len(r)-mostLabel/2+1:])
}

// TextX is where the label begins.
func (n *node) TextX() int { return n.X + padding }

// TextY is the line that the label stands on.
func (n *node) TextY() int { return n.Turn + 4 }
