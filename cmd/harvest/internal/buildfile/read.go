package buildfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// Limits of what is read. No file that people write comes near them.
const (
	maxSize  = 1 << 20
	maxDepth = 16 // of includes
)

// Stdin is the name of the file that comes from standard input.
const Stdin = "-"

// A Setting is a flag with its value, and where a file says so.
type Setting struct {
	Flag string
	At   Position

	value string
	dir   string // of the file
	form  Form
	excl  string // of an element with patterns: what is left out of the folder that value names
}

// A Position is a place in a file. Line and Column count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String returns the position as compilers write it.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// An Error says what is wrong with a file, and where.
type Error struct {
	At  Position
	Err error
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Read returns the settings of the file called name, which is read from stdin if
// that is [Stdin], and of what it includes. What is wrong with what they say are
// joined *[Error] values.
func Read(name string, stdin io.Reader) ([]Setting, error) {
	r := reader{stdin: stdin}
	data, err := r.load(name)
	if err != nil {
		return nil, err
	}
	r.file(name, data)
	return r.settings, errors.Join(r.errs...)
}

// A reader collects the settings of files.
type reader struct {
	stdin    io.Reader
	settings []Setting
	errs     []error
	chain    []string // the files that are being read, the outermost first
	done     []string // those that have been
}

// load returns the contents of a file.
func (r *reader) load(name string) ([]byte, error) {
	if name == Stdin {
		return limited(r.stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := limited(f)
	return data, errors.Join(err, f.Close())
}

var errTooLong = fmt.Errorf("is longer than %d kB, which no list of programs is", maxSize>>10)

func limited(f io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = errTooLong
	}
	return data, err
}

// file reads the settings of one file.
func (r *reader) file(name string, data []byte) {
	r.chain = append(r.chain, name)
	if top := r.document(name, data); top != nil {
		s := section{r, name, folderOf(name)}
		s.includes(top)
		s.read(top, "")
	}
	r.chain = r.chain[:len(r.chain)-1]
	r.done = append(r.done, name)
}

func folderOf(name string) string {
	if name == Stdin {
		return "."
	}
	return filepath.Dir(name)
}

func (r *reader) fail(at Position, format string, args ...any) {
	r.errs = append(r.errs, &Error{at, fmt.Errorf(format, args...)})
}

// document returns the mapping that a file is, nil if it is none.
func (r *reader) document(name string, data []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.fail(Position{File: name}, "says nothing: give it binaries, at least")
		return nil
	case err != nil:
		r.syntax(name, err)
		return nil
	}
	switch err := d.Decode(&next); {
	case err == nil:
		r.fail(Position{name, next.Line, 0}, "a second document: a file is one")
	case !errors.Is(err, io.EOF):
		r.syntax(name, err)
		return nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		r.fail(Position{name, top.Line, top.Column}, "want keys with values, as in binaries: [bash], not %s", kind(top))
		return nil
	}
	return top
}

// yamlLine is how the parser says where something is wrong.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line ([0-9]+): )?`)

// syntax says what is wrong with a file that is no YAML.
func (r *reader) syntax(name string, err error) {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(m[1]) // 0 if the parser names none
	r.fail(Position{File: name, Line: line}, "%s", text[len(m[0]):])
}

// kind names what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.ShortTag() == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}

// A section reads what a mapping of one file says.
type section struct {
	*reader
	name string // of the file
	dir  string // that it is in
}

func (s section) at(n *yaml.Node) Position { return Position{s.name, n.Line, n.Column} }

func (s section) wrong(n *yaml.Node, format string, args ...any) { s.fail(s.at(n), format, args...) }

// read reads a mapping whose keys stand below a path.
func (s section) read(m *yaml.Node, path string) {
	for name, value := range s.pairs(m) {
		key := find(path + name.Value)
		switch {
		case key != nil:
			s.value(*key, value)
		case path == "" && name.Value == include:
		case len(below(path+name.Value+".")) == 0:
			s.unknown(path, name)
		case value.Kind != yaml.MappingNode:
			s.wrong(value, "%s: want keys with values, not %s", path+name.Value, kind(value))
		default:
			s.read(value, path+name.Value+".")
		}
	}
}

// unknown says that there is no such key, and which may be meant.
func (s section) unknown(path string, name *yaml.Node) {
	if near := nearest(path, name.Value); near != "" {
		s.wrong(name, "unknown key %q: is %s meant?", path+name.Value, near)
		return
	}
	names := below(path)
	slices.Sort(names)
	s.wrong(name, "unknown key %q: there are %s", path+name.Value, strings.Join(names, ", "))
}

// pairs yields the keys of a mapping with their values, and says what is wrong
// with the others.
func (s section) pairs(m *yaml.Node) func(func(name, value *yaml.Node) bool) {
	return func(yield func(name, value *yaml.Node) bool) {
		seen := make(map[string]*yaml.Node)
		for i := 0; i < len(m.Content); i += 2 {
			name, value := m.Content[i], m.Content[i+1]
			switch first := seen[name.Value]; {
			case name.Kind != yaml.ScalarNode || name.ShortTag() == "!!null":
				s.wrong(name, "want a key, not %s", kind(name))
				continue
			case name.ShortTag() == "!!merge" && name.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
				s.wrong(name, "mappings are not merged: include: shares what files have in common")
				continue
			case first != nil:
				s.wrong(name, "%s is there twice, first in line %d", name.Value, first.Line)
				continue
			}
			seen[name.Value] = name
			if s.plain(name) && s.plain(value) && !yield(name, value) {
				return
			}
		}
	}
}

// plain reports whether a node is what it seems to be, and says so if not.
func (s section) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		s.wrong(n, "*%s: aliases are not followed; include: shares what files have in common", n.Value)
	case n.Anchor != "":
		s.wrong(n, "&%s: anchors lead nowhere, since aliases are not followed", n.Anchor)
	case n.Kind == yaml.ScalarNode && !slices.Contains(scalars, n.ShortTag()):
		s.wrong(n, "%s: values have no tags", n.ShortTag())
	case n.Kind == yaml.ScalarNode && strings.ContainsRune(n.Value, 0):
		s.wrong(n, "a NUL in %q, which no flag could have", n.Value)
	case n.Kind == yaml.MappingNode && n.ShortTag() != "!!map", n.Kind == yaml.SequenceNode && n.ShortTag() != "!!seq":
		s.wrong(n, "%s: values have no tags", n.ShortTag())
	default:
		return true
	}
	return false
}

// scalars are what a scalar may be; it is taken as it is written.
var scalars = []string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!null", "!!merge"}

// text returns the value of a scalar that is not empty of meaning.
func (s section) text(path string, n *yaml.Node) (string, bool) {
	switch {
	case !s.plain(n):
		return "", false
	case n.Kind != yaml.ScalarNode:
		s.wrong(n, "%s: want text, not %s", path, kind(n))
		return "", false
	case n.ShortTag() == "!!null":
		s.wrong(n, "%s has no value: leave it out", path)
		return "", false
	}
	return n.Value, true
}

// list yields the elements of a list.
func (s section) list(path string, n *yaml.Node) func(func(*yaml.Node) bool) {
	return func(yield func(*yaml.Node) bool) {
		if n.Kind != yaml.SequenceNode {
			s.wrong(n, "%s: want a list, as in [a, b], not %s", path, kind(n))
			return
		}
		for _, element := range n.Content {
			if s.plain(element) && !yield(element) {
				return
			}
		}
	}
}

// includes reads the files that one names.
func (s section) includes(top *yaml.Node) {
	for i := 0; i < len(top.Content); i += 2 {
		name, value := top.Content[i], top.Content[i+1]
		if name.Value != include || name.Kind != yaml.ScalarNode || !s.plain(value) {
			continue
		}
		for n := range s.list(include, value) {
			if file, ok := s.text(include, n); ok {
				s.include(n, file)
			}
		}
		return // a second one is said to be wrong where all keys are read
	}
}

// include reads a file that another one includes.
func (s section) include(n *yaml.Node, name string) {
	file := anchored(s.dir, name)
	switch {
	case slices.ContainsFunc(s.chain, func(outer string) bool { return sameFile(outer, file) }):
		s.wrong(n, "includes itself: %s", strings.Join(append(s.chain, file), " > "))
		return
	case len(s.chain) > maxDepth:
		s.wrong(n, "more than %d files that include each other: %s", maxDepth, strings.Join(append(s.chain, file), " > "))
		return
	case slices.ContainsFunc(s.done, func(known string) bool { return sameFile(known, file) }):
		return
	}
	data, err := s.load(file)
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		err = fmt.Errorf("%s: %w", file, pe.Err)
	}
	if err != nil {
		s.wrong(n, "include: %w", err)
		return
	}
	s.file(file, data)
}

func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}
