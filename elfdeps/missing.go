package elfdeps

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Missing is an unmet need of an object in some program's link map.
type Missing struct {
	Program string // as asked for
	By      string // path of the object that has the need
	Arch    Arch   // of that object
	Need    Need
	Search  []Probe // as [Program.Search] has it
}

// misses reports whether a dependency of o has already turned out to be unmet.
func (o *Object) misses(dep Dependency) bool {
	for i := range o.Needs {
		if n := &o.Needs[i]; n.Object == nil && n.Dependency == dep {
			return true
		}
	}
	return false
}

// A MissingError lists every unmet need of a closure.
type MissingError struct{ Missing []Missing }

// Error has a line for each need. What an object of several programs lacks in
// all of them is said once.
func (e *MissingError) Error() string {
	var lines []string
	seen := make(map[string]bool)
	for _, m := range e.Missing {
		if line := m.String(); !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes a missing library errors.Is fs.ErrNotExist.
func (e *MissingError) Unwrap() error { return fs.ErrNotExist }

// String says in one line who wants what and where it was looked for, in order.
func (m Missing) String() string {
	n := m.Need
	switch {
	case len(n.Lacks) > 0:
		return fmt.Sprintf("%s has no version %s of its symbols, needed by %s",
			n.Object.Path, strings.Join(n.Lacks, ", "), m.By)
	case n.Tag == elf.DT_VERNEED:
		return fmt.Sprintf("%s needs versions of %s, which nothing here is loaded as", m.By, n.Name)
	case n.Starts():
		return m.startText()
	case n.Interp():
		return fmt.Sprintf("%s, the interpreter of %s: %s", n.Name, m.By, n.Tried[0].Reason)
	case n.Name == "":
		return fmt.Sprintf("%s has a %v without a name", m.By, n.Tag)
	}
	s := n.Name + ", needed by " + m.By + ": "
	if n.Dlopen != nil {
		s = strings.Join(n.Dlopen.Sonames, " or ") + ", which " + m.By + " may open later: "
	}
	if len(m.Search) == 0 {
		return s + "the loader has no place to look"
	}
	last := m.Search[len(m.Search)-1]
	switch {
	case last.Fatal:
		return s + fmt.Sprintf("%s (%v): %s; the loader stops there", last.Path, last.Rule, last.Reason)
	case last.Rule.Kind == RulePath:
		return s + last.Reason
	}
	return s + "not found in " + strings.Join(where(m.Search), "; ")
}

// brief says in a few words what is missing.
func (m Missing) brief() string {
	switch n := m.Need; {
	case len(n.Lacks) > 0:
		return m.String()
	default:
		return fmt.Sprintf("%s, needed by %s, is not found", n.Name, m.By)
	}
}

// where returns the places that were looked at: the directories of one path, or
// of one kind, together, with what is wrong with the files that are there.
func where(probes []Probe) []string {
	var places []string
	seen := make(map[string]bool)
	for len(probes) > 0 {
		first := probes[0].Rule
		n := slices.IndexFunc(probes, func(p Probe) bool { return p.Rule.Kind != first.Kind || p.Rule.Of != first.Of })
		if n < 0 {
			n = len(probes)
		}
		if place := first.group(elements(probes[:n])); !seen[place] {
			seen[place] = true
			places = append(places, place)
		}
		probes = probes[n:]
	}
	return places
}

// elements returns the elements of the path that probes of one kind are in,
// each once.
func elements(probes []Probe) []string {
	var list []string
	seen := make(map[string]bool)
	for _, p := range probes {
		dir := p.Rule.dir()
		switch {
		case p.Rule.Kind == RuleCache && strings.HasSuffix(p.Path, cacheName):
			dir = "(" + p.Reason + ")"
		case p.Rule.Kind == RuleCache:
			dir = fmt.Sprintf("(%s: %s)", p.Path, p.Reason)
		case p.Reason != reasonAbsent:
			dir += fmt.Sprintf(" (%s: %s)", p.Path, p.Reason)
		}
		if !seen[dir] {
			seen[dir] = true
			list = append(list, dir)
		}
	}
	return list
}

// group names a step of the search with all the elements that it went through.
func (r Rule) group(elements []string) string {
	list := strings.Join(elements, ", ")
	switch r.Kind {
	case RuleRpath:
		return "DT_RPATH " + list + " of " + r.Of
	case RuleRunpath:
		return "DT_RUNPATH " + list + " of " + r.Of
	case RuleLibraryPath:
		return "library path " + list
	case RuleCache:
		return "ld.so.cache " + list
	case RuleConf:
		return "ld.so.conf " + list
	case RuleEnv:
		return "PATH " + list
	case RuleDefault:
		if len(elements) > 1 {
			return "default directories " + list
		}
		return "default directory " + list
	}
	return r.String()
}

// Search returns all that was looked at in vain for a need of the program: its
// Tried, and ld.so.cache where that has nothing, in search order.
func (p *Program) Search(n Need) []Probe {
	l := p.Loader
	if l == nil || l.Musl || l.CachePath == "" || len(n.Lacks) > 0 {
		return n.Tried
	}
	asked := "" // for what the cache was asked last
	var probes []Probe
	for _, t := range n.Tried {
		name := path.Base(t.Path)
		if t.Rule.Kind == RuleCache {
			asked = name
		}
		if t.Rule.afterCache() && name != asked {
			asked = name
			probes = append(probes, l.noEntry(name))
		}
		probes = append(probes, t)
	}
	if asked == "" && n.askedCache() {
		probes = append(probes, l.noEntry(n.Name))
	}
	return probes
}

// afterCache reports whether the rule is one that is asked after ld.so.cache.
func (r Rule) afterCache() bool { return r.Kind == RuleConf || r.Kind == RuleDefault }

// askedCache reports whether the search for a need came as far as the cache.
func (n Need) askedCache() bool {
	if n.Object != nil {
		return n.Rule.afterCache()
	}
	stopped := len(n.Tried) > 0 && n.Tried[len(n.Tried)-1].Fatal
	searched := n.Name != "" && !strings.ContainsAny(n.Name, "/$")
	return searched && !stopped && !n.Interp()
}

// cacheName is how the path of a cache ends.
const cacheName = "/ld.so.cache"

// noEntry says why the cache has nothing for a name.
func (l *Loader) noEntry(name string) Probe {
	reason := "no entry"
	switch {
	case l.Cache == nil:
		reason = "absent or unusable"
	case l.lookUp(name).path != "":
		reason = "its entry leads to a default directory, which DF_1_NODEFLIB excludes"
	case len(l.Cache.Lookup(name)) > 0:
		reason = "no entry for this platform"
	}
	return Probe{Path: l.CachePath, Rule: Rule{Kind: RuleCache}, Reason: reason}
}
