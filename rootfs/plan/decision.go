package plan

import (
	"fmt"
	"slices"
	"strings"
)

// A Decision is what was made of evidence.
type Decision struct {
	Recipe string // its name
	Why    string // the evidence, in words
	Added  bool   // else it is a hint that the recipe could be wanted
	Paths  int    // that were added, and their bytes
	Size   int64

	named []string        // what the evidence names, each once
	seen  map[string]bool // likewise
}

// mostNamed is how many things that evidence names are listed.
const mostNamed = 3

// names adds to what the evidence names.
func (d *Decision) names(what string) {
	if d.seen == nil {
		d.seen = make(map[string]bool)
	}
	if !d.seen[what] {
		d.seen[what] = true
		d.named = append(d.named, what)
	}
}

// why returns the evidence in words, however much there is.
func (d *Decision) why() string {
	rest := slices.DeleteFunc(slices.Clone(d.named), func(name string) bool { return strings.HasSuffix(d.Why, " "+name) })
	shown := min(len(rest), mostNamed-1)
	text := strings.Join(append([]string{d.Why}, rest[:shown]...), ", ")
	if more := len(rest) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// decision returns that of a key, which is begun if there is none.
func (p *pantry) decision(key, name, why string) *Decision {
	d := p.by[key]
	if d == nil {
		d = &Decision{Recipe: name, Why: why}
		p.by[key] = d
		p.order = append(p.order, d)
	}
	return d
}

// decisions returns what was decided, hints last.
func (p *pantry) decisions() []Decision {
	var list []Decision
	for _, d := range p.order {
		if d.Added {
			decided := *d
			decided.Why = d.why()
			list = append(list, decided)
		}
	}
	if !p.Auto {
		return list
	}
	for _, r := range p.Book.Recipes {
		if d := p.by[r.Name]; d != nil && d.Added || slices.Contains(p.Without, r.Name) {
			continue
		}
		if weak := r.Weak(&p.facts); len(weak) > 0 {
			list = append(list, Decision{Recipe: r.Name, Why: weak[0].String()})
		}
	}
	return list
}
