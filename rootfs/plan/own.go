package plan

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// own takes in what objects name and their own packages have: the data, the
// folders of plug-ins and the other programs of a program. Of a library, that is
// what its package does not work without. The configurations that this brings name
// more.
func (p *pantry) own(sights []sight) error {
	for len(sights) > 0 {
		if err := p.ownOf(sights); err != nil {
			return err
		}
		sights = p.settings
		p.settings = nil
		if err := p.read(sights); err != nil {
			return err
		}
	}
	return nil
}

func (p *pantry) ownOf(sights []sight) error {
	p.oldNames(sights)
	leads := p.leads(sights)
	var paths []string
	for _, l := range leads {
		paths = append(paths, l.claims()...)
	}
	for _, s := range sights {
		if s.isProgram() && (p.asked[s.path] != "" && p.hasPackage(s) || isElsewhere(s.path)) {
			paths = append(paths, s.path)
		}
	}
	if err := p.plugins(sights); err != nil || len(paths) == 0 {
		return err
	}
	for _, s := range sights {
		paths = append(paths, s.path, s.program)
	}
	holders, err := p.holders(slices.DeleteFunc(paths, func(name string) bool { return name == "" })...)
	if err != nil {
		return err
	}
	byPath := make(map[string]sight)
	for _, s := range sights {
		byPath[s.path] = s
		if s.isProgram() {
			if err := p.ownOfProgram(s, holders[s.path]); err != nil {
				return err
			}
		}
	}
	for _, l := range leads {
		s := byPath[l.object]
		ofProgram := s.text || s.isProgram() || shareSource(holders[l.object], holders[s.program])
		if !p.isOwn(l, holders, ofProgram) && !(s.text && isServed(l.path)) {
			continue
		}
		if err := p.follow(l, s, holders); err != nil {
			return err
		}
	}
	return nil
}

// oldNames takes in the links that lead from /var/run and /var/lock to /run, if
// programs or their configurations go by those.
func (p *pantry) oldNames(sights []sight) {
	for _, s := range sights {
		if !s.text && !s.isProgram() {
			continue
		}
		for _, link := range []string{"/var/run", "/var/lock"} {
			i := slices.IndexFunc(s.paths, func(name string) bool { return strings.HasPrefix(name, link+"/") || name == link })
			if i < 0 || !exists(p.host, link) || !p.take(link) {
				continue
			}
			d, why := p.opinion(s.path, recipe.Fact{Kind: recipe.Path, Name: s.paths[i], In: s.path}.String())
			d.names(s.paths[i])
			p.note(ingredient{path: link, why: why, decide: d})
		}
	}
}

// ownOfProgram takes in what a program has, whatever it names.
func (p *pantry) ownOfProgram(s sight, holders []*owner.Package) error {
	p.ownUser(s.path, holders)
	if err := p.beside(s.path, holders); err != nil {
		return err
	}
	if err := p.mates(s, holders); err != nil {
		return err
	}
	if p.asked[s.path] != "" {
		if err := p.namesake(s.path, holders); err != nil {
			return err
		}
	} else if !p.started[s.path] {
		return nil
	}
	return p.services(s, holders)
}

// hasPackage reports whether a program's package could have something for it that
// it does not name: it is a script, goes on as another account, or a folder is
// called like it. The databases of packages are worth to be read then.
func (p *pantry) hasPackage(s sight) bool {
	return s.text || slices.ContainsFunc(s.symbols, func(name string) bool { return slices.Contains(switchers, name) }) ||
		slices.ContainsFunc(likeNamed[:], func(place string) bool {
			return slices.ContainsFunc(recipe.Expand(place+path.Base(s.path), recipe.Fact{}, p.libraries), func(dir string) bool { return exists(p.host, dir) })
		})
}

// isOwn reports whether a path belongs to the object that names it. Without a
// database of packages, it does if it is called like the object.
func (p *pantry) isOwn(l lead, holders map[string][]*owner.Package, ofProgram bool) bool {
	who := holders[l.object]
	var whose []*owner.Package
	for _, name := range l.claims() {
		if whose = holders[name]; len(whose) > 0 {
			break
		}
	}
	switch {
	case len(who) == 0:
		name := recipe.Expand("{name}", recipe.Fact{In: l.object}, nil)[0]
		return ofProgram && strings.Contains(l.path+"/", "/"+name+"/")
	case !l.folder:
		return dependsOn(who, whose) || ofProgram && shareSource(who, whose)
	case ofProgram && slices.ContainsFunc(p.family(who), func(pkg *owner.Package) bool { return slices.Contains(whose, pkg) }):
		return true
	}
	return sources(whose) <= mostSources && dependsOn(who, whose)
}

// mostSources is how many sources the packages that list a folder may be built
// from, for the folder to be one that another package can have for somebody.
const mostSources = 3

// follow takes in what a path of an object's own leads to.
func (p *pantry) follow(l lead, s sight, holders map[string][]*owner.Package) error {
	info, err := fs.Stat(p.host, l.path[1:])
	if err != nil {
		return nil //nolint:nilerr // it was there a moment ago
	}
	d, why := p.opinion(l.object, recipe.Fact{Kind: recipe.Path, Name: l.path, In: l.object}.String())
	d.names(l.path)
	switch {
	case isServed(l.path):
		return p.serve(l.path, why, d)
	case strings.HasPrefix(l.path, "/var/") && info.IsDir():
		if p.take(l.path) {
			p.note(ingredient{path: l.path, why: why, decide: d})
		}
		return nil
	case strings.HasPrefix(l.path, "/var/"):
		if s.text && info.Mode()&0o004 != 0 && info.Size() <= maxText {
			return p.addPath(l.path, why, d, nil)
		}
		return nil
	case info.IsDir():
		family := p.family(holders[l.object])
		theirs := slices.DeleteFunc(slices.Clone(holders[l.path]), func(pkg *owner.Package) bool {
			return !slices.Contains(family, pkg) && !dependsOn(holders[l.object], []*owner.Package{pkg})
		})
		beside := p.siblings(s.program, l.path)
		if len(theirs) == len(holders[l.path]) {
			return p.addPath(l.path, why, d, beside)
		}
		p.partial = append(p.partial, l.path)
		return p.addListed(theirs, l.path, why, d, beside...)
	}
	if dir := path.Dir(l.path); strings.HasPrefix(dir, "/etc/") && sources(holders[dir]) == 1 && shareSource(holders[dir], holders[l.path]) {
		return p.addPath(dir, why, d, nil)
	}
	if info.Mode()&0o111 != 0 {
		if p.take(l.path) {
			p.addStarted(ingredient{path: l.path, why: why, decide: d})
		}
		return nil
	}
	return p.addPath(l.path, why, d, nil)
}

// plugins takes in what configurations name without saying where it is, of the
// folders of which only a part was taken in.
func (p *pantry) plugins(sights []sight) error {
	for _, s := range sights {
		for _, name := range s.plugins {
			for _, dir := range p.partial {
				file := path.Join(dir, path.Base(name))
				if !exists(p.host, file) {
					continue
				}
				d, why := p.opinion(s.path, recipe.Fact{Kind: recipe.Path, Name: file, In: s.path}.String())
				d.names(file)
				if err := p.addPath(file, why, d, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// starters are functions with which a program starts another, switchers those by
// which one that has begun as root goes on as somebody else.
var (
	starters  = []string{"execl", "execlp", "execle", "execv", "execvp", "execve", "execvpe", "posix_spawn", "posix_spawnp", "popen", "system"}
	switchers = []string{"initgroups", "setgroups"}
)

// mates takes in the programs beside a program that it starts: it names the folder,
// and them. They are of its package, or built from the same and called like it.
func (p *pantry) mates(s sight, holders []*owner.Package) error {
	dir := path.Dir(s.path)
	if s.text || !slices.Contains(s.paths, dir) || !slices.ContainsFunc(s.symbols, func(name string) bool { return slices.Contains(starters, name) }) {
		return nil
	}
	db, err := p.db()
	if err != nil {
		return &PackagesError{err}
	}
	mates := make(map[string]string)
	for _, pkg := range db.Packages() {
		ours := slices.Contains(holders, pkg)
		if !ours && !shareSource(holders, []*owner.Package{pkg}) {
			continue
		}
		files, err := pkg.Files()
		if err != nil {
			return &PackagesError{err}
		}
		for _, f := range files {
			if name := path.Base(f.Path); p.place(f.Path) == path.Join(dir, name) && (ours || strings.HasPrefix(name, path.Base(s.path)+"-")) {
				mates[name] = f.Path
			}
		}
	}
	delete(mates, path.Base(s.path))
	if len(mates) == 0 {
		return nil
	}
	named, err := p.textsAmong(s.path, dir, mates)
	if err != nil {
		return err
	}
	for _, name := range named {
		file := mates[name]
		if real, err := p.host.RealPath(file); err != nil || real == s.path || !p.isELF(real) || !p.take(file) {
			continue
		}
		d, why := p.opinion(s.path, path.Base(s.path)+" names "+name)
		d.names(name)
		p.addStarted(ingredient{path: file, why: why, decide: d})
		if shell := p.Book.Named("shell"); slices.Contains(s.symbols, "popen") && shell != nil && !slices.Contains(p.Without, "shell") {
			if err := p.bring(shell, recipe.Fact{Kind: recipe.Symbol, Name: "popen", In: s.path}, path.Base(s.path)+" starts "+name+" with popen"); err != nil {
				return err
			}
		}
	}
	return nil
}
