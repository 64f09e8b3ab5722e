package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// mostSources is how many sources the packages that list a folder may be built
// from, for the folder still to be somebody's own.
const mostSources = 3

// A lead is a path in the texts of an object, which the host has.
type lead struct {
	object string // whose text it is
	path   string
}

// claims returns the paths by which a lead's owner is known, the nearest first:
// below /var, programs make folders in those of their packages.
func (l lead) claims() []string {
	list := []string{l.path}
	if strings.HasPrefix(l.path, "/var/") {
		for dir := path.Dir(l.path); !isCommon(dir) && dir != "/var"; dir = path.Dir(dir) {
			list = append(list, dir)
		}
	}
	return list
}

// own takes in what objects name and their own packages have: the data, the
// folders of plug-ins and the other programs of a program. Of a library, that is
// what its package does not work without.
func (p *pantry) own(sights []sight) error {
	for _, s := range sights {
		if s.path == s.program {
			p.ownUser(s)
			if err := p.beside(s.path); err != nil {
				return err
			}
		}
	}
	leads := p.leads(sights)
	if len(leads) == 0 {
		return nil
	}
	var asked []string
	for _, s := range sights {
		asked = append(asked, s.path, s.program)
	}
	for _, l := range leads {
		asked = append(asked, l.claims()...)
	}
	holders, err := p.holders(asked...)
	if err != nil {
		return err
	}
	program := make(map[string]string)
	for _, s := range sights {
		program[s.path] = s.program
	}
	for _, l := range leads {
		ofProgram := l.object == program[l.object] || shareSource(holders[l.object], holders[program[l.object]])
		if !p.isOwn(l, holders, ofProgram) {
			continue
		}
		if err := p.follow(l, holders); err != nil {
			return err
		}
	}
	return nil
}

// leads returns the paths that objects name and the host has, but for those that
// recipes speak of.
func (p *pantry) leads(sights []sight) []lead {
	ignored := p.ignored()
	var leads []lead
	for _, s := range sights {
		seen := map[string]bool{s.loader: true}
		for _, text := range s.paths {
			l := lead{object: s.path, path: p.hostPath(text, s.path)}
			if strings.HasPrefix(text, "/var/") {
				l.path = p.nearest(text)
			}
			if l.path == "" || seen[l.path] || isCommon(l.path) || slices.Contains(p.libraries, l.path) || withheld(l.path) || p.Book.Covers(l.path, p.libraries) {
				continue
			}
			seen[l.path] = true
			if matchesAny(ignored, l.path) {
				continue
			}
			leads = append(leads, l)
		}
	}
	return leads
}

// ignored returns the patterns of paths that recipes say are no evidence.
func (p *pantry) ignored() []string {
	var patterns []string
	for _, r := range p.Book.Recipes {
		patterns = append(patterns, r.Ignore...)
	}
	return patterns
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// isCommon reports whether a path is one of the folders that every system has,
// or below those of which nothing is a program's own.
func isCommon(name string) bool {
	switch name {
	case "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/include", "/usr/src", "/usr/games",
		"/usr/local", "/usr/etc", "/etc/opt", "/var/lib", "/var/log", "/var/cache", "/var/tmp", "/var/run", "/var/spool", "/var/mail", "/lib/modules", "/etc/default":
		return true
	}
	for _, dir := range []string{"/proc/", "/sys/", "/dev/", "/run/", "/tmp/", "/usr/include/", "/usr/lib/debug/", "/usr/local/", "/var/run/", "/var/tmp/"} {
		if strings.HasPrefix(name+"/", dir) {
			return true
		}
	}
	return false
}

// nearest returns the folder nearest to a path below /var that is there: what is
// to lie in it, a program makes.
func (p *pantry) nearest(name string) string {
	for dir := path.Clean(name); strings.HasPrefix(dir, "/var/"); dir = path.Dir(dir) {
		if info, err := p.host.Stat(dir[1:]); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
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
	if len(who) == 0 {
		name := recipe.Expand("{name}", recipe.Fact{In: l.object}, nil)[0]
		return ofProgram && strings.Contains(l.path+"/", "/"+name+"/")
	}
	if sources(whose) > mostSources {
		return ofProgram && shareSource(who, whose)
	}
	return dependsOn(who, whose) || ofProgram && shareSource(who, whose)
}

// follow takes in what a path of an object's own leads to.
func (p *pantry) follow(l lead, holders map[string][]*owner.Package) error {
	info, err := fs.Stat(p.host, l.path[1:])
	if err != nil {
		return nil //nolint:nilerr // it was there a moment ago
	}
	fact := recipe.Fact{Kind: recipe.Path, Name: l.path, In: l.object}
	d := p.decision(Own+" "+l.object, Own, fact.String())
	if d.Added {
		d.Why += ", " + l.path
	}
	why := rootfs.Reason{Kind: "recipe", From: l.object, Text: fmt.Sprintf("%s: %s", Own, fact)}
	switch {
	case strings.HasPrefix(l.path, "/var/"):
		if p.take(l.path) {
			p.note(ingredient{path: l.path, why: why, decide: d})
		}
		return nil
	case info.IsDir() && sources(holders[l.path]) > mostSources:
		return p.addListed(holders[l.object], holders[l.path], l.path, why, d)
	case info.IsDir():
		return p.addPath(l.path, why, d, nil)
	}
	if dir := path.Dir(l.path); strings.HasPrefix(dir, "/etc/") && p.private(dir, holders[l.path]) {
		return p.addPath(dir, why, d, nil)
	}
	if info.Mode()&0o111 != 0 {
		if p.take(l.path) {
			p.addProgram(ingredient{path: l.path, why: why, decide: d})
		}
		return nil
	}
	return p.addPath(l.path, why, d, nil)
}

// addListed takes in what packages list below a folder that many have a part of:
// those packages that were built from what the object was built from.
func (p *pantry) addListed(of, packages []*owner.Package, dir string, why rootfs.Reason, d *Decision) error {
	for _, pkg := range packages {
		if !shareSource(of, []*owner.Package{pkg}) {
			continue
		}
		files, err := pkg.Files()
		if err != nil {
			return err
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Path, dir+"/") {
				continue
			}
			if err := p.addPath(f.Path, why, d, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// besides are the folders beside bin/ where a program that is installed in a
// folder of its own looks for what is its own.
var besides = [...]string{"conf", "etc", "lib", "lib64", "libexec", "share"}

// beside takes in what a program has that is installed in a folder of its own,
// such as a Java runtime: it goes by where it is. If a package has it, only what
// that package has counts.
func (p *pantry) beside(program string) error {
	bin, home := path.Dir(program), path.Dir(path.Dir(program))
	if base := path.Base(bin); base != "bin" && base != "sbin" || home == "/" || home == "/usr" || home == "/usr/local" {
		return nil
	}
	holders, err := p.holders(program)
	if err != nil {
		return err
	}
	once := recipe.Fact{Kind: Own, Name: home}
	if pkgs := holders[program]; len(pkgs) > 0 {
		once.In = pkgs[0].Name
	}
	if p.done[once] { // on account of another program there
		return nil
	}
	p.done[once] = true
	fact := recipe.Fact{Kind: recipe.Program, Name: program, In: program}
	d := p.decision(Own+" "+program, Own, path.Base(program)+" is installed in "+home)
	why := rootfs.Reason{Kind: "recipe", From: program, Text: fmt.Sprintf("%s: %s", Own, fact)}
	for _, name := range besides {
		dir := path.Join(home, name)
		if len(holders[program]) > 0 {
			err = p.addListed(holders[program], holders[program], dir, why, d)
		} else if exists(p.host, dir) {
			err = p.addPath(dir, why, d, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// private reports whether a folder is listed by packages of one source alone,
// which some of the given ones are of.
func (p *pantry) private(dir string, of []*owner.Package) bool {
	holders, err := p.holders(dir)
	return err == nil && sources(holders[dir]) == 1 && shareSource(holders[dir], of)
}
