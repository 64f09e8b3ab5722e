package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/spelling"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// The values of --with that are no recipes.
const (
	withAuto = "auto"
	withNone = "none"
)

// cookbook returns what the flags say of recipes, for an image that sets the given
// variables.
func (s *selection) cookbook(env []string) (plan.Recipes, error) {
	r := plan.Recipes{Without: s.without, Auto: !slices.Contains(s.with, withNone)}
	for _, name := range s.with {
		if name != withAuto && name != withNone {
			r.With = append(r.With, name)
		}
	}
	if !r.Auto && slices.Contains(s.with, withAuto) {
		return r, usagef("--with none and --with auto exclude each other")
	}
	for _, name := range r.With {
		if slices.Contains(s.without, name) {
			return r, usagef("--with %s and --without %s exclude each other", name, name)
		}
	}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		r.Env = append(r.Env, name)
	}
	if len(r.With) > 0 && s.bare {
		return r, usagef("--bare is programs and libraries alone, and --with %s is more", strings.Join(r.With, ","))
	}
	if s.bare || !r.Auto && len(r.With) == 0 {
		return r, nil
	}
	var err error
	r.Book, err = s.book()
	return r, err
}

// book reads the recipes.
func (s *selection) book() (*recipe.Book, error) {
	var dirs []fs.FS
	for _, dir := range s.recipes {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = errors.New("not a folder")
		}
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		if err != nil {
			return nil, fmt.Errorf("--recipes %s: %w", dir, err)
		}
		dirs = append(dirs, os.DirFS(dir))
	}
	return recipe.Read(dirs...)
}

// recipeHint is advice on a recipe that there is none of.
func recipeHint(e *plan.UnknownRecipeError) string {
	if near := spelling.Near(e.Name, e.Known, mostGuesses); len(near) > 0 {
		return "there is " + strings.Join(near, ", ")
	}
	return "docs/recipes.md says what each brings; --recipes DIR adds your own, and --add ships files and folders as they are"
}

// absentee returns who finds out what an image lacks, and which flag ships it.
func (s *selection) absentee(host *rootfs.Host, p *plan.Plan) absentee {
	a := absentee{host: host, tree: p.Root, excluded: p.Excluded, without: s.without}
	if book, err := s.book(); err == nil {
		facts := factsOf(p.Tree, func(e *rootfs.Entry) []rootfs.Reason { return e.Why })
		a.recipe = func(name string) string {
			if r := book.Bringing(name, libraryFolders, facts...); r != nil && !hasBrought(p, r.Name) {
				return r.Name
			}
			return ""
		}
	}
	return a
}

// libraryFolders are where libraries are, as patterns.
var libraryFolders = []string{"/lib/*", "/lib", "/lib64", "/usr/lib/*", "/usr/lib", "/usr/lib64"}

// factsOf returns which programs and libraries a tree has by its reasons.
func factsOf(t *rootfs.Tree, reasons func(*rootfs.Entry) []rootfs.Reason) []recipe.Fact {
	var facts []recipe.Fact
	for e := range t.All() {
		if why := reasons(e); e.Mode.IsRegular() && len(why) > 0 {
			switch why[0].Kind {
			case "program", "interpreter":
				facts = append(facts, recipe.Fact{Kind: recipe.Program, Name: e.Path, In: e.Path})
			case "library":
				facts = append(facts, recipe.Fact{Kind: recipe.Soname, Name: path.Base(e.Path), In: e.Path})
			}
		}
	}
	return facts
}

// hasBrought reports whether a recipe has had its say in a plan: what is missing
// still, it does not bring.
func hasBrought(p *plan.Plan, name string) bool {
	return slices.ContainsFunc(p.Decisions, func(d plan.Decision) bool { return d.Added && d.Recipe == name })
}

// completeRecipes completes a flag to names of recipes and some more.
func completeRecipes(cmd *cobra.Command, flag string, more ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		words := append(slices.Clone(more), plan.Own, plan.Scripts)
		if book, err := recipe.Read(); err == nil {
			for _, r := range book.Recipes {
				words = append(words, cobra.CompletionWithDesc(r.Name, r.About))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
}

// mostOwn is how many decisions of a rule are lines of their own.
const mostOwn = 4

// recipeLines says what recipes brought, and in one line what they could. Of a rule
// that decides for each object anew, the largest are told, and the others counted.
func recipeLines(decisions []plan.Decision) (with []string, hint string) {
	var names, whys []string
	decisions, rest := largest(decisions)
	for _, d := range decisions {
		if !d.Added {
			names, whys = append(names, d.Recipe), append(whys, d.Why)
			continue
		}
		with = append(with, fmt.Sprintf("%s, %s: %s", d.Recipe, units.Size(d.Size), d.Why))
	}
	with = append(with, rest...)
	if len(names) > 0 {
		hint = fmt.Sprintf("--with %s, perhaps: %s", strings.Join(names, ","), strings.Join(whys, ", "))
	}
	return with, hint
}

// largest returns the decisions without the small ones of rules that have many, and
// lines that say how many these are.
func largest(decisions []plan.Decision) (large []plan.Decision, rest []string) {
	for _, rule := range []string{plan.Own, plan.Scripts} {
		var of []plan.Decision
		for _, d := range decisions {
			if d.Added && d.Recipe == rule {
				of = append(of, d)
			}
		}
		if len(of) <= mostOwn+1 {
			continue
		}
		slices.SortStableFunc(of, func(a, b plan.Decision) int { return cmp.Compare(b.Size, a.Size) })
		small := make(map[string]bool)
		var bytes int64
		for _, d := range of[mostOwn:] {
			small[d.Why] = true
			bytes += d.Size
		}
		decisions = slices.DeleteFunc(slices.Clone(decisions), func(d plan.Decision) bool { return d.Recipe == rule && small[d.Why] })
		rest = append(rest, fmt.Sprintf("%s, %s: %d more, which ls lists", rule, units.Size(bytes), len(small)))
	}
	return decisions, rest
}
