package elfdeps_test

import (
	"context"
	"debug/elf"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

var update = flag.Bool("update", false, "write what is found into the want sections of testdata/elf")

// Each file of testdata/elf states one rule of the loader, and shows it in a
// root that elftest builds.
func TestRules(t *testing.T) {
	for _, r := range readRules(t) {
		t.Run(r.name, func(t *testing.T) {
			got := r.render(r.closure(t))
			if *update {
				r.write(t, got)
				return
			}
			if got != r.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", r.comment, got, r.want)
			}
		})
	}
}

// A rule is a file of testdata/elf.
type rule struct {
	file, name string
	archive    *txtar.Archive

	comment       string
	root, resolve string
	want          string
}

func readRules(t testing.TB) []rule {
	t.Helper()
	files, err := filepath.Glob("../testdata/elf/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	var rules []rule
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Files) != 3 || a.Files[0].Name != "root" || a.Files[1].Name != "resolve" || a.Files[2].Name != "want" {
			t.Fatalf("%s: its sections are not root, resolve and want", file)
		}
		rules = append(rules, rule{
			file:    file,
			name:    strings.TrimSuffix(filepath.Base(file), ".txtar"),
			archive: a,
			comment: string(a.Comment),
			root:    string(a.Files[0].Data),
			resolve: string(a.Files[1].Data),
			want:    string(a.Files[2].Data),
		})
	}
	return rules
}

// write replaces the section want.
func (r rule) write(t *testing.T, want string) {
	t.Helper()
	r.archive.Files[2].Data = []byte(want)
	if err := os.WriteFile(r.file, txtar.Format(r.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// programs returns the paths among the lines of the section resolve.
func (r rule) programs() []string {
	var programs []string
	for line := range strings.Lines(r.resolve) {
		if strings.HasPrefix(line, "/") {
			programs = append(programs, strings.TrimSpace(line))
		}
	}
	return programs
}

// option returns what follows name= in the section resolve.
func (r rule) option(name string) string {
	_, value, _ := strings.Cut("\n"+r.resolve, "\n"+name+"=")
	value, _, _ = strings.Cut(value, "\n")
	return value
}

// shows reports whether the section resolve has the line word.
func (r rule) shows(word string) bool {
	return strings.Contains("\n"+r.resolve, "\n"+word+"\n")
}

func (r rule) closure(t *testing.T) (*elfdeps.Closure, error) {
	t.Helper()
	resolver := elfdeps.Resolver{FS: elftest.MustRoot(t, r.root)}
	if path := r.option("library-path"); path != "" {
		resolver.LibraryPath = []string{path}
	}
	if name := r.option("dlopen"); name != "" {
		var err error
		if resolver.Dlopen, err = elfdeps.ParsePriority(name); err != nil {
			t.Fatal(err)
		}
	}
	resolver.Mentions = r.shows("mentions")
	if names := r.option("path"); names != "" {
		resolver.Path = strings.Split(names, ":")
	}
	if names := r.option("hwcaps"); names != "" {
		resolver.Hwcaps = strings.Split(names, ",")
	}
	return resolver.Resolve(context.Background(), r.programs()...)
}

// render returns a closure as text: a line for each need, below it with tried
// the places that did not serve, and with order the list of objects.
func (r rule) render(c *elfdeps.Closure, err error) string {
	var b strings.Builder
	for p := range c.All() {
		switch {
		case p.Script != nil:
			fmt.Fprintf(&b, "%s: a script, %q\n", p.Name, p.Script)
		case p.Loader == nil:
			fmt.Fprintf(&b, "%s: static\n", p.Name)
		}
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				fmt.Fprintf(&b, "%s: %s\n", o.Path, needText(n))
				for _, probe := range n.Tried {
					if r.shows("tried") {
						fmt.Fprintf(&b, "    tried %s [%v]: %s\n", probe.Path, probe.Rule, probe.Reason)
					}
				}
			}
		}
		for _, m := range p.Mentions {
			fmt.Fprintf(&b, "%s mentions %s => %s [%v]\n", m.By, m.Name, m.Path, m.Rule)
		}
		if r.shows("order") {
			fmt.Fprintf(&b, "order: %s\n", strings.Join(objectPaths(p), " "))
		}
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(&b, "error: %s\n", strings.TrimSpace(line))
		}
	}
	return b.String()
}

func needText(n elfdeps.Need) string {
	s := n.Name
	switch {
	case n.Env():
		s = "env " + s
	case n.Dlopen != nil:
		s = fmt.Sprintf("dlopen (%v) %s", n.Dlopen.Priority, s)
	case n.Tag > elf.DT_NEEDED:
		s = n.Tag.String() + " " + s
	}
	switch {
	case n.Object == nil:
		return s + " => not found"
	case n.Lacks != nil:
		return fmt.Sprintf("%s => %s [%v] without %s", s, n.Object.Path, n.Rule, strings.Join(n.Lacks, " "))
	case n.Object.Path == n.Name:
		return fmt.Sprintf("%s [%v]", s, n.Rule)
	}
	return fmt.Sprintf("%s => %s [%v]", s, n.Object.Path, n.Rule)
}

func objectPaths(p *elfdeps.Program) []string {
	paths := make([]string, len(p.Objects))
	for i, o := range p.Objects {
		paths[i] = o.Path
	}
	return paths
}
