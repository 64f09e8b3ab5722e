package trace

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// A Use is what was done with a name, as a set.
type Use uint16

// What is done with names.
const (
	Read      Use = 1 << iota // opened, not for writing only
	Looked                    // asked about: stat(2), access(2), readlink(2) and the like
	Listed                    // a folder: its names were read
	Entered                   // a folder: made the working directory or the root
	Executed                  // started as a program
	Written                   // opened for writing, changed or removed; it was there before
	Created                   // made by the command
	Connected                 // a socket: connected to, or bound
	Missing                   // asked for in vain: it, or a folder on the way to it, was not there
	Refused                   // asked for, and not permitted
)

// found are the uses of what is there.
const found = Read | Looked | Listed | Entered | Executed | Written | Created | Connected

// Has reports whether one of the given uses is among u.
func (u Use) Has(of Use) bool { return u&of != 0 }

// An Access is everything that was done with one name.
type Access struct {
	Path string
	Use  Use
	By   string // the program that was the first to name it
}

// A Program is one that was executed.
type Program struct {
	Path string
	Args []string // of the first time, args[0] included
}

// maxPaths is how many names a log holds; a command may make up any number.
const maxPaths = 1 << 20

// A Log is what a command did with names. Its zero value is one of a command
// that did nothing.
type Log struct {
	Accesses []Access  // one for each name, in the order in which they were first used
	Programs []Program // one for each name, in the order in which they were first executed
	Notes    []string  // what the log does not show, or what went another way for being traced

	ExitCode int            // of the command itself, -1 if it was killed
	Signal   syscall.Signal // that killed it, 0 if none did

	index map[string]int // into Accesses, by name
}

// Lookup returns what was done with a name.
func (l *Log) Lookup(path string) (Access, bool) {
	i, ok := l.index[path]
	if !ok {
		return Access{}, false
	}
	return l.Accesses[i], true
}

// Missing returns the names that were asked for in vain and never found, in the
// order in which they were first asked for.
func (l *Log) Missing() []Access {
	var missing []Access
	for _, a := range l.Accesses {
		if a.Use.Has(Missing) && !a.Use.Has(found) {
			missing = append(missing, a)
		}
	}
	return missing
}

// use adds what a program did with a name.
func (l *Log) use(path string, u Use, by string) {
	if i, ok := l.index[path]; ok {
		l.Accesses[i].Use |= u
		return
	}
	if len(l.Accesses) == maxPaths {
		l.note(fmt.Sprintf("more than %d names were used, only the first are listed", maxPaths))
		return
	}
	if l.index == nil {
		l.index = map[string]int{}
	}
	l.index[path] = len(l.Accesses)
	l.Accesses = append(l.Accesses, Access{path, u, by})
}

// execute adds a program that was started.
func (l *Log) execute(path string, args []string) {
	if !slices.ContainsFunc(l.Programs, func(p Program) bool { return p.Path == path }) {
		l.Programs = append(l.Programs, Program{path, args})
	}
}

// note adds a note, once.
func (l *Log) note(text string) {
	if !slices.Contains(l.Notes, text) {
		l.Notes = append(l.Notes, text)
	}
}

// A result is what came of a system call.
type result int

const (
	done    result = iota
	missing        // ENOENT, ENOTDIR
	refused        // EACCES, EPERM
	failed         // anything else, which says nothing of the name
)

// A call is a system call that names files.
type call struct {
	operation
	names []string // of the operands, absolute; "" for one that is none
	flags uint64   // of an open
	args  []string // of an execve
	fresh bool     // an open that may create found nothing there before
}

// add adds what a program did with a call.
func (l *Log) add(by string, c call, r result) {
	for i, name := range c.names {
		if name == "" || r == failed {
			continue
		}
		l.use(name, c.outcome(i, r), by)
	}
	if r == done && c.operands[0].use == Executed && c.names[0] != "" {
		l.execute(c.names[0], c.args)
	}
}

// outcome returns what a call with a result means for one of its names.
func (c call) outcome(i int, r result) Use {
	use := c.operands[i].use
	switch {
	case r == refused:
		return Refused
	case r == missing:
		return Missing
	case use == opens:
		return c.opened()
	}
	return use
}

// opened returns what an open does.
func (c call) opened() Use {
	var u Use
	access := c.flags & accessMode
	if access == readOnly || access == readWrite && c.flags&openTruncate == 0 {
		u |= Read
	}
	if access != readOnly || c.flags&openTruncate != 0 {
		u |= Written
	}
	if c.flags&openCreate != 0 && (c.fresh || c.flags&openExclusive != 0) {
		return Created
	}
	return u
}

// join returns the name that is meant by one that is relative to base, without
// what says nothing: double slashes, "." and a slash at the end. It returns ""
// if base is no folder.
func join(base, name string) string {
	if !strings.HasPrefix(name, "/") {
		if !strings.HasPrefix(base, "/") {
			return ""
		}
		name = base + "/" + name
	}
	var b strings.Builder
	for part := range strings.SplitSeq(name, "/") {
		if part != "" && part != "." {
			b.WriteByte('/')
			b.WriteString(part)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// useNames are the words for uses, in the order of their bits.
var useNames = [...]string{"read", "looked", "listed", "entered", "executed", "written", "created", "connected", "missing", "refused"}

// String returns the uses in words.
func (u Use) String() string {
	var words []string
	for i, name := range useNames {
		if u.Has(1 << i) {
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}
