package recipe

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed recipes/*.yaml
var builtin embed.FS

// A Book holds recipes, sorted by name.
type Book struct {
	Recipes []*Recipe
}

// Read returns the recipes of this package and those in the top folders of dirs,
// of which a later one replaces an earlier one of its name. Files that do not end
// in .yaml are left alone. An error names the file, and the line if there is one.
func Read(dirs ...fs.FS) (*Book, error) {
	own, err := fs.Sub(builtin, "recipes")
	if err != nil {
		return nil, err
	}
	b := &Book{}
	var errs []error
	for _, dir := range append([]fs.FS{own}, dirs...) {
		errs = append(errs, b.read(dir))
	}
	slices.SortFunc(b.Recipes, func(x, y *Recipe) int { return strings.Compare(x.Name, y.Name) })
	return b, errors.Join(append(errs, b.check())...)
}

// maxRecipe is the most bytes that a recipe can have.
const maxRecipe = 1 << 20

func (b *Book) read(dir fs.FS) error {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		name, isRecipe := strings.CutSuffix(f.Name(), ".yaml")
		if !isRecipe || f.IsDir() {
			continue
		}
		data, err := readLimited(dir, f.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r, err := Parse(name, data)
		if err != nil {
			errs = append(errs, fmt.Errorf("recipe %s: %w", f.Name(), err))
			continue
		}
		b.Recipes = slices.DeleteFunc(b.Recipes, func(old *Recipe) bool { return old.Name == name })
		b.Recipes = append(b.Recipes, r)
	}
	return errors.Join(errs...)
}

func readLimited(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecipe+1))
	if err == nil && len(data) > maxRecipe {
		err = fmt.Errorf("recipe %s has more than %d bytes", name, maxRecipe)
	}
	return data, err
}

// Parse reads one recipe. What it does not know is an error that says the line.
func Parse(name string, data []byte) (*Recipe, error) {
	if !validName(name) {
		return nil, fmt.Errorf("%q is no name: small letters, digits and dashes", name)
	}
	r := &Recipe{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(r); err != nil {
		return nil, readable(err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document")
	}
	r.Name = name
	return r, r.validate()
}

// readable words an error of the YAML package for those who write recipes.
func readable(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if wrong := (*yaml.TypeError)(nil); errors.As(err, &wrong) {
		const most = 3
		text = strings.Join(wrong.Errors[:min(len(wrong.Errors), most)], "; ")
		if more := len(wrong.Errors) - most; more > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
	}
	for _, internal := range []string{" in type recipe.Recipe", " in type recipe.Folder"} {
		text = strings.ReplaceAll(text, internal, "")
	}
	return errors.New(strings.ReplaceAll(text, "field ", "key "))
}

func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
}

// check returns what is wrong with the recipes together.
func (b *Book) check() error {
	var errs []error
	for _, r := range b.Recipes {
		for _, name := range r.With {
			if b.Named(name) == nil {
				errs = append(errs, fmt.Errorf("recipe %s.yaml: there is no recipe %s", r.Name, name))
			}
		}
	}
	return errors.Join(errs...)
}

// Named returns the recipe of a name, nil if there is none.
func (b *Book) Named(name string) *Recipe {
	i, found := slices.BinarySearchFunc(b.Recipes, name, func(r *Recipe, name string) int { return strings.Compare(r.Name, name) })
	if !found {
		return nil
	}
	return b.Recipes[i]
}

// Symbols returns the symbols that are clues of some recipe.
func (b *Book) Symbols() []string {
	var symbols []string
	for _, r := range b.Recipes {
		for _, c := range slices.Concat(r.When, r.Maybe) {
			if c.Kind == Symbol && !slices.Contains(symbols, c.Pattern) {
				symbols = append(symbols, c.Pattern)
			}
		}
	}
	return symbols
}

// Covers reports whether a recipe speaks of a path: it, or a folder above it, is
// a clue or what a recipe adds. Such a path in a program means no more than the
// recipe says. {lib} stands for each of the given folders.
func (b *Book) Covers(name string, libraries []string) bool {
	if b.Bringing(name, libraries) != nil {
		return true
	}
	for _, r := range b.Recipes {
		for _, c := range slices.Concat(r.When, r.Maybe) {
			if ok, _ := path.Match(c.Pattern, name); c.Kind == Path && ok {
				return true
			}
		}
	}
	return false
}

// Bringing returns the first recipe that adds a path or a folder above it, or that
// adds what lies in a folder which it has programs name; nil if none does. {lib}
// stands for each of the given folders, which may be patterns, {prefix} and {name}
// for those of the facts that are strong evidence for the recipe.
func (b *Book) Bringing(name string, libraries []string, facts ...Fact) *Recipe {
	for _, r := range b.Recipes {
		ignored := slices.ContainsFunc(r.Ignore, func(folder string) bool { return Match(folder, name) })
		for _, pattern := range r.adds(libraries, facts) {
			if Match(pattern, name) || ignored && strings.HasPrefix(pattern, name+"/") {
				return r
			}
		}
	}
	return nil
}

// adds returns what a recipe adds, as patterns.
func (r *Recipe) adds(libraries []string, facts []Fact) []string {
	var patterns []string
	for _, add := range r.Add {
		patterns = append(patterns, Expand(add, Fact{}, libraries)...)
		for _, f := range facts {
			if strings.Contains(add, "{prefix}") && r.IsFor(f) {
				patterns = append(patterns, Expand(add, f, libraries)...)
			}
		}
	}
	return patterns
}
