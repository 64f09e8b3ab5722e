package plan

import (
	"cmp"
	"debug/elf"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// privileged reports whether the kernel gives a program more rights than whoever
// starts it has.
func privileged(host *rootfs.Host, program string) bool {
	real, err := host.RealPath(program)
	if err != nil {
		return false
	}
	e, err := host.Entry(real)
	return err == nil && (e.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 || len(e.XAttrs) > 0)
}

// privileges says what the loader of a program does not do because it is setuid,
// setgid or has capabilities (ld.so(8), "Secure-execution mode").
func privileges(p *elfdeps.Program) []string {
	var lines sentences
	for _, o := range p.Objects {
		for i := range o.Needs {
			n := &o.Needs[i]
			switch {
			case refuses(p.Loader, n):
				lines.add("refuses the name "+n.Name+", which "+o.Path+" needs", "", "")
			case n.Object != nil && ignores(p, n):
				lines.add("ignores "+n.Rule.String()+" and would not find ", n.Name, " there")
			}
		}
	}
	return lines.text()
}

// refuses reports whether a loader stops at the name of a need: glibc's does if
// there is something to replace in it (expand_dst in dl-deps.c).
func refuses(l *elfdeps.Loader, n *elfdeps.Need) bool {
	switch n.Tag {
	case elf.DT_NEEDED, elf.DT_FILTER, elf.DT_AUXILIARY:
		return strings.Contains(n.Name, "$") && !l.Musl && n.Dlopen == nil && len(tokens(n.Name)) > 0
	}
	return false
}

// ignores reports whether the loader does not look where the object of a need
// was found.
func ignores(p *elfdeps.Program, n *elfdeps.Need) bool {
	if n.Rule.Kind != elfdeps.RuleRpath && n.Rule.Kind != elfdeps.RuleRunpath {
		return false
	}
	self := p.Self()
	own := n.Rule.Of == self.Path
	if p.Loader.Musl { // all of a program's path, for one token in it (fixup_rpath)
		return own && strings.Contains(cmp.Or(self.Runpath, self.Rpath), "$")
	}
	// In glibc's words, "$ORIGIN must be at the start of the path", and that of
	// the program "rooted in one of the trusted directories" (_dl_dst_substitute).
	origin := false
	for at, name := range tokens(n.Rule.Dir) {
		if name != "ORIGIN" {
			continue
		}
		origin = true
		first, _, _ := strings.Cut(n.Rule.Dir, "/")
		if at != 0 || first != "$ORIGIN" && first != "${ORIGIN}" {
			return true
		}
	}
	return origin && own && !trusted(p.Loader, path.Dir(n.Object.Path))
}

// trusted reports whether a directory is a default one or below one, by its name
// alone (is_trusted_path_normalize).
func trusted(l *elfdeps.Loader, dir string) bool {
	dir = path.Clean(dir) + "/"
	return slices.ContainsFunc(l.DefaultDirs, func(d string) bool { return strings.HasPrefix(dir, d+"/") })
}

// tokens returns the dynamic string tokens in a text, by where they are (is_dst
// in dl-load.c).
func tokens(text string) map[int]string {
	var found map[int]string
	for at := range text {
		if name := tokenOf(text[at:]); name != "" {
			if found == nil {
				found = make(map[int]string)
			}
			found[at] = name
		}
	}
	return found
}

// tokenOf returns the name of the token that a text begins with, "" if it begins
// with none.
func tokenOf(text string) string {
	for _, name := range []string{"ORIGIN", "LIB", "PLATFORM"} {
		if strings.HasPrefix(text, "${"+name+"}") {
			return name
		}
		if rest, ok := strings.CutPrefix(text, "$"+name); ok && (rest == "" || !inIdentifier(rest[0])) {
			return name
		}
	}
	return ""
}

func inIdentifier(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
