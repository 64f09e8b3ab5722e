package elfdeps

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
	"syscall"
)

// reasonAbsent is the reason of a probe where there is nothing.
const reasonAbsent = "no such file"

// follow finds the object for one need of o.
func (m *linkMap) follow(o *Object, dep Dependency) Need {
	if m.loader.Musl {
		return m.followMusl(o, dep)
	}
	n := Need{Dependency: dep}
	name, ok := m.expand(dep.Name, o)
	if !ok {
		return n
	}
	if known := m.known[name]; known != nil {
		n.Object, n.Rule = known, Rule{Kind: RuleLoaded}
		m.enlist(known)
		return n
	}
	for file, rule := range m.places(o, name) {
		if m.attempt(&n, o, name, file, rule) {
			break
		}
	}
	return n
}

// attempt looks at one place for a name that o needs and reports whether the
// search ends there, with a file or because the loader would stop.
func (m *linkMap) attempt(n *Need, o *Object, name, file string, rule Rule) (end bool) {
	c, end := m.consider(n, file, rule, m.rejects)
	if c == nil {
		return end
	}
	n.Rule, n.Object = rule, m.files[c.id]
	if m.auditing && m.rtld != nil && (name == m.rtld.Path || name == m.rtld.Soname) {
		n.Object = m.rtld // which there can be only one of, in all namespaces
	}
	if n.Object == nil {
		n.Object = m.load(c, file, o)
		n.Object.Hwcap, n.Loads = rule.Hwcap, true
	}
	m.learn(n.Object, name, file, c.file.Soname)
	return true
}

// consider opens the file at one place. If it will not do, it returns no
// candidate, records why, and reports whether the search ends there.
func (m *linkMap) consider(n *Need, file string, rule Rule, rejects func(*candidate) (string, bool)) (c *candidate, end bool) {
	if !path.IsAbs(file) {
		n.Tried = append(n.Tried, Probe{file, rule, reasonRelative, false})
		return nil, false
	}
	c = m.open(file)
	reason, fatal := rejects(c)
	if reason == "" {
		return c, true
	}
	if errno := syscall.Errno(0); errors.As(c.err, &errno) && rule.searched() && !m.loader.Musl && !m.hasFolder(path.Dir(file)) {
		reason, fatal = reasonAbsent, false // a folder that is none is passed over
	}
	n.Tried = append(n.Tried, Probe{file, rule, reason, fatal})
	return nil, fatal
}

// searched reports whether the rule is a step of a search, rather than a path
// that is opened whatever comes of it.
func (r Rule) searched() bool { return r.Kind > RulePath && r.Kind < RuleBuiltin }

// load adds the file that a need of o led to as an object of its own.
func (m *linkMap) load(c *candidate, file string, o *Object) *Object {
	loaded := m.objects.new(Object{File: c.file, Path: file, candidate: c, by: o})
	loaded.Needs = m.needs.take(len(c.file.Needed))
	m.files[c.id] = loaded
	m.prog.Objects = append(m.prog.Objects, loaded)
	return loaded
}

// rejects tells why the loader would not take a file, and whether it would go
// on searching or stop (open_verify and _dl_map_object_from_fd in dl-load.c).
func (m *linkMap) rejects(c *candidate) (reason string, fatal bool) {
	if c.file != nil {
		want, got := m.self.Arch, c.file.Arch
		switch {
		case got.Class != want.Class:
			return mismatch(want, got), false
		case got.Data != want.Data:
			// Here Debian's loader goes on and that of others stops. Going
			// on is right for both: an image does not get this file.
			return "of another byte order", false
		case got.OSABI != elf.ELFOSABI_NONE && got.OSABI != elf.ELFOSABI_LINUX:
			return fmt.Sprintf("for another system (%v)", got.OSABI), true
		case c.file.ident != "":
			return c.file.ident, true
		case !want.matches(got):
			return mismatch(want, got), false
		}
	}
	switch {
	case c.err == nil:
		reason = c.file.unmappable()
		return reason, reason != ""
	case errors.Is(c.err, fs.ErrNotExist), errors.Is(c.err, syscall.ENOTDIR):
		return reasonAbsent, false
	case errors.Is(c.err, fs.ErrPermission):
		return "permission denied", false
	}
	return c.err.Error(), true
}

// mismatch says that a file is not of the wanted architecture.
func mismatch(want, got Arch) string {
	if got.String() == want.String() { // x32, of amd64
		return fmt.Sprintf("for %v of %v, not %v", got, got.Class, want.Class)
	}
	return fmt.Sprintf("for %v, not %v", got, want)
}

// loadable reports whether the kernel or the loader maps files of this type.
func (f *File) loadable() bool { return f.Type == elf.ET_DYN || f.Type == elf.ET_EXEC }

// unmappable tells why the loader does not take the file for a library, ""
// if it does.
func (f *File) unmappable() string {
	switch {
	case !f.loadable():
		return fmt.Sprintf("of type %v, no library", f.Type)
	case f.Type == elf.ET_EXEC, f.Flags1&elf.DF_1_PIE != 0:
		return "a program, no library"
	case !f.Dynamic:
		return "without a dynamic section"
	}
	return ""
}

// places returns where the loader looks for a name that o needs, in order
// (_dl_map_object in dl-load.c).
func (m *linkMap) places(o *Object, name string) iter.Seq2[string, Rule] {
	return func(yield func(string, Rule) bool) {
		if name == "" {
			return
		}
		if strings.Contains(name, "/") {
			yield(name, Rule{Kind: RulePath})
			return
		}
		for dir, rule := range m.dirs(o) {
			if !m.inDir(dir.dir, name, rule, yield) {
				return
			}
		}
		strict := o.Flags1&elf.DF_1_NODEFLIB != 0
		if f := m.loader.cached(name); f.path != "" && !(strict && m.loader.isDefault(f.path)) {
			if !yield(f.path, Rule{Kind: RuleCache, Hwcap: f.hwcap}) {
				return
			}
		}
		for _, dir := range m.loader.DefaultDirs {
			if !strict && !m.inDir(dir, name, Rule{Kind: RuleDefault, Dir: dir}, yield) {
				return
			}
		}
		for _, dir := range m.loader.ConfDirs {
			if !m.inDir(dir, name, Rule{Kind: RuleConf, Dir: dir}, yield) {
				return
			}
		}
	}
}

// inDir yields the places of a name in one directory: first where the libraries
// for better processors are, then where an old loader looks, then the directory
// itself.
func (m *linkMap) inDir(dir, name string, rule Rule, yield func(string, Rule) bool) bool {
	for _, hwcap := range m.hwcaps {
		special := rule
		special.Hwcap = hwcap
		if sub := dir + "/glibc-hwcaps/" + hwcap; m.hasFolder(sub) && !yield(sub+"/"+name, special) {
			return false
		}
	}
	for _, legacy := range m.loader.legacy {
		old := rule
		old.Dir += "/" + legacy
		if sub := dir + "/" + legacy; m.hasFolder(sub) && !yield(sub+"/"+name, old) {
			return false
		}
	}
	return yield(dir+"/"+name, rule)
}

// dirs returns the directories that come before the cache: the DT_RPATH chain
// if o has no DT_RUNPATH, the library path, o's own DT_RUNPATH. For auditors and
// what they need, the program's DT_RUNPATH is part of the chain.
func (m *linkMap) dirs(o *Object) iter.Seq2[searchDir, Rule] {
	return func(yield func(searchDir, Rule) bool) {
		each := func(kind RuleKind, of string, dirs []searchDir) bool {
			for _, d := range dirs {
				if !yield(d, Rule{Kind: kind, Of: of, Dir: d.text}) {
					return false
				}
			}
			return true
		}
		if !o.HasRunpath {
			for l := o; l != nil; l = l.by { // up to the program
				if !each(RuleRpath, l.Path, m.rpath(l)) {
					return
				}
			}
			if m.auditing && !each(RuleRunpath, m.self.Path, m.runpath(m.self)) {
				return
			}
		}
		_ = each(RuleLibraryPath, "", m.libraryPath) &&
			each(RuleRunpath, o.Path, m.runpath(o))
	}
}
