package elfdeps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"syscall"
)

// muslDirs is where musl's loader looks if no path file tells it otherwise.
const muslDirs = "/lib:/usr/local/lib:/usr/lib"

// muslArchs are musl's names of platforms (arch/*/reloc.h).
var muslArchs = map[string]string{
	"386":      "i386",
	"amd64":    "x86_64",
	"arm/v5":   "arm",
	"arm/v7":   "armhf",
	"arm64":    "aarch64",
	"loong64":  "loongarch64",
	"mips64le": "mips64el",
	"mipsle":   "mipsel",
	"ppc64le":  "powerpc64le",
	"riscv64":  "riscv64",
	"s390x":    "s390x",
}

// muslSeparators stand between the elements of every path that musl reads.
const muslSeparators = ":\n"

// newMuslLoader reads the search rules of musl's loader (ldso/dynlink.c): the
// path file that it names, below the prefix that its own path has.
func (s *search) newMuslLoader(name string, data []byte, abi abi) *Loader {
	l := &Loader{Path: name, Musl: true, abi: abi}
	l.PathFile = muslPrefix(name) + muslPathFile(data)
	list, err := s.contents(l.PathFile, maxLoader)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		list = []byte(muslDirs)
	case err != nil:
		list = nil // as an empty file: no directory at all
	}
	dirs := muslSplit(string(list))
	for _, dir := range dirs[:min(len(dirs), maxDirs)] {
		l.DefaultDirs = append(l.DefaultDirs, dir.dir)
	}
	return l
}

// muslPrefix returns the path of a loader without its last two components.
func muslPrefix(name string) string {
	for range 2 {
		name = name[:max(strings.LastIndexByte(name, '/'), 0)]
	}
	return name
}

// muslPathFile finds the name of the path file in a loader.
func muslPathFile(data []byte) string {
	at := bytes.Index(data, []byte("/etc/ld-musl-"))
	if at < 0 {
		return ""
	}
	name, _, _ := bytes.Cut(data[at:], []byte{0})
	return string(name[:min(len(name), maxInterp)])
}

// muslInterp returns the interpreter of programs that would open a library of
// these needs, "" if they are not musl's: Alpine's say so by name, and no other
// libc is called libc.so.
func muslInterp(f *File) string {
	for _, dep := range f.Needed {
		if rest, ok := strings.CutPrefix(dep.Name, "libc.musl-"); ok {
			return "/lib/ld-musl-" + rest
		}
		if arch := muslArchs[f.Arch.abi().platform]; dep.Name == "libc.so" && arch != "" {
			return "/lib/ld-musl-" + arch + ".so.1"
		}
	}
	return ""
}

// muslSplit takes a search path apart (path_open): empty elements are none.
func muslSplit(list string) []searchDir {
	var dirs []searchDir
	for _, dir := range strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(muslSeparators, c) }) {
		dirs = append(dirs, searchDir{dir, dir})
	}
	return dirs
}

// followMusl finds the object for one need of o (load_library).
func (m *linkMap) followMusl(o *Object, dep Dependency) Need {
	n := Need{Dependency: dep}
	if muslReserved(dep.Name) || dep.Name == m.loader.Path {
		m.beLoader(&n, Rule{Kind: RuleBuiltin})
		return n
	}
	searched := !strings.Contains(dep.Name, "/")
	if known := m.known[dep.Name]; known != nil && searched {
		n.Object, n.Rule = known, Rule{Kind: RuleLoaded}
		return n
	}
	for file, rule := range m.muslPlaces(o, dep.Name) {
		if m.attemptMusl(&n, o, file, rule) {
			break
		}
	}
	if n.Object != nil && searched {
		m.learn(n.Object, path.Base(n.Object.Path))
	}
	return n
}

// muslReserved reports whether a name stands for the loader, which is libc and
// all its parts, whatever follows the dot.
func muslReserved(name string) bool {
	for _, part := range []string{"c", "pthread", "rt", "m", "dl", "util", "xnet"} {
		if strings.HasPrefix(name, "lib"+part+".") {
			return true
		}
	}
	return false
}

// beLoader meets a need with the loader.
func (m *linkMap) beLoader(n *Need, rule Rule) {
	if m.rtld != nil {
		n.Object, n.Rule = m.rtld, rule
		m.enlist(m.rtld)
	}
}

// attemptMusl looks at one place for a need of o and reports whether the search
// ends there: the first file that can be opened is taken or ends the program.
func (m *linkMap) attemptMusl(n *Need, o *Object, file string, rule Rule) (end bool) {
	c, end := m.consider(n, file, rule, m.muslRejects)
	if c == nil {
		return end
	}
	if m.isLibc(file, c) {
		m.beLoader(n, rule)
		return true
	}
	n.Rule, n.Object = rule, m.files[c.id]
	if n.Object == nil {
		n.Object, n.Loads = m.load(c, file, o), true
	}
	return true
}

// muslRejects tells why the loader would not take a file, and whether it would
// go on searching or stop (map_library).
func (m *linkMap) muslRejects(c *candidate) (reason string, fatal bool) {
	switch {
	case errors.Is(c.err, fs.ErrNotExist), errors.Is(c.err, syscall.ENOTDIR):
		return reasonAbsent, false
	case errors.Is(c.err, fs.ErrPermission):
		return "permission denied", false
	case errors.Is(c.err, syscall.ENAMETOOLONG):
		return "file name too long", false
	case c.file != nil && !m.self.Arch.matches(c.file.Arch):
		return mismatch(m.self.Arch, c.file.Arch), true
	case c.err != nil:
		return c.err.Error(), true
	case !c.file.loadable():
		return fmt.Sprintf("of type %v, no library", c.file.Type), true
	}
	return "", false
}

// isLibc reports whether a file is some libc, be it another one, in whose place
// the loader puts itself. It goes by the symbols that musl goes by.
func (m *linkMap) isLibc(file string, c *candidate) bool {
	return m.libcs.get(c.file, func() bool {
		f, info, err := m.openRegular(file)
		if err != nil {
			return false
		}
		defer f.Close()
		at, ok := f.(io.ReaderAt)
		if !ok {
			return false
		}
		names := []string{"__libc_start_main", "stdin"}
		found, err := exports(at, info.Size(), names)
		return err == nil && len(found) == len(names)
	})
}

// muslPlaces returns where the loader looks for a name that o needs, in order:
// the library path, the paths of o and of all that led to it, the system's.
func (m *linkMap) muslPlaces(o *Object, name string) iter.Seq2[string, Rule] {
	return func(yield func(string, Rule) bool) {
		if name == "" {
			return
		}
		if strings.Contains(name, "/") {
			yield(name, Rule{Kind: RulePath})
			return
		}
		for _, d := range m.libraryPath {
			if !yield(d.file(name), Rule{Kind: RuleLibraryPath, Dir: d.text}) {
				return
			}
		}
		for l := o; l != nil; l = l.by {
			for _, d := range m.muslRpath(l) {
				if !yield(d.file(name), Rule{Kind: kindOfRpath(l), Of: l.Path, Dir: d.text}) {
					return
				}
			}
		}
		for _, dir := range m.loader.DefaultDirs {
			if !yield(dir+"/"+name, Rule{Kind: RuleDefault, Dir: dir}) {
				return
			}
		}
	}
}

// kindOfRpath says which of the two entries an object's path comes from. To
// musl they are one, inherited, and DT_RUNPATH replaces DT_RPATH.
func kindOfRpath(o *Object) RuleKind {
	if o.HasRunpath {
		return RuleRunpath
	}
	return RuleRpath
}

// muslRpath returns the elements of o's path (fixup_rpath). A "$" that does not
// begin $ORIGIN or ${ORIGIN} voids all of it.
func (m *linkMap) muslRpath(o *Object) []searchDir {
	if o.rpath != nil {
		return o.rpath
	}
	list := o.Rpath
	if o.HasRunpath {
		list = o.Runpath
	}
	o.rpath = []searchDir{}
	if strings.Count(list, "$") != strings.Count(list, "$ORIGIN")+strings.Count(list, "${ORIGIN}") {
		return o.rpath
	}
	origin := strings.NewReplacer("$ORIGIN", m.origin(o), "${ORIGIN}", m.origin(o))
	for _, d := range muslSplit(list) {
		if len(d.text) >= maxPath {
			continue
		}
		if dir := origin.Replace(d.text); len(dir) < maxPath {
			o.rpath = append(o.rpath, searchDir{dir, d.text})
		}
	}
	return o.rpath
}
