package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// Scripts is the name of the rule that brings what scripts start, and the modules
// that they are made of, for With and Without of a [Recipes].
const Scripts = "scripts"

// written takes in what scripts are made of beside what starts them.
func (p *pantry) written(sights []sight) error {
	for _, s := range sights {
		if len(s.script) == 0 {
			continue
		}
		if err := p.commands(s); err != nil {
			return err
		}
		p.wrapped(s)
		if err := p.modules(s); err != nil {
			return err
		}
	}
	return nil
}

// commands takes in the programs that a shell's script starts by their names, or
// names with the folder. Those that the host lacks it can do without, as it does
// there.
func (p *pantry) commands(s sight) error {
	if with := s.script[len(s.script)-1]; !slices.Contains(shells, path.Base(with)) {
		return nil
	}
	f, err := p.host.Open(s.path[1:])
	if err != nil {
		return plain(err)
	}
	defer f.Close()
	names := slices.DeleteFunc(shellCommands(f), func(name string) bool { return strings.Contains(name, "/") })
	for _, name := range s.paths {
		if slices.Contains(SearchPath, path.Dir(name)) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		file, err := Find(p.host, name)
		if err != nil || p.spokenOf(file) {
			continue
		}
		if info, err := p.host.Stat(file[1:]); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || !p.take(file) {
			continue
		}
		text := path.Base(s.path) + " starts " + name
		d := p.decision(Scripts+" "+s.path, Scripts, text)
		d.names(name)
		why := rootfs.Reason{Kind: "recipe", From: s.path, Text: Scripts + ": " + text}
		p.addStarted(ingredient{path: file, why: why, decide: d, byName: true})
	}
	return nil
}

// wrapped takes in the programs of its name that a script starts the newest of.
func (p *pantry) wrapped(s sight) {
	script := p.asked[s.path]
	if script == "" {
		return
	}
	programs := versioned(p.host, script)
	if len(programs) == 0 {
		return
	}
	text := path.Base(script) + " starts " + strings.Join(programs, ", ")
	d := p.decision(Scripts+" "+script, Scripts, text)
	for _, file := range programs {
		if p.take(file) {
			p.addStarted(ingredient{path: file, why: rootfs.Reason{Kind: "recipe", From: script, Text: Scripts + ": " + text}, decide: d})
		}
	}
	p.settled[wrapperNote(script, programs)] = true
}

// modules takes in, of the folders where a script's interpreter looks for modules,
// what the script's package has there, and all packages that this needs. Which these
// are is evidence, too.
func (p *pantry) modules(s sight) error {
	var dirs []string
	for _, r := range p.Book.Recipes {
		for _, with := range s.script {
			if r.IsFor(recipe.Fact{Kind: recipe.Program, Name: with, In: with}) {
				for _, dir := range r.Modules {
					dirs = append(dirs, recipe.Expand(dir, recipe.Fact{In: with}, p.libraries)...)
				}
			}
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	holders, err := p.holders(s.path)
	if err != nil || len(holders[s.path]) == 0 {
		return err
	}
	text := path.Base(s.path) + " is a script of " + holders[s.path][0].Name
	d := p.decision(Scripts+" modules "+s.path, Scripts, text)
	why := rootfs.Reason{Kind: "recipe", From: s.path, Text: Scripts + ": " + text}
	needed := p.needs(holders[s.path], func(*owner.Package) bool { return true })
	for _, pkg := range needed {
		p.facts.Add(recipe.Fact{Kind: recipe.Package, Name: pkg.Name, In: s.path})
	}
	for _, dir := range unique(dirs) {
		if !exists(p.host, dir) {
			continue
		}
		if err := p.addListed(needed, dir, why, d); err != nil {
			return err
		}
	}
	return nil
}
