package report

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// randomGraph returns a graph with circles, several roots and nodes that nothing
// leads to.
func randomGraph(r *rand.Rand) *graph {
	g := &graph{}
	for i := range 1 + r.IntN(120) {
		g.Nodes = append(g.Nodes, &node{ID: i, Label: fmt.Sprintf("lib%0*d.so", 1+r.IntN(50), i)})
	}
	seen := make(map[[2]int]bool)
	for range r.IntN(3 * len(g.Nodes)) {
		from, to := r.IntN(len(g.Nodes)), r.IntN(len(g.Nodes))
		if from != to && !seen[[2]int{from, to}] {
			seen[[2]int{from, to}] = true
			g.Edges = append(g.Edges, &edge{From: g.Nodes[from], To: g.Nodes[to], How: needed, Common: r.IntN(4) == 0})
		}
	}
	return g
}

// No two boxes overlap, none is outside, every label fits, an edge leads to the
// next layer at most, and edges of the tree do not cross.
func TestALayoutIsLegible(t *testing.T) {
	for seed := range uint64(300) {
		g := randomGraph(rand.New(rand.NewPCG(seed, 0)))
		g.settle()
		g.layOut()
		for i, a := range g.Nodes {
			if a.X < 0 || a.Y < 0 || a.X+a.W > g.Width || a.Y+a.H > g.Height {
				t.Fatalf("seed %d: %+v is outside of %d x %d", seed, a, g.Width, g.Height)
			}
			if need := int(letter * float64(len([]rune(a.Short())))); a.TextX()+need > a.X+a.W {
				t.Fatalf("seed %d: %s does not fit into %d", seed, a.Short(), a.W)
			}
			for _, b := range g.Nodes[:i] {
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Fatalf("seed %d: %+v overlaps %+v", seed, a, b)
				}
				if crossed(a, b) {
					t.Fatalf("seed %d: the way to %s crosses that to %s", seed, a.Label, b.Label)
				}
			}
		}
		for _, e := range g.Edges {
			if e.To.Layer > e.From.Layer+1 {
				t.Fatalf("seed %d: from layer %d to %d", seed, e.From.Layer, e.To.Layer)
			}
		}
	}
}

// crossed reports whether what brought two nodes in crosses.
func crossed(a, b *node) bool {
	if a.Brought == nil || b.Brought == nil || a.Layer != b.Layer || a.Brought.From == b.Brought.From {
		return false
	}
	return (a.Y < b.Y) != (a.Brought.From.Y < b.Brought.From.Y)
}
