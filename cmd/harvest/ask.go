package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/ldso"
)

// A disagreeError counts the differences between closures and what loaders say
// that nothing explains.
type disagreeError struct{ n int }

func (e *disagreeError) Error() string {
	return fmt.Sprintf("%d of the differences from what the loader says are not explained", e.n)
}

// askable returns an error if the command line or the environment would have the
// loader answer another question.
func (o *depsOptions) askable(getenv func(string) string) error {
	switch {
	case !isTop(o.root):
		return usagef("--ask-loader --root %s: a loader can only be asked about this system's own root", o.root)
	case len(o.libraryPath) > 0:
		return usagef("--ask-loader --library-path: the loader is asked as it is")
	}
	for _, name := range []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"} {
		if getenv(name) != "" {
			return usagef("--ask-loader: %s is set here, and the loader would go by it", name)
		}
	}
	return nil
}

type jsonOpinion struct {
	Name        string           `json:"name"`
	Platform    string           `json:"platform"`
	Loader      string           `json:"loader,omitempty"`
	Stopped     string           `json:"stopped,omitempty"`
	Both        []string         `json:"both"`
	Differences []jsonDifference `json:"differences,omitempty"`
}

type jsonDifference struct {
	Path string `json:"path"`
	Only string `json:"only"`
	Why  string `json:"why"`
}

// printOpinions asks the loader of each program and prints how far it agrees.
func (o *depsOptions) printOpinions(w io.Writer, r *resolved) error {
	opinions := []jsonOpinion{}
	var errs []error
	unexplained := 0
	for p := range r.All() {
		if p.Script != nil {
			continue // its interpreter follows
		}
		said, err := ldso.Ask(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		comparison := ldso.Compare(p, said)
		unexplained += comparison.Unexplained()
		opinion := newJSONOpinion(p, said, comparison)
		opinions = append(opinions, opinion)
		if !o.json {
			errs = append(errs, printOpinion(w, opinion))
		}
	}
	if o.json {
		errs = append(errs, writeJSON(w, opinions))
	}
	if unexplained > 0 {
		errs = append(errs, &disagreeError{unexplained})
	}
	return errors.Join(errs...)
}

func newJSONOpinion(p *elfdeps.Program, said *ldso.Opinion, c *ldso.Comparison) jsonOpinion {
	o := jsonOpinion{
		Name:     p.Name,
		Platform: p.Self().Arch.String(),
		Loader:   said.Loader,
		Stopped:  said.Stopped,
		Both:     append([]string{}, c.Both...),
	}
	for _, d := range c.Differences {
		only := "harvest"
		if d.ByLoader {
			only = "loader"
		}
		o.Differences = append(o.Differences, jsonDifference{d.Path, only, string(d.Why)})
	}
	return o
}

// printOpinion prints what both say in one line, and each difference in another.
func printOpinion(w io.Writer, o jsonOpinion) error {
	verdict := fmt.Sprintf("the loader agrees, %d in both lists", len(o.Both))
	switch {
	case o.Loader == "" && len(o.Differences) == 0:
		verdict = "static, so there is no loader to ask"
	case o.Stopped != "":
		verdict = "the loader stops: " + printable(o.Stopped)
	case len(o.Differences) > 0:
		verdict = fmt.Sprintf("%d in both lists", len(o.Both))
	}
	if _, err := fmt.Fprintf(w, "%s (%s): %s\n", printable(o.Name), o.Platform, verdict); err != nil {
		return err
	}
	for _, d := range o.Differences {
		if _, err := fmt.Fprintf(w, "    only %s: %s [%s]\n", d.Only, printable(d.Path), d.Why); err != nil {
			return err
		}
	}
	return nil
}
