package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
)

// A treemap is a rectangle whose parts have areas in proportion to sizes.
type treemap struct {
	Width, Height int
	Tiles         []*tile
}

// A tile is a file, or all the small ones of a package.
type tile struct {
	rect
	Label, Detail string // "" where they do not fit
	Title         string
	Colour        int
	name          string
	size          int64
	group         string
}

type rect struct{ X, Y, W, H float64 }

// colours is how many packages have one of their own; the rest has the last.
const colours = 8

// A weight is the name and size of what becomes a tile.
type weight struct {
	name, group string
	size        int64
}

// leastTile is the part of all bytes below which a file is drawn together with
// others.
const leastTile = 1.0 / 600

// newTreemap returns the treemap of files, those of a package side by side.
func newTreemap(width, height int, files []weight, colour map[string]int) *treemap {
	m := &treemap{Width: width, Height: height}
	groups := gather(files)
	sizes := make([]float64, len(groups))
	for i, g := range groups {
		sizes[i] = float64(g.size)
	}
	for i, r := range squarify(sizes, rect{0, 0, float64(width), float64(height)}) {
		g := groups[i]
		inner := make([]float64, len(g.tiles))
		for j, t := range g.tiles {
			inner[j] = float64(t.size)
		}
		for j, place := range squarify(inner, r) {
			t := g.tiles[j]
			t.rect, t.Colour = place, colour[t.group]
			t.label()
			m.Tiles = append(m.Tiles, t)
		}
	}
	return m
}

type tileGroup struct {
	size  int64
	tiles []*tile
}

// gather returns the files of each package, the biggest first, with small ones as
// one tile.
func gather(files []weight) []tileGroup {
	var total int64
	for _, f := range files {
		total += f.size
	}
	index := make(map[string]int)
	var groups []tileGroup
	small := make(map[string]*tile)
	count := make(map[string]int)
	for _, f := range files {
		if f.size == 0 {
			continue
		}
		i, known := index[f.group]
		if !known {
			i = len(groups)
			index[f.group] = i
			groups = append(groups, tileGroup{})
		}
		g := &groups[i]
		g.size += f.size
		if float64(f.size) >= leastTile*float64(total) {
			g.tiles = append(g.tiles, &tile{name: f.name, size: f.size, group: f.group})
			continue
		}
		if small[f.group] == nil {
			small[f.group] = &tile{group: f.group}
			g.tiles = append(g.tiles, small[f.group])
		}
		t := small[f.group]
		count[f.group]++
		t.size += f.size
		t.name = f.name
		if n := count[f.group]; n > 1 {
			t.name = fmt.Sprintf("%d small files", n)
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g.tiles, func(a, b *tile) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name)) })
	}
	slices.SortStableFunc(groups, func(a, b tileGroup) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.tiles[0].name, b.tiles[0].name))
	})
	return groups
}

// label gives a tile the text that fits into it.
func (t *tile) label() {
	const wide, line = 6.7, 15.0 // of 11 pixels
	t.Title = t.name + ", " + units.Size(t.size)
	if t.group != "" {
		t.Title += ", " + t.group
	}
	const fewest = 8 // letters of a name that is cut off
	fits := func(text string) bool { return wide*float64(utf8.RuneCountInString(text))+8 <= t.W }
	base := t.name[1+strings.LastIndexByte(t.name, '/'):]
	if !fits(base) {
		r := []rune(base)
		keep := int((t.W-8)/wide) - 1
		if keep < fewest || keep >= len(r) {
			return
		}
		base = string(r[:keep]) + "…"
	}
	if t.H < line+3 {
		return
	}
	t.Label = base
	if detail := units.Size(t.size); fits(detail) && t.H >= 2*line+3 {
		t.Detail = detail
	}
}

// TextX and the others are where labels stand.
func (t *tile) TextX() float64   { return t.X + 5 }
func (t *tile) TextY() float64   { return t.Y + 14 }
func (t *tile) DetailY() float64 { return t.Y + 28 }

// squarify divides a rectangle into parts whose areas are as the sizes, which are
// sorted from big to small, and which are as near to squares as can be (Bruls,
// Huizing and van Wijk, Squarified Treemaps, 2000).
func squarify(sizes []float64, r rect) []rect {
	var sum float64
	for _, s := range sizes {
		sum += s
	}
	if sum == 0 {
		return make([]rect, len(sizes))
	}
	scale := r.W * r.H / sum
	var places []rect
	for len(sizes) > 0 {
		side := min(r.W, r.H)
		n, area := 1, sizes[0]*scale
		for n < len(sizes) {
			more := area + sizes[n]*scale
			if worst(sizes[:n+1], scale, more, side) > worst(sizes[:n], scale, area, side) {
				break
			}
			n, area = n+1, more
		}
		row, rest := cut(sizes[:n], scale, area, r)
		places = append(places, row...)
		sizes, r = sizes[n:], rest
	}
	return places
}

// worst is the most elongated of the parts of a row along a side.
func worst(sizes []float64, scale, area, side float64) float64 {
	if side == 0 || area == 0 {
		return 0
	}
	big, small := sizes[0]*scale, sizes[len(sizes)-1]*scale
	return max(side*side*big/(area*area), area*area/(side*side*small))
}

// cut takes a row of parts from the shorter side of a rectangle.
func cut(sizes []float64, scale, area float64, r rect) (row []rect, rest rect) {
	if r.W == 0 || r.H == 0 {
		return make([]rect, len(sizes)), r
	}
	if r.W >= r.H {
		w, y := area/r.H, r.Y
		for _, s := range sizes {
			h := s * scale / w
			row = append(row, rect{r.X, y, w, h})
			y += h
		}
		return row, rect{r.X + w, r.Y, max(0, r.W-w), r.H}
	}
	h, x := area/r.W, r.X
	for _, s := range sizes {
		w := s * scale / h
		row = append(row, rect{x, r.Y, w, h})
		x += w
	}
	return row, rect{r.X, r.Y + h, r.W, max(0, r.H-h)}
}
