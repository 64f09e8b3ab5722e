package plan

import (
	"bytes"
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
func Notes(host *rootfs.Host, c *elfdeps.Closure) []string {
	var list []string
	add := func(format string, args ...any) {
		if note := fmt.Sprintf(format, args...); !slices.Contains(list, note) {
			list = append(list, note)
		}
	}
	if libs := preloaded(host); libs != "" && len(c.Programs) > 0 {
		add("/etc/ld.so.preload makes this root's programs load %s; the image has no such file", libs)
	}
	for _, p := range c.Programs {
		if p.Self().UPX {
			add("%s is packed with UPX, which hides what it needs; upx -d unpacks it", p.Name)
		}
		for _, lib := range ignoredOrigins(host, p) {
			add("%s runs with privileges, so its loader ignores $ORIGIN and would not find %s", p.Name, lib)
		}
		for _, o := range p.Objects {
			if rule := workingDirectory(o); rule != "" {
				add("%s leads to the working directory; what lies there is not in the image", rule)
			}
		}
	}
	for _, line := range optional(c) {
		add("%s", line)
	}
	return list
}

// preloaded returns what /etc/ld.so.preload names.
func preloaded(host *rootfs.Host) string {
	data, err := fs.ReadFile(host, "etc/ld.so.preload")
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

// ignoredOrigins returns the libraries that a program would not find because it
// is setuid, setgid or has capabilities: there $ORIGIN counts only if it leads to
// a default directory (ld.so(8), "Secure-execution mode").
func ignoredOrigins(host *rootfs.Host, p *elfdeps.Program) []string {
	var libs []string
	for _, o := range p.Objects {
		for i := range o.Needs {
			n := &o.Needs[i]
			hasOrigin := strings.Contains(n.Rule.Dir, "$ORIGIN") || strings.Contains(n.Rule.Dir, "${ORIGIN}")
			if n.Object != nil && hasOrigin && !trusted(p.Loader, n.Object.Path) {
				libs = append(libs, n.Name)
			}
		}
	}
	if len(libs) == 0 || !privileged(host, p.Name) {
		return nil
	}
	return libs
}

// trusted reports whether a file lies in a default directory.
func trusted(l *elfdeps.Loader, file string) bool {
	return slices.Contains(l.DefaultDirs, path.Dir(path.Clean(file)))
}

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

// optional says, for each object, what it can do without and is not there.
func optional(c *elfdeps.Closure) []string {
	var order []string
	lacks := make(map[string][]string)
	for _, m := range c.Optional() {
		if lacks[m.By] == nil {
			order = append(order, m.By)
		}
		if !slices.Contains(lacks[m.By], m.Need.Name) {
			lacks[m.By] = append(lacks[m.By], m.Need.Name)
		}
	}
	lines := make([]string, len(order))
	for i, by := range order {
		lines[i] = fmt.Sprintf("%s can use %s, not found", by, strings.Join(lacks[by], ", "))
	}
	return lines
}
