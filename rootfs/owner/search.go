package owner

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxLinks is how many symbolic links are followed in one name, as by the kernel
// (path_resolution(7)).
const maxLinks = 40

// A search looks for the owners of paths among all that packages list. Most of
// these are dismissed by their last component; of the others the folder's links
// are followed, each folder's once.
type search struct {
	fsys    fs.FS
	bases   bases             // last components of what is wanted
	claims  map[string]*claim // by the path without links
	folders map[string]string // where the names of folders lead to
}

// A claim is who lists a path.
type claim struct {
	by   *Package   // the first of those that list it; nil if none does
	path string     // as it is spelled there
	all  []*Package // that list it, in any order
}

// shared reports whether there are several.
func (c *claim) shared() bool { return len(c.all) > 1 }

func newSearch(fsys fs.FS) *search {
	return &search{
		fsys:    fsys,
		bases:   bases{names: make(map[string]bool)},
		claims:  make(map[string]*claim),
		folders: make(map[string]string),
	}
}

// want asks for a path, and for what it leads to if it is a link. It returns
// these paths, with the links of their folders followed.
func (s *search) want(name string) []string {
	chain := []string{s.reach(name)}
	for len(chain) <= maxLinks {
		at := chain[len(chain)-1]
		link, ok := s.link(at)
		if !ok {
			break
		}
		if !path.IsAbs(link) {
			link = path.Dir(at) + "/" + link
		}
		chain = append(chain, s.reach(link))
	}
	for _, at := range chain {
		s.claims[at] = new(claim)
		s.bases.add(path.Base(at))
	}
	return chain
}

// reach returns where a name leads to, component by component. If it ends in the
// name of a link, that link is not followed.
func (s *search) reach(name string) string {
	dir, base := path.Split(name)
	switch base {
	case "", ".", "..":
		return s.walk(name)
	}
	return join(s.walk(dir), base)
}

// Bases are last components of paths. Nearly all paths that packages list end in
// two other bytes than any of these, which is told without looking for the
// component.
type bases struct {
	names map[string]bool
	ends  [1 << 16]bool // the last two bytes of a path with one of the names
}

func (b *bases) add(name string) {
	b.names[name] = true
	b.ends[end("/"+name)] = true
}

// end returns the last two bytes of a path, of which it has that many.
func end[T ~string | ~[]byte](name T) uint16 {
	return uint16(name[len(name)-2])<<8 | uint16(name[len(name)-1])
}

// wants reports whether the last component of a path may be wanted.
func (s *search) wants(name []byte) bool {
	return len(name) > 1 && s.bases.ends[end(name)] && s.bases.names[string(name[bytes.LastIndexByte(name, '/')+1:])]
}

// claim says that a package lists a path.
func (s *search) claim(p *Package, name string) {
	c := s.claims[s.real(name)]
	if c == nil || slices.Contains(c.all, p) {
		return
	}
	c.all = append(c.all, p)
	if c.by == nil || p.order < c.by.order {
		c.by, c.path = p, name
	}
}

// claimRest is like claim, but yields to whoever else lists the path.
func (s *search) claimRest(p *Package, name string) {
	if c := s.claims[s.real(name)]; c != nil && c.by == nil {
		c.by, c.path, c.all = p, name, []*Package{p}
	}
}

func (s *search) isFolder(name string) bool {
	info, err := fs.Stat(s.fsys, fsName(name))
	return err == nil && info.IsDir()
}

// real is reach for a path as packages list it, rooted and clean, with each
// folder's links followed once.
func (s *search) real(name string) string {
	dir, base := path.Split(name)
	return join(s.folder(path.Clean(dir)), base)
}

func (s *search) folder(dir string) string {
	if dir == "/" {
		return dir
	}
	if real, known := s.folders[dir]; known {
		return real
	}
	parent := s.folder(path.Dir(dir))
	real := join(parent, path.Base(dir))
	if link, ok := s.link(real); ok {
		if !path.IsAbs(link) {
			link = parent + "/" + link
		}
		real = s.walk(link)
	}
	s.folders[dir] = real
	return real
}

// walk follows all links of a path from the root, but no more than the kernel
// would. What is not there has the path that it would have.
func (s *search) walk(name string) string {
	at, rest, links := "/", name, maxLinks
	for rest != "" {
		var elem string
		elem, rest, _ = strings.Cut(rest, "/")
		switch elem {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := join(at, elem)
		link, ok := s.link(next)
		if !ok || links == 0 {
			at = next
			continue
		}
		links--
		if path.IsAbs(link) {
			at = "/"
		}
		rest = link + "/" + rest
	}
	return at
}

// link returns the target of a path if that is a link.
func (s *search) link(name string) (string, bool) {
	info, err := fs.Lstat(s.fsys, fsName(name))
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", false
	}
	link, err := fs.ReadLink(s.fsys, fsName(name))
	return link, err == nil
}

// join appends one component to a clean rooted path.
func join(dir, elem string) string {
	if dir == "/" {
		return "/" + elem
	}
	return dir + "/" + elem
}

// fsName turns a rooted path into a name for an fs.FS.
func fsName(rooted string) string {
	if rooted == "/" {
		return "."
	}
	return rooted[1:]
}
