package plan

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// links adds the links to what packages have that no package lists: those of
// update-alternatives(1), the second names of busybox, and such as people make.
func (c *counter) links(list []*parcel) error {
	candidates := c.candidates()
	if len(candidates) == 0 {
		return nil
	}
	owners, err := c.db.Of(candidates...)
	if err != nil {
		return err
	}
	for _, name := range candidates {
		o := owners[name]
		if !o.Link || c.covers(name) {
			continue
		}
		for _, p := range list {
			real, err := c.host.RealPath(name)
			if o.Package != p.Package || err != nil || p.spares(name) {
				continue
			}
			if e, err := c.host.Entry(real); err != nil || !e.Mode.IsRegular() || c.covers(real) {
				continue
			}
			switch {
			case !isCommand(name):
				p.objects = append(p.objects, name)
			case p.program == "" || c.leadsTo(p.program, real):
				p.programs = append(p.programs, name)
			}
		}
	}
	return nil
}

func (c *counter) leadsTo(name, real string) bool {
	to, err := c.host.RealPath(name)
	return err == nil && to == real
}

// candidates returns the links that may be unowned: those where programs are
// looked up, and those that update-alternatives(1) has made.
func (c *counter) candidates() []string {
	var names []string
	seen := make(map[string]bool)
	for _, dir := range append(slices.Clone(SearchPath), "/usr/games") {
		real, err := c.host.RealPath(dir)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		list, err := c.host.ReadDir(real[1:])
		if err != nil {
			continue
		}
		for _, f := range list {
			if f.Type()&fs.ModeSymlink != 0 {
				names = append(names, path.Join(real, f.Name()))
			}
		}
	}
	for _, dir := range []string{"var/lib/dpkg/alternatives", "var/lib/alternatives"} {
		list, err := c.host.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, f := range list {
			data, err := fs.ReadFile(c.host, path.Join(dir, f.Name()))
			if err == nil {
				names = append(names, alternatives(string(data))...)
			}
		}
	}
	return slices.DeleteFunc(unique(names), func(name string) bool {
		_, err := c.host.Stat(name[1:])
		return err != nil
	})
}

// alternatives returns the links that a file of update-alternatives(1) names, of
// programs and of what goes with them: the paths before the first empty line.
func alternatives(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		if path.IsAbs(line) && path.Clean(line) == line && line != "/" {
			names = append(names, line)
		}
	}
	return names
}
