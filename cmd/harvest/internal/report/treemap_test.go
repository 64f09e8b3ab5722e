package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// Areas are as sizes, tiles cover the map without overlapping, and labels fit.
func TestATreemapIsInProportion(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var files []weight
		var total float64
		for i := range 1 + r.IntN(300) {
			size := int64(math.Exp(r.Float64() * 18))
			files = append(files, weight{fmt.Sprintf("/usr/lib/file%d", i), fmt.Sprint(r.IntN(12)), size})
			total += float64(size)
		}
		m := newTreemap(1000, 400, files, nil)
		var area float64
		for i, a := range m.Tiles {
			if got, want := a.W*a.H, float64(a.size)*1000*400/total; math.Abs(got-want) > 0.01 {
				t.Fatalf("seed %d: %s has the area %f, want %f", seed, a.name, got, want)
			}
			area += a.W * a.H
			if a.X < -0.01 || a.Y < -0.01 || a.X+a.W > 1000.01 || a.Y+a.H > 400.01 {
				t.Fatalf("seed %d: %v is outside", seed, a.rect)
			}
			if w := 6.6 * float64(utf8.RuneCountInString(a.Label)); a.Label != "" && (w > a.W || a.H < 15) {
				t.Fatalf("seed %d: %s does not fit into %v", seed, a.Label, a.rect)
			}
			for _, b := range m.Tiles[:i] {
				w, h := min(a.X+a.W, b.X+b.W)-max(a.X, b.X), min(a.Y+a.H, b.Y+b.H)-max(a.Y, b.Y)
				if w > 0.01 && h > 0.01 {
					t.Fatalf("seed %d: %v overlaps %v", seed, a.rect, b.rect)
				}
			}
		}
		if math.Abs(area-1000*400) > 1 {
			t.Fatalf("seed %d: the tiles cover %f", seed, area)
		}
	}
}
