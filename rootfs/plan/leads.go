package plan

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// A lead is a path in the texts of an object, which the host has.
type lead struct {
	object string // whose text it is
	path   string
	folder bool
}

// claims returns the paths by which a lead's owner is known, the nearest first:
// below /var, programs make folders in those of their packages. The folder of a
// configuration may be all somebody's.
func (l lead) claims() []string {
	list := []string{l.path}
	switch {
	case strings.HasPrefix(l.path, "/var/"):
		for dir := path.Dir(l.path); !isCommon(dir) && dir != "/var"; dir = path.Dir(dir) {
			list = append(list, dir)
		}
	case strings.HasPrefix(l.path, "/etc/") && path.Dir(l.path) != "/etc":
		list = append(list, path.Dir(l.path))
	}
	return list
}

// leads returns the paths that objects name and the host has, but for those that
// recipes speak of.
func (p *pantry) leads(sights []sight) []lead {
	var leads []lead
	for _, s := range sights {
		seen := map[string]bool{s.loader: true}
		for _, text := range s.paths {
			l := lead{object: s.path, path: p.hostPath(text, s)}
			if l.path == "" || seen[l.path] {
				continue
			}
			seen[l.path] = true
			if isCommon(l.path) || isOfPrograms(l.path) || slices.Contains(p.libraries, l.path) || withheld(l.path) || p.spokenOf(l.path) {
				continue
			}
			info, err := fs.Stat(p.host, l.path[1:])
			if err != nil {
				continue
			}
			l.folder = info.IsDir()
			leads = append(leads, l)
		}
	}
	return leads
}

// spokenOf reports whether recipes speak of a path, so that it means no more than
// they say.
func (p *pantry) spokenOf(name string) bool {
	if p.Book.Covers(name, p.libraries) {
		return true
	}
	for _, r := range p.Book.Recipes {
		for _, pattern := range r.Ignore {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
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
func (v *evidence) nearest(name string) string {
	for dir := path.Clean(name); strings.HasPrefix(dir, "/var/"); dir = path.Dir(dir) {
		if info, err := v.host.Stat(dir[1:]); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// hostPath returns the path of the host that a text of an object stands for, ""
// if there is none: as it is, below the prefix that the object is installed in,
// or as far as its words are not to be filled in.
func (v *evidence) hostPath(text string, s sight) string {
	if before, _, ok := strings.Cut(text, "%"); ok {
		text = before[:strings.LastIndexByte(before, '/')+1]
	}
	name := path.Clean(text)
	switch {
	case strings.Count(name, "/") > 1 && path.IsAbs(name) && exists(v.host, name):
		if info, err := v.host.Stat(name[1:]); strings.HasPrefix(name, "/var/") && err == nil && !info.IsDir() && !s.text {
			return v.nearest(name)
		}
		return name
	case strings.HasPrefix(name, "/var/"):
		return v.nearest(name)
	case s.text:
		return ""
	}
	below := recipe.Expand("{prefix}/"+text, recipe.Fact{In: s.path}, nil)[0]
	if strings.Count(below, "/") < 3 || !exists(v.host, below) {
		return ""
	}
	return below
}

// textsAmong returns those of some names that stand as texts in a file that also
// has a folder as one, and not just in a PATH; sorted.
func (v *evidence) textsAmong(file, dir string, names map[string]string) ([]string, error) {
	const largest, longest = 1 << 26, 128
	f, err := v.host.Open(file[1:])
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, plain(err)
	}
	if !bytes.Contains(data, []byte("\x00"+dir+"\x00")) {
		return nil, nil
	}
	shortest := longest
	for name := range names {
		shortest = min(shortest, len(name))
	}
	var found []string
	for len(data) > 0 {
		text, rest, _ := bytes.Cut(data, []byte{0})
		data = rest
		if len(text) < shortest || len(text) > longest {
			continue
		}
		// The end of a text can be one of its own, for which a linker makes no other.
		for _, name := range [][]byte{text, text[bytes.LastIndexByte(text, '/')+1:]} {
			if names[string(name)] != "" {
				found = append(found, string(name))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// isElsewhere reports whether a program is not where a system's programs are, so
// that the folder in which it is may say something.
func isElsewhere(program string) bool { return !slices.Contains(SearchPath, path.Dir(program)) }

// isServed reports whether a path is below those where a machine has what it
// serves to others (FHS 3.17): of no package, and as large as can be.
func isServed(name string) bool {
	return strings.HasPrefix(name, "/srv/") || strings.HasPrefix(name, "/var/www/")
}

// serve takes in what a machine serves, if that is little; else just its folder,
// and says so.
func (p *pantry) serve(name string, why rootfs.Reason, d *Decision) error {
	const little = 1 << 20
	size := int64(0)
	err := fs.WalkDir(p.host, name[1:], func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := e.Info(); err == nil && e.Type().IsRegular() {
			size += info.Size()
		}
		if size > little {
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && size <= little {
		return p.addPath(name, why, d, nil)
	}
	p.notes = append(p.notes, fmt.Sprintf("what lies in %s is left to you: --add %[1]s ships it", name))
	if p.take(name) {
		p.note(ingredient{path: name, why: why, decide: d})
	}
	return nil
}

// isOfPrograms reports whether a folder is one of programs: that one names it does
// not mean that it starts all that are there.
func isOfPrograms(name string) bool {
	base := path.Base(name)
	return base == "bin" || base == "sbin"
}
