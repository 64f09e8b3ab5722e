package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/harvest-oci/harvest/rootfs"
)

// exclusion is what is left out of folders and all else that is added beside
// programs: paths of the image that patterns match, and what lies below them.
//
// A pattern is doublestar's: * and ? stand for no slash, ** between slashes for
// any number of folders, [a-z] for a letter, {a,b} for either, and \ takes the
// meaning from what follows. One that begins with a slash is for the whole path,
// any other for the end of it: *.bak is **/*.bak. One that ends in /** leaves the
// folder itself. Where the host has links on the way, as in a merged /usr, a whole
// path is meant with and without them.
type exclusion struct {
	patterns []string // as given
	globs    []excludeGlob
	used     []bool          // the patterns that have matched something
	below    map[string]bool // paths that were asked for, and whether they are left out
}

// An excludeGlob matches paths without their first slash.
type excludeGlob struct {
	text    string
	pattern int // the one that it stands for
}

// newExclusion reads patterns.
func newExclusion(host *rootfs.Host, patterns []string) (*exclusion, error) {
	x := &exclusion{patterns: patterns, used: make([]bool, len(patterns)), below: make(map[string]bool)}
	var errs []error
	for i, p := range patterns {
		glob := strings.TrimSuffix(p, "/")
		if glob == "" || !doublestar.ValidatePattern(glob) {
			errs = append(errs, &PatternError{p})
		}
		if !strings.HasPrefix(glob, "/") {
			glob = "/**/" + glob
		}
		x.globs = append(x.globs, excludeGlob{glob[1:], i})
		if real := unlinked(host, glob); real != glob {
			x.globs = append(x.globs, excludeGlob{real[1:], i})
		}
	}
	return x, errors.Join(errs...)
}

// unlinked returns a pattern without the links that the host has on the way to its
// first part that is not literal, or to its last.
func unlinked(host *rootfs.Host, glob string) string {
	dir := glob[:strings.LastIndexByte(glob, '/')]
	if meta := strings.IndexAny(dir, `*?[{\`); meta >= 0 {
		dir = dir[:strings.LastIndexByte(dir[:meta], '/')]
	}
	for ; host != nil && len(dir) > 1; dir = path.Dir(dir) {
		real, err := host.RealPath(dir)
		switch {
		case err != nil: // there may be a link further up
		case strings.ContainsAny(real, `*?[{\`):
			return glob
		default:
			return strings.TrimSuffix(real, "/") + glob[len(dir):]
		}
	}
	return glob
}

// A PatternError says that a pattern of what is left out is none.
type PatternError struct{ Pattern string }

func (e *PatternError) Error() string {
	return fmt.Sprintf("--exclude %q: not a pattern", e.Pattern)
}

// match returns the first pattern that leaves out a rooted path itself, "" if
// none does.
func (x *exclusion) match(name string) string {
	found := ""
	for _, g := range x.globs {
		glob := g.text
		if dir, inside := strings.CutSuffix(glob, "/**"); inside && doublestar.MatchUnvalidated(dir, name[1:]) && !strings.HasSuffix(dir, "**") {
			continue
		}
		if !doublestar.MatchUnvalidated(glob, name[1:]) {
			continue
		}
		x.used[g.pattern] = true
		if found == "" {
			found = x.patterns[g.pattern]
		}
	}
	return found
}

// covers reports whether a rooted path, or a folder that it lies in, is left out.
func (x *exclusion) covers(name string) bool {
	if x == nil || name == "/" || len(x.globs) == 0 {
		return false
	}
	if known, ok := x.below[name]; ok {
		return known
	}
	covered := x.match(name) != "" || x.covers(path.Dir(name))
	x.below[name] = covered
	return covered
}

// pattern returns the pattern by which a path that is covered is left out.
func (x *exclusion) pattern(name string) string {
	for ; name != "/"; name = path.Dir(name) {
		if p := x.match(name); p != "" {
			return p
		}
	}
	panic("BUG: no pattern covers it")
}

// An ExcludeError says that a pattern leaves out what a program needs.
type ExcludeError struct {
	Pattern string
	Entry   *rootfs.Entry
}

func (e *ExcludeError) Error() string {
	return fmt.Sprintf("--exclude %s: %s is needed (%s)", e.Pattern, e.Entry.Path, e.Entry.Why[0])
}

// Excluded returns the pattern of the Spec that leaves a rooted path out, "" if none
// does.
func (p *Plan) Excluded(name string) string {
	if !p.excluded.covers(name) {
		return ""
	}
	return p.excluded.pattern(name)
}

// mostExcludeErrors is how many paths are named that must not be left out.
const mostExcludeErrors = 5

// exclude takes out what patterns match, and complains of what programs need.
func (b *builder) exclude() error {
	x := b.excluded
	if x == nil || len(x.patterns) == 0 {
		return nil
	}
	brought := make(map[string]bool)
	for _, name := range b.plan.brought {
		if real, err := b.tree.RealPath(name); err == nil {
			brought[real] = true
		}
	}
	var errs []error
	b.tree.Prune(func(e *rootfs.Entry) bool {
		if !x.covers(e.Path) {
			return false
		}
		if brought[e.Path] || b.required(e) {
			errs = append(errs, &ExcludeError{x.pattern(e.Path), e})
			return false
		}
		return true
	})
	for i, used := range x.used {
		if !used {
			b.plan.Notes = append(b.plan.Notes, "--exclude "+x.patterns[i]+": nothing that was to go in matches")
		}
	}
	if more := len(errs) - mostExcludeErrors; more > 0 {
		errs[mostExcludeErrors-1] = fmt.Errorf("%w, and %d more", errs[mostExcludeErrors-1], more)
		errs = errs[:mostExcludeErrors]
	}
	return errors.Join(errs...)
}

// required reports whether programs need an entry: a part of the closure, or a link
// on the way to one. A folder is needed by what is in it.
func (b *builder) required(e *rootfs.Entry) bool {
	for _, why := range e.Why {
		switch why.Kind {
		case "program", "library", "loader", "interpreter":
			return true
		case "link":
			real, err := b.tree.RealPath(why.From)
			if err != nil {
				continue
			}
			if to := b.tree.Entry(real); to != e && b.required(to) {
				return true
			}
		}
	}
	return false
}
