package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// services makes the folders that a program's package has made when a system
// starts (tmpfiles.d(5), RuntimeDirectory= of systemd.exec(5)), and takes in the
// accounts that it runs as there: nobody does so in a container. Another package
// that was built from the same can do it for the program, if a unit of its names
// that; and one that its package needs, as far as the program names the folder.
func (p *pantry) services(s sight, holders []*owner.Package) error {
	db, err := p.db()
	if err != nil {
		return &PackagesError{err}
	}
	family := p.family(holders)
	for _, pkg := range db.Packages() {
		near, needed := shareSource(holders, []*owner.Package{pkg}), dependsOn(holders, []*owner.Package{pkg})
		if !near && !needed {
			continue
		}
		served, err := p.served(pkg)
		if err != nil {
			return err
		}
		starts := func(unit string) bool { return strings.Contains(unit, "="+s.path) }
		all := slices.Contains(family, pkg) || near && slices.ContainsFunc(served.units, starts)
		for _, f := range served.folders {
			named := slices.ContainsFunc(s.paths, func(name string) bool { return strings.TrimPrefix(name, "/var") == f.Path })
			if all || needed && named {
				p.makeFolder(f.Folder, s.path, f.why.From)
			}
		}
		for _, unit := range served.units {
			if user := settings(unit)["User"]; near && starts(unit) && user != "" {
				p.users = append(p.users, user)
			}
		}
	}
	return nil
}

// A service is what a package has done when a system starts.
type service struct {
	units   []string
	folders []wanted // and the files that say so
}

// served reads what a package has done, once.
func (p *pantry) served(pkg *owner.Package) (service, error) {
	s, known := p.serviced[pkg]
	if known {
		return s, nil
	}
	files, err := pkg.Files()
	if err != nil {
		return s, &PackagesError{err}
	}
	for _, f := range files {
		dir := path.Dir(f.Path)
		isUnit := (dir == "/lib/systemd/system" || dir == "/usr/lib/systemd/system") && path.Ext(f.Path) == ".service"
		if !isUnit && dir != "/usr/lib/tmpfiles.d" {
			continue
		}
		data, err := fs.ReadFile(p.host, f.Path[1:])
		if err != nil || len(data) > maxText {
			continue // it is not what it was, and nobody has asked for it
		}
		parse := tmpfiles
		if isUnit {
			parse = runtimeFolders
			s.units = append(s.units, string(data))
		}
		for _, folder := range parse(string(data)) {
			s.folders = append(s.folders, wanted{Folder: folder, why: rootfs.Reason{From: f.Path}})
		}
	}
	p.serviced[pkg] = s
	return s, nil
}

// makeFolder has a folder made on account of a file, and takes in its owner.
func (p *pantry) makeFolder(f recipe.Folder, program, file string) {
	if p.excluded.covers(f.Path) {
		return
	}
	text := path.Base(file) + " makes " + f.Path
	d, why := p.opinion(program, text)
	d.names(f.Path)
	d.Added = true
	p.folders = append(p.folders, wanted{Folder: f, why: why, decide: d})
}

// tmpfiles returns the folders that a file of tmpfiles.d(5) makes.
func tmpfiles(text string) []recipe.Folder {
	var folders []recipe.Folder
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.ContainsAny(f[0][:1], "dDvqQ") || strings.ContainsAny(f[1], "%*?[") || !path.IsAbs(f[1]) {
			continue
		}
		for len(f) < 5 {
			f = append(f, "-")
		}
		mode, err := strconv.ParseUint(strings.TrimLeft(f[2], "~:"), 8, 12)
		if err != nil {
			mode = 0o755
		}
		folder := recipe.Folder{Path: path.Clean(f[1]), Mode: recipe.Mode(mode)}
		if rest, ok := strings.CutPrefix(folder.Path, "/var/run/"); ok {
			folder.Path = "/run/" + rest
		}
		folder.Owner = ownerOf(f[3], f[4])
		folders = append(folders, folder)
	}
	return folders
}

// ownerOf returns USER:GROUP, of which - stands for root.
func ownerOf(user, group string) string {
	or := func(s string) string {
		if s == "-" || s == "" {
			return "root"
		}
		return s
	}
	return or(user) + ":" + or(group)
}

// runtimeFolders returns the folders below /run that a unit of systemd has made.
func runtimeFolders(unit string) []recipe.Folder {
	set := settings(unit)
	mode, err := strconv.ParseUint(set["RuntimeDirectoryMode"], 8, 12)
	if err != nil {
		mode = 0o755
	}
	var folders []recipe.Folder
	for _, name := range strings.Fields(set["RuntimeDirectory"]) {
		if !strings.Contains(name, "%") && fs.ValidPath(name) {
			folders = append(folders, recipe.Folder{Path: "/run/" + name, Mode: recipe.Mode(mode), Owner: ownerOf(set["User"], set["Group"])})
		}
	}
	return folders
}

// settings returns what a unit says, of what it says again the last.
func settings(unit string) map[string]string {
	set := make(map[string]string)
	for line := range strings.Lines(unit) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			set[name] = value
		}
	}
	return set
}

// A wanted is a folder that is to be made, and why.
type wanted struct {
	recipe.Folder
	why    rootfs.Reason
	decide *Decision
}

// makeFolders adds the folders that are to be there, unless something is in their place.
func (b *builder) makeFolders() error {
	for _, f := range b.pantry.folders {
		e := rootfs.Dir(f.Path, rootfs.FileMode(uint32(f.Mode)))
		users, groups := b.pantry.hostAccounts()
		user, group, _ := strings.Cut(f.Owner, ":")
		for _, x := range []struct {
			name, lines string
			id          *int
		}{{user, users, &e.UID}, {group, groups, &e.GID}} {
			if x.name == "" || x.name == "root" {
				continue
			}
			fields := strings.Split(find(x.lines, 0, x.name), ":")
			if len(fields) < 3 {
				b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s is root's: this root has no %s", f.Path, x.name))
				continue
			}
			id, err := strconv.Atoi(fields[2])
			if err != nil {
				return fmt.Errorf("account %s: %w", x.name, err)
			}
			*x.id = id
		}
		if err := b.addMissing(f.why, e); err != nil {
			return err
		}
	}
	return nil
}
