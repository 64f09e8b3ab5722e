package ldso

import (
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// An explainer knows what both have and what only one of them has.
type explainer struct {
	program *elfdeps.Program
	opinion *Opinion
	mine    []*elfdeps.Object // not listed by the loader
	theirs  []string          // not in the link map
}

// whyMine explains an object that the loader's list lacks.
func (e *explainer) whyMine(o *elfdeps.Object) Why {
	switch {
	case e.opinion.Stopped != "":
		if e.misses() {
			return Stopped
		}
	case e.opinion.Loader == "" || e.opinion.Guessed && e.program.Self().Interp != "":
		return NoSections
	case e.openedLater(o):
		return OpenedLater
	case e.byPath(o):
		return Slash
	case strings.ContainsAny(o.Path, " \t"):
		return Blank
	case slices.ContainsFunc(e.theirs, func(file string) bool { return isVariant(file, o.Path) }):
		return Processor
	}
	return Unexplained
}

// whyTheirs explains a file that the link map lacks.
func (e *explainer) whyTheirs(file string) Why {
	cut := func(o *elfdeps.Object) bool {
		return strings.HasPrefix(o.Path, file+" ") || strings.HasPrefix(o.Path, file+"\t")
	}
	plain := func(o *elfdeps.Object) bool { return isVariant(file, o.Path) }
	switch {
	case file == e.opinion.Loader && e.opinion.Guessed:
		return Guessed
	case !path.IsAbs(file):
		return WorkingDir
	case slices.ContainsFunc(e.mine, cut):
		return Blank
	case slices.ContainsFunc(e.mine, plain):
		return Processor
	}
	return Unexplained
}

// misses reports whether the link map lacks a library that the start needs.
func (e *explainer) misses() bool {
	c := elfdeps.Closure{Programs: []*elfdeps.Program{e.program}}
	return slices.ContainsFunc(c.Missing(), func(m elfdeps.Missing) bool { return m.Need.Object == nil })
}

// openedLater reports whether nothing that the start follows leads to o.
func (e *explainer) openedLater(o *elfdeps.Object) bool {
	started := map[*elfdeps.Object]bool{e.program.Self(): true}
	for queue := []*elfdeps.Object{e.program.Self()}; len(queue) > 0; queue = queue[1:] {
		for _, n := range queue[0].Needs {
			if n.Object != nil && n.Dlopen == nil && !started[n.Object] {
				started[n.Object] = true
				queue = append(queue, n.Object)
			}
		}
	}
	return !started[o]
}

// byPath reports whether o was opened by a name that is a path.
func (e *explainer) byPath(o *elfdeps.Object) bool {
	for _, by := range e.program.Objects {
		for _, n := range by.Needs {
			if n.Object == o && n.Rule.Kind == elfdeps.RulePath {
				return true
			}
		}
	}
	return false
}

// isVariant reports whether a file below glibc-hwcaps is what the loader may take
// for a library. It has that name, or one that begins so: the cache leads to
// libz.so.1.3 there, and to libz.so.1 elsewhere.
func isVariant(file, library string) bool {
	return strings.Contains(file, "/glibc-hwcaps/") && strings.HasPrefix(path.Base(file), path.Base(library))
}
