// Package recipe knows what programs need beyond their libraries: data, other
// programs, accounts, and what tells that they do.
//
// A [Recipe] is a file of YAML, named after what it brings: certs.yaml. Those of
// this package lie in recipes/ and can be read there; users may add to them, or
// replace one by another of its name. A recipe's clues are facts about programs
// that can be seen without running one: a library, a symbol, a path in it.
//
// The package compares facts with clues, and knows nothing of where the facts are
// from, or of what happens to what recipes bring.
package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Recipe is what programs need, and the clues that they need it. One clue of
// When is enough to bring it in; those of Maybe deserve a hint.
type Recipe struct {
	Name     string            `yaml:"-"`        // the file's, without .yaml
	About    string            `yaml:"about"`    // what it brings, in a few words
	When     []Clue            `yaml:"when"`     // strong evidence
	Maybe    []Clue            `yaml:"maybe"`    // weak evidence
	With     []string          `yaml:"with"`     // other recipes that it needs
	Add      []string          `yaml:"add"`      // files, and folders with all that is in them; see [Expand]
	Except   []string          `yaml:"except"`   // of those folders, as patterns that [Match] takes
	Programs []string          `yaml:"programs"` // that it starts, with all that they need
	Packages []string          `yaml:"packages"` // of which all is to be there, but for what Except says
	Modules  []string          `yaml:"modules"`  // folders in which scripts of the program find what their package, and those that it needs, have there
	Folders  []Folder          `yaml:"folders"`  // that are to be there, empty
	Users    []string          `yaml:"users"`    // names from the host's passwd, with their groups
	Groups   []string          `yaml:"groups"`   // names from the host's group
	Shadow   bool              `yaml:"shadow"`   // who may not log in: every account, without a password
	Env      map[string]string `yaml:"env"`      // variables of the image, unless they are set
	Ignore   []string          `yaml:"ignore"`   // paths in programs that are no clue to what they need
	Note     string            `yaml:"note"`     // what the user should know
}

// A Folder is to be there, whatever the host has.
type Folder struct {
	Path  string `yaml:"path"`
	Mode  Mode   `yaml:"mode"`  // 0755 if it is 0
	Owner string `yaml:"owner"` // USER[:GROUP], root by default
}

// A Mode is that of a folder, as chmod(2) takes it: in YAML, octal with a 0 in front.
type Mode uint32

// UnmarshalYAML reads a mode. Without the 0, YAML means a decimal number, and
// nobody who writes one.
func (m *Mode) UnmarshalYAML(node *yaml.Node) error {
	digits, octal := strings.CutPrefix(node.Value, "0")
	mode, err := strconv.ParseUint(strings.TrimPrefix(digits, "o"), 8, 12)
	if !octal || err != nil {
		return fmt.Errorf("line %d: mode %s is none: give it as in 0755", node.Line, node.Value)
	}
	*m = Mode(mode)
	return nil
}

// A Kind is a kind of fact.
type Kind string

// The kinds of facts, as recipes name them.
const (
	Program Kind = "program" // the path of a program, its links followed or not; a pattern without a slash is for its last component
	Soname  Kind = "soname"  // a library that is loaded
	Dlopen  Kind = "dlopen"  // a library that is opened later, by a note of who does
	Symbol  Kind = "symbol"  // that an object takes from another
	Path    Kind = "path"    // among the texts of an object
	Env     Kind = "env"     // a variable of the image
	Package Kind = "package" // that is shipped whole, or that a script needs
)

var kinds = []Kind{Program, Soname, Dlopen, Symbol, Path, Env, Package}

// A Clue is a fact to look for: in YAML, its kind and a pattern as of
// [path.Match], "soname: libssl.so.*". With "in: program" it has to be a fact of the
// program itself, and not of a library.
type Clue struct {
	Kind    Kind
	Pattern string
	Self    bool
}

// String writes the clue as YAML.
func (c Clue) String() string {
	if c.Self {
		return string(c.Kind) + ": " + c.Pattern + ", in: program"
	}
	return string(c.Kind) + ": " + c.Pattern
}

// UnmarshalYAML reads a clue.
func (c *Clue) UnmarshalYAML(node *yaml.Node) error {
	var m map[Kind]string
	if err := node.Decode(&m); err != nil {
		return err
	}
	if in, ok := m["in"]; ok {
		if in != string(Program) {
			return fmt.Errorf("line %d: in is program, or not there", node.Line)
		}
		c.Self = true
		delete(m, "in")
	}
	if len(m) != 1 {
		return fmt.Errorf("line %d: a clue is one kind and one pattern", node.Line)
	}
	for c.Kind, c.Pattern = range m {
	}
	if !slices.Contains(kinds, c.Kind) {
		return fmt.Errorf("line %d: no clue is called %s; there are %s", node.Line, c.Kind, list(kinds))
	}
	if _, err := path.Match(c.Pattern, ""); err != nil || c.Pattern == "" {
		return fmt.Errorf("line %d: %q is no pattern", node.Line, c.Pattern)
	}
	return nil
}

// A Fact is something that was seen of a program.
type Fact struct {
	Kind Kind
	Name string
	In   string // the path of the object, "" for a fact of no object
	Self bool   // the object is the program itself, not one of its libraries
}

// String says what was seen: "libcurl.so.4 names /etc/ssl".
func (f Fact) String() string {
	in := path.Base(f.In)
	switch f.Kind {
	case Program:
		return "it is " + f.Name
	case Soname:
		return f.Name + " is loaded"
	case Dlopen:
		return in + " may open " + f.Name
	case Symbol:
		return in + " calls " + f.Name
	case Path:
		return in + " names " + f.Name
	case Env:
		return f.Name + " is set"
	case Package:
		if f.In != "" {
			return in + " needs the package " + f.Name
		}
		return "the package " + f.Name + " comes whole"
	}
	return f.Name
}

// Facts are what was seen, of each thing the first.
type Facts struct {
	exact map[Clue]Fact
	all   map[Kind][]Fact
}

// Add adds a fact.
func (fs *Facts) Add(f Fact) {
	if fs.exact == nil {
		fs.exact = make(map[Clue]Fact)
		fs.all = make(map[Kind][]Fact)
	}
	news := false
	for _, self := range []bool{false, true} {
		key := Clue{f.Kind, f.Name, self}
		if _, known := fs.exact[key]; !known && (f.Self || !self) {
			fs.exact[key] = f
			news = true
		}
	}
	if news {
		fs.all[f.Kind] = append(fs.all[f.Kind], f)
	}
}

// find returns all facts that a clue asks for.
func (fs *Facts) find(c Clue) []Fact {
	base := c.Kind == Program && !strings.Contains(c.Pattern, "/")
	if !base && !strings.ContainsAny(c.Pattern, `*?[\`) {
		if f, ok := fs.exact[c]; ok {
			return []Fact{f}
		}
		return nil
	}
	var found []Fact
	seen := make(map[string]bool)
	for _, f := range fs.all[c.Kind] {
		if c.matches(f) && !seen[f.Name] {
			seen[f.Name] = true
			found = append(found, f)
		}
	}
	return found
}

// matches reports whether a fact is what the clue looks for.
func (c Clue) matches(f Fact) bool {
	if f.Kind != c.Kind || c.Self && !f.Self {
		return false
	}
	name := f.Name
	if c.Kind == Program && !strings.Contains(c.Pattern, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(c.Pattern, name)
	return ok
}

// IsFor reports whether a fact is strong evidence for the recipe.
func (r *Recipe) IsFor(f Fact) bool {
	return slices.ContainsFunc(r.When, func(c Clue) bool { return c.matches(f) })
}

// Strong returns the facts that are strong evidence for the recipe, Weak those
// that are weak.
func (r *Recipe) Strong(fs *Facts) []Fact { return fs.among(r.When) }

// Weak returns the facts that are weak evidence for the recipe.
func (r *Recipe) Weak(fs *Facts) []Fact { return fs.among(r.Maybe) }

func (fs *Facts) among(clues []Clue) []Fact {
	var found []Fact
	for _, c := range clues {
		found = append(found, fs.find(c)...)
	}
	return found
}

// Expand returns the patterns that a path of the recipe stands for, of which
// {lib} is each of the loader's folders; {prefix} is the folder that the program
// or library of a fact is installed below, such as /usr, and {name} its last
// component, of a library without "lib" in front and what follows ".so". Without
// a fact of an object, paths with the latter two stand for none.
func Expand(name string, fact Fact, libraries []string) []string {
	if strings.Contains(name, "{name}") || strings.Contains(name, "{prefix}") {
		if fact.In == "" {
			return nil
		}
		name = strings.NewReplacer("{name}", stem(fact.In), "{prefix}", prefix(fact.In)).Replace(name)
	}
	if !strings.Contains(name, "{lib}") {
		return []string{path.Clean(name)}
	}
	var list []string
	for _, dir := range libraries {
		list = append(list, path.Clean(strings.ReplaceAll(name, "{lib}", dir)))
	}
	return list
}

// stem returns the name of a program, or of a library what a linker calls it.
func stem(file string) string {
	base := path.Base(file)
	if lib, version, ok := strings.Cut(base, ".so"); ok && (version == "" || version[0] == '.') {
		return strings.TrimPrefix(lib, "lib")
	}
	return base
}

// prefix returns what is above the folder of programs or libraries that a file
// lies in.
func prefix(file string) string {
	for dir := path.Dir(file); dir != "/"; dir = path.Dir(dir) {
		switch path.Base(dir) {
		case "bin", "sbin", "lib", "lib64", "lib32", "libexec":
			return path.Dir(dir)
		}
	}
	return "/"
}

// Match reports whether a pattern matches a path or a folder above it. A pattern
// without a slash is for any component, others are from the root.
func Match(pattern, name string) bool {
	if !strings.Contains(pattern, "/") {
		for elem := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
			if ok, _ := path.Match(pattern, elem); ok {
				return true
			}
		}
		return false
	}
	meta := strings.IndexAny(pattern, `*?[\`)
	if meta < 0 {
		rest, below := strings.CutPrefix(name, pattern)
		return below && (rest == "" || rest[0] == '/')
	}
	if !strings.HasPrefix(name, pattern[:meta]) { // as most names do not
		return false
	}
	for ; name != "/" && name != "."; name = path.Dir(name) {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// validate returns what is wrong with a recipe, if anything is.
func (r *Recipe) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.TrimSpace(r.About) == "" {
		wrong("it does not say what it is about")
	}
	for _, name := range slices.Concat(r.Add, r.Programs, r.Ignore, r.Modules) {
		if _, err := path.Match(name, ""); err != nil {
			wrong("%q is no pattern", name)
		}
		if rest := strings.NewReplacer("{lib}", "/lib", "{prefix}", "/usr", "{name}", "x").Replace(name); !path.IsAbs(rest) || strings.ContainsAny(rest, "{}") {
			wrong("%q is no path from the root; {lib}, {prefix} and {name} are replaced", name)
		}
	}
	for _, pattern := range slices.Concat(r.Except, r.Packages) {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			wrong("%q is no pattern", pattern)
		}
	}
	for i, f := range r.Folders {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			wrong("folder %q is no clean path from the root", f.Path)
		}
		r.Folders[i].Mode = cmp.Or(f.Mode, 0o755)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		if name == "" || strings.ContainsAny(name, "= \t\r\n\x00") || strings.Contains(r.Env[name], "\x00") {
			wrong("%q is no variable", name+"="+r.Env[name])
		}
	}
	for _, name := range r.Programs {
		if strings.ContainsAny(name, `*?[\`) {
			wrong("%q is a pattern, and programs are named", name)
		}
	}
	return errors.Join(errs...)
}

func list[T ~string](words []T) string {
	text := make([]string, len(words))
	for i, w := range words {
		text[i] = string(w)
	}
	return strings.Join(text, ", ")
}
