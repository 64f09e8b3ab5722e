package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// searchPath returns the PATH in which env looks for the interpreters of scripts:
// that of the spec if it is set for good, else that, the programs' folders, and
// [SearchPath].
func (s Spec) searchPath() []string {
	if s.PathIsSet {
		return s.Path
	}
	dirs := slices.Clone(s.Path)
	for _, in := range s.Programs {
		dirs = append(dirs, path.Dir(s.place(in)))
	}
	return unique(append(dirs, SearchPath...))
}

// imagePath returns the PATH of the image: of [Spec.searchPath] what it has.
func (b *builder) imagePath() []string {
	if b.spec.PathIsSet {
		return b.spec.Path
	}
	return unique(slices.Concat(b.spec.Path, b.plan.Path()))
}

// place returns where a program goes whose source is a rooted path.
func (s Spec) place(in Input) string {
	switch {
	case in.Dest != "":
		return in.Dest
	case s.Layout == Flat:
		return flatPrograms + "/" + path.Base(in.Source)
	}
	return in.Source
}

// Path returns the folders that PATH must have for programs to be found by
// their names: those of the programs, and those in which env finds what scripts
// are started with, in the order in which it looks.
func (p *Plan) Path() []string {
	var dirs []string
	for _, program := range p.Programs {
		dirs = append(dirs, path.Dir(program))
	}
	for _, dir := range p.path {
		if p.found[dir] {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// interpreters puts what a script is started with, be it through another script,
// where dest says.
func (b *builder) interpreters(p *elfdeps.Program, dest func(elfdeps.Need) string, put func(src, dest string, why rootfs.Reason) error) error {
	for script := range p.All() {
		for i, n := range script.Self().Needs {
			if !n.Starts() || n.Object == nil {
				continue
			}
			why := rootfs.Reason{Kind: "interpreter", From: script.Name, Text: n.Name + " by " + n.Rule.String()}
			if err := put(n.Object.Path, dest(n), why); err != nil {
				return err
			}
			b.started(script.Interpreters[i], dest(n))
			if n.Rule.Dir != "" {
				b.plan.found[path.Dir(dest(n))] = true
			}
		}
	}
	return nil
}

// started notes that a program of an image is started at a path.
func (b *builder) started(p *elfdeps.Program, dest string) {
	b.starts = append(b.starts, dest)
	if p.Script != nil {
		b.scripts = append(b.scripts, dest)
	}
}

// mirrorInterpreters puts what a script is started with where the host has it.
func (b *builder) mirrorInterpreters(p *elfdeps.Program) error {
	return b.interpreters(p, func(n elfdeps.Need) string { return n.Object.Path },
		func(src, _ string, why rootfs.Reason) error { return b.tree.AddHost(b.host, src, why) })
}

// flatInterpreters puts what the kernel opens by its path there, and what env looks
// for among the programs.
func (b *builder) flatInterpreters(p *elfdeps.Program) error {
	dest := func(n elfdeps.Need) string {
		if n.Rule.Dir != "" {
			return flatPrograms + "/" + n.Name
		}
		return path.Clean(n.Object.Path)
	}
	return b.interpreters(p, dest, b.place)
}

// scriptNotes returns what is odd about the way in which a script is started.
func scriptNotes(host *rootfs.Host, p *elfdeps.Program) []string {
	var notes []string
	if p.Script.Returns() {
		notes = append(notes, fmt.Sprintf(
			"the first line of %s ends in a carriage return, as on Windows, which is part of what its interpreter is told", p.Name))
	}
	if privileged(host, p.Name) {
		notes = append(notes, fmt.Sprintf("%s is a script, so the kernel heeds no privileges of the file", p.Name))
	}
	if programs := versioned(host, p.Name); len(programs) > 0 {
		notes = append(notes, wrapperNote(p.Name, programs))
	}
	return notes
}

// wrapperNote says that a script starts programs that are not there.
func wrapperNote(script string, programs []string) string {
	return fmt.Sprintf("%s is a script that may start %s, which is not followed: --bin takes that along", script, strings.Join(programs, ", "))
}

// versioned returns the programs of the name of a script where packages of which
// several versions can be installed have theirs. Such a script
// is a link: /usr/bin/psql leads to /usr/share/postgresql-common/pg_wrapper, which
// starts one of /usr/lib/postgresql/*/bin/psql.
func versioned(host *rootfs.Host, script string) []string {
	name := path.Base(script)
	real, err := host.RealPath(script)
	if err != nil || path.Base(real) == name {
		return nil
	}
	owner, _, _ := strings.Cut(path.Base(path.Dir(real)), "-")
	names, err := fs.Glob(host, path.Join("usr/lib", globEscape(owner), "*/bin", globEscape(name)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var found []string
	for _, name := range names {
		if _, err := archOf(host, name); err == nil {
			found = append(found, "/"+name)
		}
	}
	return found
}

// globEscape returns a pattern that matches just the name.
func globEscape(name string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(name)
}
