package plan

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// Notes returns what a closure does not show, a sentence each: where programs
// will not do what they seem to, or depend on what nobody can know beforehand.
func Notes(host *rootfs.Host, c *elfdeps.Closure) []string { return notes(host, c, true) }

// notes returns the notes on programs that keep their privileges, or lose them.
func notes(host *rootfs.Host, c *elfdeps.Closure, keep bool) []string {
	var list []string
	add := func(format string, args ...any) {
		if note := fmt.Sprintf(format, args...); !slices.Contains(list, note) {
			list = append(list, note)
		}
	}
	if libs := preloaded(host); libs != "" && len(c.Programs) > 0 {
		add(preloadedAway, libs)
	}
	for p := range c.All() {
		if p.Script != nil {
			for _, note := range scriptNotes(host, p) {
				add("%s", note)
			}
			continue
		}
		if p.Self().UPX {
			add("%s is packed with UPX, which hides what it needs; upx -d unpacks it", p.Name)
		}
		if keep && p.Self().Interp != "" {
			if lines := privileges(p); len(lines) > 0 && privileged(host, p.Name) {
				for _, line := range lines {
					add("%s runs with privileges, so its loader %s", p.Name, line)
				}
			}
		}
		for _, o := range p.Objects {
			if rule := workingDirectory(o); rule != "" {
				add("%s leads to the working directory; what lies there is not in the image", rule)
			}
		}
	}
	for _, line := range optional(host, c) {
		add("%s", line)
	}
	return list
}

const preloadedAway = "/etc/ld.so.preload makes this root's programs load %s; the image has no such file"

// preloads says what /etc/ld.so.preload makes programs of the image load, if it is
// there. That is no need of theirs, and followed nowhere.
func (b *builder) preloads() {
	libs := preloaded(b.tree)
	if libs == "" {
		return
	}
	away := fmt.Sprintf(preloadedAway, preloaded(b.host))
	b.plan.Notes = slices.DeleteFunc(b.plan.Notes, func(note string) bool { return note == away })
	b.plan.Notes = append(b.plan.Notes, "/etc/ld.so.preload makes all programs of the image load "+libs)
}

// preloaded returns what /etc/ld.so.preload names.
func preloaded(root fs.FS) string {
	data, err := fs.ReadFile(root, "etc/ld.so.preload")
	if err != nil {
		return ""
	}
	var libs []string
	for line := range bytes.Lines(data) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		libs = append(libs, strings.FieldsFunc(string(line), func(c rune) bool { return strings.ContainsRune(" :\t\n", c) })...)
	}
	return strings.Join(libs, ", ")
}

// workingDirectory returns the rule by which an object's needs are looked for in
// the working directory, "" if there is none.
func workingDirectory(o *elfdeps.Object) string {
	for i := range o.Needs {
		for _, probe := range o.Needs[i].Tried {
			if !path.IsAbs(probe.Path) {
				return probe.Rule.String()
			}
		}
	}
	return ""
}

// optional says what programs start without, and would rather not: together for
// each object what it may open later.
func optional(host *rootfs.Host, c *elfdeps.Closure) []string {
	const gone = ", not found"
	var lines sentences
	for _, m := range c.Optional() {
		n := m.Need
		rejected := func(p elfdeps.Probe) bool {
			_, err := host.Stat(strings.TrimPrefix(p.Path, "/"))
			return err == nil
		}
		switch {
		case len(n.Lacks) > 0, n.Dlopen == nil && n.Tag != elf.DT_AUXILIARY, slices.ContainsFunc(n.Tried, rejected):
			lines.add(m.String(), "", "")
		case n.Dlopen == nil:
			lines.add(m.By+" can use ", n.Name, gone)
		case n.Dlopen.Priority == elfdeps.Required:
			lines.add(m.By+" does not work without ", strings.Join(n.Dlopen.Sonames, " or "), gone)
		default:
			lines.add(m.By+" can use ", strings.Join(n.Dlopen.Sonames, " or "), gone)
		}
	}
	return lines.text()
}

// sentences are lines with a list in the middle, which grows.
type sentences struct {
	order []ends
	items map[ends][]string
}

type ends struct{ before, after string }

// add adds an item to the line that begins and ends as given.
func (s *sentences) add(before, item, after string) {
	if s.items == nil {
		s.items = make(map[ends][]string)
	}
	e := ends{before, after}
	if s.items[e] == nil {
		s.order = append(s.order, e)
	}
	if !slices.Contains(s.items[e], item) {
		s.items[e] = append(s.items[e], item)
	}
}

// text returns the lines, in the order in which they were begun.
func (s *sentences) text() []string {
	lines := make([]string, len(s.order))
	for i, e := range s.order {
		lines[i] = e.before + strings.Join(s.items[e], ", ") + e.after
	}
	return lines
}
