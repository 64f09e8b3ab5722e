package elfdeps

import (
	"debug/elf"
	"fmt"
	"iter"
)

// A Closure is what a set of programs needs: one link map per program.
type Closure struct {
	Programs []*Program // in the order asked for, without those that could not be read
}

// All returns the programs, and after each that is a script what that is started
// with, unless it has come before under its name.
func (c *Closure) All() iter.Seq[*Program] {
	return func(yield func(*Program) bool) {
		seen := make(map[string]bool)
		for _, asked := range c.Programs {
			for p := range asked.All() {
				if seen[p.Name] && p != asked {
					continue
				}
				seen[p.Name] = true
				if !yield(p) {
					return
				}
			}
		}
	}
}

// A Program is one executable or library that was asked for, and its link map.
type Program struct {
	Name    string    // as asked for
	Loader  *Loader   // nil for a program that the kernel alone starts
	Objects []*Object // in load order: the program, but for what its DT_FILTER names, which comes first

	Mentions []Mention // what objects name and do not need, if the Resolver asks for it

	// Of a script, Objects has the script alone. Its needs are the interpreter and,
	// if that is env, what env is to start; they lead to Interpreters, in that order,
	// each a program with a link map of its own, or again a script.
	Script       *Script // nil for an ELF file
	Interpreters []*Program

	self *Object
}

// All returns the program and, after a script, what that is started with: first
// what the first interpreter is itself started with, and so on.
func (p *Program) All() iter.Seq[*Program] {
	return func(yield func(*Program) bool) { p.each(yield) }
}

func (p *Program) each(yield func(*Program) bool) bool {
	if !yield(p) {
		return false
	}
	for _, interp := range p.Interpreters {
		if !interp.each(yield) {
			return false
		}
	}
	return true
}

// Self returns the program's own object, one of Objects.
func (p *Program) Self() *Object { return p.self }

// An Object is one file that the kernel or the loader opens for a program.
type Object struct {
	*File
	Path  string // by which it is opened: links not followed, ".." not cleaned away
	Hwcap string // the subdirectory of glibc-hwcaps that it was found in, "" for none
	Needs []Need // the interpreter first, then the dynamic section's in order

	*candidate
	by      *Object // whose need made the loader open it
	rpath   []searchDir
	runpath []searchDir
	done    bool // its needs have been followed
	opened  bool // and what it would dlopen
}

// A Need is an edge: an object asks for a name.
type Need struct {
	Dependency          // of tag DT_NULL for the interpreter and for Dlopen, below that for a script's
	Dlopen     *Dlopen  // why the object would open the library later; nil for what the loader itself follows
	Object     *Object  // nil if the need is unmet
	Loads      bool     // it is what made the loader open Object, which was not in the link map before
	Rule       Rule     // by which Object was found
	Tried      []Probe  // what was looked at before, in search order
	Lacks      []string // versions that are needed of Object and that it does not have: the loader stops
}

// Interp reports whether the need is PT_INTERP, which the kernel follows.
func (n Need) Interp() bool { return n.Tag == tagInterp && n.Dlopen == nil }

// Starts reports whether the need is a program that a script is started with: the
// interpreter that its first line names, or what env is to start.
func (n Need) Starts() bool { return n.Tag == tagScript || n.Tag == tagEnv }

// Env reports whether the need is a program that env is to start for a script.
func (n Need) Env() bool { return n.Tag == tagEnv }

// Met reports whether the need is met in full.
func (n Need) Met() bool { return n.Object != nil && len(n.Lacks) == 0 }

// A RuleKind is a step of the loader's search.
type RuleKind uint8

// The steps, in the order in which glibc takes them.
const (
	RuleNone        RuleKind = iota // the need is unmet
	RuleInterp                      // PT_INTERP: the kernel opens that path
	RuleLoaded                      // an object of this name, soname or inode is in the link map
	RulePath                        // the name holds a slash and is opened as it is
	RuleRpath                       // DT_RPATH of the object or of one that led to it
	RuleLibraryPath                 // LD_LIBRARY_PATH
	RuleRunpath                     // DT_RUNPATH of the object itself
	RuleCache                       // ld.so.cache
	RuleDefault                     // a directory built into the loader
	RuleConf                        // ld.so.conf, in a root without ld.so.cache: the loader finds it once ldconfig has run
	RuleBuiltin                     // musl: the loader itself is that library
	RuleScript                      // #!: the kernel opens the path in a script's first line
	RuleEnv                         // env finds it in PATH, or opens a name with a slash as it is
)

// A Rule says by which step of the search a file was found or tried.
type Rule struct {
	Kind  RuleKind
	Of    string // the object whose DT_RPATH or DT_RUNPATH it was
	Dir   string // the element of the path, or of PATH, as it is written there
	Hwcap string // the subdirectory of glibc-hwcaps, "" for none
}

// String names the rule: "DT_RUNPATH $ORIGIN/../lib of /opt/app/bin/app".
func (r Rule) String() string {
	if r.Hwcap != "" {
		return r.step() + ", glibc-hwcaps " + r.Hwcap
	}
	return r.step()
}

func (r Rule) step() string {
	switch r.Kind {
	case RuleInterp:
		return "PT_INTERP"
	case RuleLoaded:
		return "already loaded"
	case RulePath:
		return "path in the name"
	case RuleRpath:
		return fmt.Sprintf("DT_RPATH %s of %s", r.dir(), r.Of)
	case RuleLibraryPath:
		return "library path " + r.dir()
	case RuleRunpath:
		return fmt.Sprintf("DT_RUNPATH %s of %s", r.dir(), r.Of)
	case RuleCache:
		return "ld.so.cache"
	case RuleConf:
		return "ld.so.conf " + r.Dir
	case RuleDefault:
		return "default directory " + r.Dir
	case RuleBuiltin:
		return "built into the loader"
	case RuleScript:
		return "#!"
	case RuleEnv:
		if r.Dir == "" {
			return "env"
		}
		return "env, PATH " + r.Dir
	}
	return "not found"
}

// dir makes an empty element of a path visible.
func (r Rule) dir() string {
	if r.Dir == "" {
		return `""`
	}
	return r.Dir
}

// A Probe is a place that was looked at and did not serve.
type Probe struct {
	Path   string
	Rule   Rule
	Reason string // "no such file", "for linux/386, not linux/amd64"
	Fatal  bool   // the loader stops here instead of going on
}

// Missing returns the unmet needs of all programs, but for those that the loader
// can do without: auxiliary objects, and what is opened later.
func (c *Closure) Missing() []Missing {
	return c.unmet(func(n *Need) bool { return !n.optional() })
}

// Optional returns the unmet needs with which programs start all the same, and
// then may miss something.
func (c *Closure) Optional() []Missing { return c.unmet((*Need).optional) }

// optional reports whether a program can do without what is needed.
func (n *Need) optional() bool { return n.Tag == elf.DT_AUXILIARY || n.Dlopen != nil }

func (c *Closure) unmet(counts func(*Need) bool) []Missing {
	var missing []Missing
	for p := range c.All() {
		for _, o := range p.Objects {
			for i := range o.Needs {
				if n := &o.Needs[i]; !n.Met() && counts(n) {
					missing = append(missing, Missing{p.Name, o.Path, o.Arch, *n, p.Search(*n)})
				}
			}
		}
	}
	return missing
}

// Program returns the program that was asked for by name, or nil.
func (c *Closure) Program(name string) *Program {
	for _, p := range c.Programs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Needs returns the needs of all objects, in load order.
func (p *Program) Needs() iter.Seq[Need] {
	return func(yield func(Need) bool) {
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// Names returns every name that the program's link map answers, in the order in
// which they were first asked for.
func (p *Program) Names() []string {
	var names []string
	seen := make(map[string]bool)
	for n := range p.Needs() {
		if n.Object != nil && !seen[n.Name] {
			seen[n.Name] = true
			names = append(names, n.Name)
		}
	}
	return names
}

// Same reports whether both objects are one file, be it in two views of it: a
// host, and a tree that was made from that host.
func (o *Object) Same(other *Object) bool { return o.id == other.id }
