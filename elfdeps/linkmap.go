package elfdeps

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"
)

// tagInterp marks the need that PT_INTERP is: DT_NULL names no dependency.
const tagInterp = elf.DT_NULL

// reasonAbsent is the reason of a probe where there is nothing.
const reasonAbsent = "no such file"

// A linkMap simulates what glibc's loader builds when it starts one program:
// the list of objects, in the order in which they are opened, and the names by
// which each is known. A name that is known is never searched for.
type linkMap struct {
	*search
	prog   *Program
	loader *Loader
	self   *Object
	known  map[string]*Object // by path, by name it was found under, by soname
	inodes map[any]*Object
}

// start follows the interpreter and then every need, breadth first.
func (m *linkMap) start() error {
	interp := m.self.Interp
	if interp == "" { // a library: started by the loader of its architecture
		interp = m.self.Arch.abi().interp
	}
	var err error
	if m.loader, err = m.search.loader(interp, m.self.Arch); err != nil {
		return err
	}
	m.prog.Loader = m.loader
	m.learn(m.self, m.self.Soname)
	if m.self.Interp != "" {
		m.interp()
	}
	m.walk()
	m.audit()
	return nil
}

// interp does what the kernel does: it opens PT_INTERP by that very path.
func (m *linkMap) interp() {
	n := Need{Dependency: Dependency{tagInterp, m.self.Interp}}
	m.attempt(&n, m.self, m.self.Interp, Rule{Kind: RuleInterp})
	m.self.Needs = append(m.self.Needs, n)
}

// walk follows the needs of every object that is not done, first in the list
// first (_dl_map_object_deps). Filters come before what they filter, and so
// their own needs come next.
func (m *linkMap) walk() {
	for i := m.undone(0); i >= 0; i = m.undone(i) {
		o := m.prog.Objects[i]
		o.done = true
		for _, dep := range o.Needed {
			if dep.Tag == tagAudit || dep.Tag == tagDepAudit {
				continue
			}
			before := len(m.prog.Objects)
			o.Needs = append(o.Needs, m.follow(o, dep))
			if dep.Tag != elf.DT_NEEDED && len(m.prog.Objects) > before {
				m.moveLast(o)
			}
		}
	}
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

// moveLast puts the object that came in last just before o.
func (m *linkMap) moveLast(o *Object) {
	objects := m.prog.Objects
	last := len(objects) - 1
	at := slices.Index(objects, o)
	m.prog.Objects = slices.Insert(objects[:last:last], at, objects[last])
}

// audit loads the auditors of the program (rtld-audit(7)), each into a
// namespace of its own in which only the loader is known.
func (m *linkMap) audit() {
	for _, dep := range m.self.Needed {
		if dep.Tag != tagAudit && dep.Tag != tagDepAudit {
			continue
		}
		for name := range strings.SplitSeq(dep.Name, ":") {
			ns := &linkMap{search: m.search, prog: m.prog, loader: m.loader, self: m.self,
				known: make(map[string]*Object), inodes: make(map[any]*Object)}
			if o := m.known[m.loader.Path]; o != nil {
				ns.learn(o, o.Path, o.Soname)
			}
			m.self.Needs = append(m.self.Needs, ns.follow(m.self, Dependency{dep.Tag, name}))
			ns.walk()
		}
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

// follow finds the object for one need of o.
func (m *linkMap) follow(o *Object, dep Dependency) Need {
	n := Need{Dependency: dep}
	if known := m.known[dep.Name]; known != nil {
		n.Object, n.Rule = known, Rule{Kind: RuleLoaded}
		return n
	}
	for file, rule := range m.places(o, dep.Name) {
		if m.attempt(&n, o, file, rule) {
			break
		}
	}
	return n
}

// attempt looks at one place for a need of o and reports whether the search
// ends there, with a file or because the loader would stop.
func (m *linkMap) attempt(n *Need, o *Object, file string, rule Rule) (end bool) {
	if !path.IsAbs(file) {
		n.Tried = append(n.Tried, Probe{file, rule, "depends on the working directory", false})
		return false
	}
	c := m.open(file)
	if reason, fatal := m.rejects(c); reason != "" {
		n.Tried = append(n.Tried, Probe{file, rule, reason, fatal})
		return fatal
	}
	n.Rule = rule
	n.Object = m.inodes[c.id]
	if n.Object == nil {
		n.Object = &Object{File: c.file, Path: file, id: c.id, by: o}
		m.inodes[c.id] = n.Object
		m.prog.Objects = append(m.prog.Objects, n.Object)
	}
	m.learn(n.Object, n.Name, file, c.file.Soname)
	return true
}

// rejects tells why the loader would not take a file, and whether it would go
// on searching or stop (open_verify in dl-load.c).
func (m *linkMap) rejects(c *candidate) (reason string, fatal bool) {
	if c.file != nil && !m.self.Arch.sameLoader(c.file.Arch) {
		return fmt.Sprintf("for %v, not %v", c.file.Arch, m.self.Arch), false
	}
	switch {
	case c.err == nil && c.file.Arch.Data != m.self.Arch.Data:
		return "of another byte order", true
	case c.err == nil && !c.file.loadable():
		return fmt.Sprintf("of type %v, no library", c.file.Type), true
	case c.err == nil:
		return "", false
	case errors.Is(c.err, fs.ErrNotExist), errors.Is(c.err, syscall.ENOTDIR):
		return reasonAbsent, false
	case errors.Is(c.err, fs.ErrPermission):
		return "permission denied", false
	}
	return c.err.Error(), true
}

// loadable reports whether the loader maps files of this type.
func (f *File) loadable() bool { return f.Type == elf.ET_DYN || f.Type == elf.ET_EXEC }

// places returns where the loader looks for a name that o needs, in order
// (_dl_map_object in dl-load.c).
func (m *linkMap) places(o *Object, name string) iter.Seq2[string, Rule] {
	return func(yield func(string, Rule) bool) {
		if name == "" {
			return
		}
		if strings.Contains(name, "/") {
			if file, ok := m.expand(name, o); ok {
				yield(file, Rule{Kind: RulePath})
			}
			return
		}
		for dir, rule := range m.dirs(o) {
			if !yield(dir.dir+"/"+name, rule) {
				return
			}
		}
		strict := o.Flags1&elf.DF_1_NODEFLIB != 0
		if file := m.loader.byName[name]; file != "" && !(strict && m.loader.isDefault(file)) {
			if !yield(file, Rule{Kind: RuleCache}) {
				return
			}
		}
		for _, dir := range m.loader.DefaultDirs {
			if strict || !yield(dir+"/"+name, Rule{Kind: RuleDefault, Dir: dir}) {
				return
			}
		}
	}
}

// dirs returns the directories that come before the cache: the DT_RPATH chain
// if o has no DT_RUNPATH, the library path, o's own DT_RUNPATH.
func (m *linkMap) dirs(o *Object) iter.Seq2[searchDir, Rule] {
	return func(yield func(searchDir, Rule) bool) {
		each := func(kind RuleKind, of string, dirs []searchDir) bool {
			for _, d := range dirs {
				if !yield(d, Rule{kind, of, d.text}) {
					return false
				}
			}
			return true
		}
		if !o.HasRunpath {
			triedSelf := false
			for l := o; l != nil; l = l.by {
				if !each(RuleRpath, l.Path, m.rpath(l)) {
					return
				}
				triedSelf = triedSelf || l == m.self
			}
			if !triedSelf && !each(RuleRpath, m.self.Path, m.rpath(m.self)) {
				return
			}
		}
		_ = each(RuleLibraryPath, "", m.libraryPath) &&
			each(RuleRunpath, o.Path, m.runpath(o))
	}
}

// isDefault reports whether a file lies below a default directory.
func (l *Loader) isDefault(file string) bool {
	for _, dir := range l.DefaultDirs {
		if strings.HasPrefix(file, dir+"/") {
			return true
		}
	}
	return false
}
