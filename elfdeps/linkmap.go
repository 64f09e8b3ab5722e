package elfdeps

import (
	"debug/elf"
	"maps"
	"slices"
	"strings"
)

// Tags of needs that are no dependency of a dynamic section: DT_NULL names none,
// and nothing is below that.
const (
	tagInterp            = elf.DT_NULL // PT_INTERP
	tagScript elf.DynTag = -1          // the interpreter in a script's first line
	tagEnv    elf.DynTag = -2          // what env is to start for a script
)

// A linkMap simulates what glibc's loader builds when it starts one program:
// the list of objects, in the order in which they are searched for symbols, and
// the names by which each is known. A name that is known is never searched for.
type linkMap struct {
	*search
	prog        *Program
	loader      *Loader
	self        *Object // the program
	rtld        *Object // the loader; nil if its file will not do
	libraryPath []searchDir
	auditing    bool // this is the namespace of an auditor
	first       int  // of the program's objects that are in this namespace

	known map[string]*Object // by path, by name it was found under, by soname
	files map[any]*Object    // by identity

	objects slab[Object] // room for those to come
	needs   slab[Need]
}

// newLinkMap returns the link map of a program that has none yet. Its maps are
// good until it is released.
func newLinkMap(s *search, p *Program) *linkMap {
	m, _ := s.linkMaps.Get().(*linkMap)
	if m == nil {
		m = &linkMap{known: make(map[string]*Object), files: make(map[any]*Object)}
	}
	*m = linkMap{
		search: s, prog: p, loader: p.Loader, self: p.self,
		known: m.known, files: m.files, objects: m.objects, needs: m.needs,
	}
	m.self.Needs = m.needs.take(len(m.self.Needed) + 1)
	switch {
	case s.libraryPath == "":
	case m.loader.Musl:
		m.libraryPath = muslSplit(s.libraryPath)
	default:
		m.libraryPath = m.split(s.libraryPath, ":;", m.self)
	}
	return m
}

// release gives the maps, which have grown to the size that programs need, to
// the link map of another one.
func (m *linkMap) release() {
	clear(m.known)
	clear(m.files)
	m.linkMaps.Put(m)
}

// start follows the interpreter and then every need, breadth first. Without its
// interpreter a program has no needs that anybody would follow.
func (m *linkMap) start(interp string) {
	if !m.loader.Musl {
		m.learn(m.self, m.self.Soname)
	}
	if m.self.Interp == "" {
		m.enterLibrary(interp)
	} else if !m.followInterp() {
		return
	}
	m.fill()
	if !m.loader.Musl {
		m.audit()
	}
	if m.mention {
		m.mentions()
	}
}

// fill loads all that the objects of the namespace need, then what they open
// later.
func (m *linkMap) fill() {
	m.walk()
	m.checkVersions(m.prog.Objects[m.first:])
	m.dlopens()
}

// followInterp does what the kernel does: it opens PT_INTERP by that very path.
func (m *linkMap) followInterp() bool {
	n := Need{Dependency: Dependency{tagInterp, m.self.Interp}}
	m.attempt(&n, m.self, n.Name, n.Name, Rule{Kind: RuleInterp})
	m.rtld = n.Object
	m.self.Needs = append(m.self.Needs, n)
	return n.Object != nil
}

// enterLibrary begins the link map of a library, which the loader, unlike a
// program, has opened itself. The loader is there before it.
func (m *linkMap) enterLibrary(interp string) {
	m.learn(m.self, m.self.Path)
	m.files[m.self.id] = m.self
	c := m.open(interp)
	if reason, _ := m.rejects(c); reason == "" {
		m.rtld = &Object{File: c.file, Path: interp, candidate: c, by: m.self}
		m.learn(m.rtld, interp, c.file.Soname)
	}
}

// walk follows the needs of every object that is not done, first in the list
// first (_dl_map_object_deps). What an object filters comes before it, and so
// the needs of that come next.
func (m *linkMap) walk() {
	for i := m.undone(0); i >= 0; i = m.undone(i) {
		o := m.prog.Objects[i]
		o.done = true
		for _, dep := range o.Needed {
			if o.misses(dep) {
				continue // the loader has stopped there
			}
			switch dep.Tag {
			case elf.DT_NEEDED:
				o.Needs = append(o.Needs, m.follow(o, dep))
			case elf.DT_FILTER, elf.DT_AUXILIARY:
				if m.loader.Musl {
					continue // which knows neither
				}
				n := m.follow(o, dep)
				o.Needs = append(o.Needs, n)
				m.moveBefore(o, n.Object)
			}
		}
	}
}

// dlopens follows what objects open once the program runs, until nothing new
// comes.
func (m *linkMap) dlopens() {
	if m.dlopen == NoDlopen {
		return
	}
	for {
		i := slices.IndexFunc(m.prog.Objects, func(o *Object) bool { return !o.opened })
		if i < 0 {
			return
		}
		o := m.prog.Objects[i]
		o.opened = true
		for _, d := range o.Dlopen {
			if d.Priority <= m.dlopen {
				m.mayOpen(o, d)
			}
		}
		if len(o.imports) > 0 {
			m.unwinder(o)
		}
	}
}

// mayOpen opens the first of some libraries that is there with all that it needs.
// Like dlopen(3), it leaves nothing behind of one that lacks something.
func (m *linkMap) mayOpen(o *Object, d Dlopen) {
	n := Need{Dependency: Dependency{Name: d.Sonames[0]}, Dlopen: &d}
	for _, name := range d.Sonames {
		before := m.save()
		next := m.follow(o, Dependency{elf.DT_NEEDED, name})
		n.Tried = append(n.Tried, next.Tried...)
		if next.Object == nil {
			continue
		}
		m.walk()
		lack := m.lackSince(before)
		if lack == "" {
			n.Name, n.Object, n.Rule, n.Loads = name, next.Object, next.Rule, next.Loads
			break
		}
		n.Tried = append(n.Tried, Probe{Path: next.Object.Path, Rule: next.Rule, Reason: lack})
		m.restore(before)
	}
	o.Needs = append(o.Needs, n)
}

// A saved is a link map as it was.
type saved struct {
	objects []*Object
	known   map[string]*Object
	files   map[any]*Object
}

func (m *linkMap) save() saved {
	return saved{slices.Clone(m.prog.Objects), maps.Clone(m.known), maps.Clone(m.files)}
}

func (m *linkMap) restore(s saved) { m.prog.Objects, m.known, m.files = s.objects, s.known, s.files }

// lackSince returns what the objects that have come since then lack, "" if
// nothing.
func (m *linkMap) lackSince(then saved) string {
	var added []*Object
	for _, o := range m.prog.Objects[m.first:] {
		if !slices.Contains(then.objects, o) {
			added = append(added, o)
		}
	}
	m.checkVersions(added)
	for _, o := range added {
		for i := range o.Needs {
			if n := &o.Needs[i]; !n.Met() && !n.optional() {
				return Missing{By: o.Path, Need: *n}.brief()
			}
		}
	}
	return ""
}

// unwinder opens libgcc_s.so.1, as libc does in the functions that o imports.
func (m *linkMap) unwinder(o *Object) {
	const name = "libgcc_s.so.1"
	libc := m.known["libc.so.6"]
	if m.loader.Musl || libc == nil || libc == o || m.known[name] != nil {
		return
	}
	m.mayOpen(libc, Dlopen{
		Sonames:     []string{name},
		Priority:    Recommended,
		Feature:     strings.Join(o.imports, ", "),
		Description: "imported by " + o.Path,
	})
}

// undone returns the index of the first object from the given one on whose
// needs have not been followed, or -1.
func (m *linkMap) undone(from int) int {
	for i := from; i < len(m.prog.Objects); i++ {
		if !m.prog.Objects[i].done {
			return i
		}
	}
	return -1
}

// moveBefore puts an object just before o, unless it stands before it already.
func (m *linkMap) moveBefore(o, moved *Object) {
	objects := m.prog.Objects
	to, from := slices.Index(objects, o), slices.Index(objects, moved)
	if from > to {
		copy(objects[to+1:from+1], objects[to:from])
		objects[to] = moved
	}
}

// audit loads the auditors of the program (rtld-audit(7)).
func (m *linkMap) audit() {
	for _, dep := range m.self.Needed {
		if dep.Tag != elf.DT_AUDIT && dep.Tag != elf.DT_DEPAUDIT {
			continue
		}
		for name := range strings.SplitSeq(dep.Name, ":") {
			if name != "" {
				m.self.Needs = append(m.self.Needs, m.loadAuditor(Dependency{dep.Tag, name}))
			}
		}
	}
}

// loadAuditor loads one auditor into a namespace of its own. It is the loader
// who asks for it, not the program.
func (m *linkMap) loadAuditor(dep Dependency) Need {
	ns := &linkMap{
		search:      m.search,
		prog:        m.prog,
		loader:      m.loader,
		self:        m.self,
		rtld:        m.rtld,
		libraryPath: m.libraryPath,
		auditing:    true,
		first:       len(m.prog.Objects),
		known:       make(map[string]*Object),
		files:       make(map[any]*Object),
	}
	requester := m.rtld
	if requester == nil { // of a library
		requester = &Object{File: &File{}, Path: m.self.Path, by: m.self}
	}
	n := ns.follow(requester, dep)
	ns.fill()
	return n
}

// enlist adds the loader to the list once somebody needs it: of a library it is
// not a part from the start.
func (m *linkMap) enlist(o *Object) {
	if o == m.rtld && !slices.Contains(m.prog.Objects, o) {
		m.prog.Objects = append(m.prog.Objects, o)
	}
}

// learn makes o the answer to names that have none yet.
func (m *linkMap) learn(o *Object, names ...string) {
	for _, name := range names {
		if _, taken := m.known[name]; !taken && name != "" {
			m.known[name] = o
		}
	}
}
