package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// The lines of a document between which the tables stand.
const (
	tablesBegin = "<!-- tables: make programs -->\n"
	tablesEnd   = "<!-- end of tables -->\n"
)

// writeTables replaces the tables of a document.
func writeTables(ctx context.Context, file string, results []*result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := bytes.Cut(text, []byte(tablesBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tablesEnd))
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no place for tables: no line %q, or no %q", file, tablesBegin, tablesEnd)
	}
	dir, err := os.MkdirTemp("", "harvest-programs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := newApt(ctx, dir)
	if err != nil {
		return err
	}
	sizes, err := leanness(ctx, a, results)
	if err != nil {
		return err
	}
	tables := works(results) + sizes
	return os.WriteFile(file, slices.Concat(before, []byte(tablesBegin), []byte(tables), []byte(tablesEnd), after), 0o644)
}

// works returns the tables of what was run.
func works(results []*result) string {
	var b strings.Builder
	for _, awkward := range []bool{false, true} {
		title := "## Programs that everybody has"
		if awkward {
			title = "## Awkward programs"
		}
		fmt.Fprintf(&b, "\n%s\n\n| program | command | image | checks | result |\n|---|---|---|---|---|\n", title)
		for _, r := range results {
			if r.subject.awkward != awkward {
				continue
			}
			var checks []string
			for _, c := range r.subject.Checks {
				checks = append(checks, code(c.Run))
			}
			size := "-"
			if r.err == nil && len(r.missing) == 0 {
				size = megabytes(r.image.Size)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.subject.Name, code(r.subject.command()), size, strings.Join(checks, "<br>"), r.outcome())
		}
	}
	return b.String()
}

func (r *result) outcome() string {
	switch {
	case len(r.missing) > 0:
		return "not installed"
	case r.err != nil:
		return "**failed**"
	}
	return "good"
}

// code writes a command as code in a cell of a table.
func code(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "\n", " ; ")), " ")
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

// mostShares is how many rules' shares are listed for a program.
const mostShares = 6

// leanness returns the table of sizes.
func leanness(ctx context.Context, a *apt, results []*result) (string, error) {
	base, err := a.size(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## How lean\n\nThe base alone is %s.\n\n| program | image | with apt-get | of it | what brought how much |\n|---|---|---|---|---|\n", megabytes(base))
	for _, r := range results {
		if r.err != nil || len(r.missing) > 0 || r.subject.Files != "" { // whose packages are for making it
			continue
		}
		size, err := a.size(ctx, r.subject.Packages...)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d %% | %s |\n", r.subject.Name, megabytes(r.image.Size), megabytes(size),
			100*r.image.Size/size, strings.Join(r.image.shares(), ", "))
	}
	return b.String(), nil
}

// shares says how many bytes there are for which reason, the largest first.
func (i *image) shares() []string {
	sizes := make(map[string]int64)
	for _, e := range i.entries {
		if e.Type == "file" && e.Hardlink == "" {
			sizes[e.rule()] += e.Size
		}
	}
	rules := slices.SortedFunc(maps.Keys(sizes), func(x, y string) int {
		if sizes[x] != sizes[y] {
			return int(sizes[y] - sizes[x])
		}
		return strings.Compare(x, y)
	})
	var list []string
	for n, rule := range rules {
		if n == mostShares || sizes[rule] < 50_000 {
			break
		}
		list = append(list, fmt.Sprintf("%s %s", rule, megabytes(sizes[rule])))
	}
	return list
}

// rule names what brought an entry: a recipe, or the kind of its reason. What a
// library needs that a recipe brought is the library's.
func (e entry) rule() string {
	why := e.Why[0]
	if why.Kind == "recipe" {
		name, _, _ := strings.Cut(why.Text, ":")
		return name
	}
	if strings.HasPrefix(why.Kind, "--bin") || why.Kind == "program" || why.Kind == "interpreter" {
		return "programs"
	}
	if why.Kind == "library" || why.Kind == "loader" {
		return "libraries"
	}
	return path.Base(why.Kind)
}
