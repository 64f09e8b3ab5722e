package elfdeps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// What the kernel does with scripts.
const (
	ScriptHead = 256 // bytes that it reads of a file to see what to do with it: BINPRM_BUF_SIZE since Linux 5.1
	maxScripts = 5   // scripts in a row, each the interpreter of the one before (exec_binprm in fs/exec.c)
)

// A Script is what the kernel reads in the first line of a file that begins with
// #!. The rest of the file is the interpreter's matter.
type Script struct {
	Interp string // path of the interpreter; a carriage return at the end of the line belongs to it, or to Arg
	Arg    string // what the interpreter gets before the path of the script: one word, blanks and all; "" for nothing
}

// String returns the line: "#!/usr/bin/env python3".
func (s *Script) String() string {
	if s.Arg == "" {
		return "#!" + s.Interp
	}
	return "#!" + s.Interp + " " + s.Arg
}

// Returns reports whether the line ends in a carriage return, as on Windows.
func (s *Script) Returns() bool { return strings.HasSuffix(s.String(), "\r") }

// A ScriptError means that a script cannot be started, because of its first line.
type ScriptError struct {
	Line string // as far as it is printable
	Why  string // what goes on from the line: "names no interpreter"
}

func (e *ScriptError) Error() string { return fmt.Sprintf("a script (%s) that %s", e.Line, e.Why) }

// Unwrap makes such a script errors.Is [ErrNotELF].
func (e *ScriptError) Unwrap() error { return ErrNotELF }

// ParseScript reads the first line of a file that begins with head, which is the
// whole file or its first [ScriptHead] bytes, as load_script in the kernel's
// fs/binfmt_script.c does. The error is [ErrNotELF] if head does not begin with
// #!, else a *[ScriptError].
func ParseScript(head []byte) (*Script, error) {
	if !bytes.HasPrefix(head, []byte("#!")) {
		return nil, ErrNotELF
	}
	l := scriptLine{}
	copy(l[:], head)
	end := len(l) - 1
	if i := bytes.IndexAny(l[:], "\n\x00"); i >= 0 && l[i] == '\n' {
		end = i
	} else if name := l.text(2, end); name < 0 || l.terminator(name, end) < 0 {
		return nil, l.wrong(fmt.Sprintf("names no interpreter that ends within the %d bytes that the kernel reads", ScriptHead))
	}
	for isBlank(l[end-1]) {
		end--
	}
	name := l.text(2, end)
	if name < 0 || name == end || l[name] == 0 {
		return nil, l.wrong("names no interpreter")
	}
	s := &Script{Interp: l.string(name, end)}
	if sep := l.terminator(name, end); sep >= 0 {
		s.Interp = l.string(name, sep)
		if arg := l.text(sep, end); l[sep] != 0 && arg >= 0 {
			s.Arg = l.string(arg, end)
		}
	}
	return s, nil
}

// A scriptLine is the kernel's buffer, filled up with zeros.
type scriptLine [ScriptHead]byte

// text returns where there is something else than blanks, from first up to and
// with last, -1 if nowhere (next_non_spacetab).
func (l *scriptLine) text(first, last int) int {
	for ; first <= last; first++ {
		if !isBlank(l[first]) {
			return first
		}
	}
	return -1
}

// terminator returns where a word ends, likewise (next_terminator).
func (l *scriptLine) terminator(first, last int) int {
	for ; first <= last; first++ {
		if isBlank(l[first]) || l[first] == 0 {
			return first
		}
	}
	return -1
}

// string is what C takes for a string, of what lies before end.
func (l *scriptLine) string(start, end int) string {
	text, _, _ := bytes.Cut(l[start:end], []byte{0})
	return string(text)
}

func (l *scriptLine) wrong(why string) *ScriptError {
	line := l[:]
	if i := bytes.IndexAny(line, "\n\x00"); i >= 0 {
		line = line[:i]
	}
	return &ScriptError{string(bytes.TrimRight(line, " \t\r")), why}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// A lineage is what has been started on the way to an interpreter.
type lineage struct {
	ids   []any // of the scripts, the first one first
	inRow int   // how many of them are interpreters of one another, without env between them
}

// script resolves a script: c is what stands at name, which is no ELF file.
func (s *search) script(c *candidate, name string, before lineage) (*Program, error) {
	head, err := s.head(name)
	if err != nil {
		return nil, err
	}
	script, err := ParseScript(head)
	if err != nil {
		return nil, err
	}
	switch {
	case slices.Contains(before.ids, c.id):
		return nil, &ScriptError{script.String(), "starts itself again, without end"}
	case before.inRow == maxScripts:
		return nil, &ScriptError{script.String(), fmt.Sprintf("is one interpreter more than the %d scripts in a row that the kernel follows", maxScripts)}
	}
	self := &Object{File: &File{}, Path: rooted(name), candidate: c}
	p := &Program{Name: name, Script: script, Objects: []*Object{self}, self: self}
	before.ids = append(slices.Clip(before.ids), c.id)
	before.inRow++
	n := Need{Dependency: Dependency{tagScript, script.Interp}}
	s.start(p, &n, script.Interp, Rule{Kind: RuleScript}, before)
	self.Needs = append(self.Needs, n)
	if n.Object != nil && path.Base(script.Interp) == "env" {
		if err := s.env(p, before); err != nil {
			return nil, err
		}
	}
	if n := len(p.Interpreters); n > 0 {
		self.Arch = p.Interpreters[n-1].self.Arch
	}
	return p, nil
}

// head returns as much of a file as the kernel reads to see what it is.
func (s *search) head(name string) ([]byte, error) {
	f, _, err := s.openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, ScriptHead)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// start has a script's need met by the program at a path, if it can be started.
func (s *search) start(p *Program, n *Need, name string, rule Rule, before lineage) {
	reason := s.unstartable(name)
	if reason == "" {
		interp, err := s.interpreter(name, before)
		if err == nil {
			n.Object, n.Rule, n.Loads = interp.self, rule, true
			p.Interpreters = append(p.Interpreters, interp)
			return
		}
		reason = err.Error()
		if errors.Is(err, ErrNotELF) && !errors.As(err, new(*ScriptError)) {
			reason = reasonNeither
		}
	}
	n.Tried = append(n.Tried, Probe{Path: name, Rule: rule, Reason: reason})
}

// interpreter resolves the program that a script is started with. What has no
// scripts behind it is the same for all.
func (s *search) interpreter(name string, before lineage) (*Program, error) {
	if c := s.open(name); errors.Is(c.err, ErrNotELF) {
		return s.script(c, name, before)
	}
	found := s.interps.get(name, func() (p programOrError) {
		p.program, p.err = s.program(name)
		return p
	})
	return found.program, found.err
}

// unstartable says why execve(2) would refuse the path of an interpreter, "" if
// it would not (do_open_execat in fs/exec.c).
func (s *search) unstartable(name string) string {
	if !path.IsAbs(name) {
		return reasonRelative
	}
	valid, err := s.valid(name)
	if err != nil {
		return reasonOf(err)
	}
	info, err := fs.Stat(s.fs, valid)
	switch {
	case err != nil:
		return reasonOf(cause(err))
	case info.IsDir():
		return "is a directory"
	case !info.Mode().IsRegular():
		return "is a device, pipe or socket"
	case info.Mode()&0o111 == 0:
		return reasonNotExecutable
	}
	return ""
}

// Reasons of probes.
const (
	reasonRelative      = "depends on the working directory"
	reasonNotExecutable = "is not executable"
	reasonNeither       = "is neither an ELF file nor a script"
)

// reasonOf is the reason of a probe that ended in an error.
func reasonOf(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return reasonAbsent
	}
	return err.Error()
}

// rooted returns a name with the slash at its beginning.
func rooted(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return "/" + name
}

// startText says in one line why a script cannot be started.
func (m Missing) startText() string {
	n := m.Need
	switch name, returns := strings.CutSuffix(n.Name, "\r"); {
	case returns:
		return fmt.Sprintf("%s, the interpreter of %s: the line ends in a carriage return, as on Windows, which is taken for part of that name", name, m.By)
	case n.Tag == tagScript:
		return fmt.Sprintf("%s, the interpreter of %s: %s", n.Name, m.By, n.Tried[0].Reason)
	case strings.ContainsAny(n.Name, " \t"):
		return fmt.Sprintf("%s, which env is to start for %s: env takes that for one name; with -S it takes it apart", strconv.Quote(n.Name), m.By)
	case strings.Contains(n.Name, "/"):
		return fmt.Sprintf("%s, which env is to start for %s: %s", n.Name, m.By, n.Tried[0].Reason)
	}
	return fmt.Sprintf("%s, which env is to start for %s: not found in %s", n.Name, m.By, strings.Join(where(n.Tried), "; "))
}
