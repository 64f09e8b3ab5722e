package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// depsOptions is the command line of deps.
type depsOptions struct {
	selection
	programs []string
	list     bool
	json     bool
	why      string
}

func newDepsCmd(io streams) *cobra.Command {
	o := &depsOptions{}
	cmd := &cobra.Command{
		Use:   "deps PROGRAM...",
		Short: "Show what programs need, and by which rule each library is found",
		Long: `deps draws what the kernel and the loader would open to start each program: its
interpreter, then its libraries in the order in which they are loaded, each with
the rule by which it is found. A library that is loaded already is not drawn
again.

` + exitCodes,
		Example: `  harvest deps /bin/bash
  cp $(harvest deps --list bash) /tmp/libraries/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.programs = args
			return depsRun(cmd.Context(), io, o)
		},
	}
	o.addRootFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.list, "list", false, "print one absolute path a line: programs, interpreters, libraries")
	f.BoolVar(&o.json, "json", false, "print everything that is known as JSON")
	f.StringVar(&o.why, "why", "", "print who needs `LIB` and where it was looked for")
	cmd.MarkFlagsMutuallyExclusive("list", "json", "why")
	return cmd
}

// depsRun prints the closure of programs, as far as it could be found.
func depsRun(ctx context.Context, s streams, o *depsOptions) error {
	spec, err := o.depsSpec()
	if err != nil {
		return err
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	closure, err := plan.Resolve(ctx, host, spec)
	return errors.Join(o.print(s.out, closure), err)
}

// depsSpec is the spec of programs alone, whose names may hold colons.
func (o *depsOptions) depsSpec() (plan.Spec, error) {
	var spec plan.Spec
	for _, name := range o.programs {
		if strings.Contains(name, "/") {
			var err error
			if name, err = o.hostPath(name); err != nil {
				return spec, err
			}
		}
		spec.Programs = append(spec.Programs, plan.Input{Source: name})
	}
	var err error
	spec.LibraryPath, err = o.libraryDirs()
	return spec, err
}

func (o *depsOptions) print(w io.Writer, c *elfdeps.Closure) error {
	switch {
	case o.list:
		return printList(w, c)
	case o.json:
		return writeJSON(w, jsonClosure(c))
	case o.why != "":
		return printWhy(w, c, o.why)
	}
	for _, p := range c.Programs {
		if err := printProgram(w, p); err != nil {
			return err
		}
	}
	return nil
}

// printList prints every path once, in load order.
func printList(w io.Writer, c *elfdeps.Closure) error {
	seen := make(map[string]bool)
	for _, p := range c.Programs {
		for _, o := range p.Objects {
			if seen[o.Path] {
				continue
			}
			seen[o.Path] = true
			if _, err := fmt.Fprintln(w, o.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// printProgram draws one link map as a tree. Each object is drawn below the
// need that made the loader open it.
func printProgram(w io.Writer, p *elfdeps.Program) error {
	title := fmt.Sprintf("%s (%v)", p.Name, p.Objects[0].Arch)
	if p.Objects[0].Static() {
		title += ": static, needs nothing"
	}
	if _, err := fmt.Fprintln(w, title); err != nil {
		return err
	}
	return printNeeds(w, p.Objects[0], "")
}

func printNeeds(w io.Writer, o *elfdeps.Object, indent string) error {
	for i, n := range o.Needs {
		branch, below := "├── ", "│   "
		if i == len(o.Needs)-1 {
			branch, below = "└── ", "    "
		}
		if _, err := fmt.Fprintf(w, "%s%s%s\n", indent, branch, needText(n)); err != nil {
			return err
		}
		if n.Object == nil || n.Rule.Kind == elfdeps.RuleLoaded {
			continue
		}
		if err := printNeeds(w, n.Object, indent+below); err != nil {
			return err
		}
	}
	return nil
}

func needText(n elfdeps.Need) string {
	switch {
	case n.Object == nil:
		return n.Name + " => not found"
	case n.Rule.Kind == elfdeps.RuleLoaded, n.Name == n.Object.Path:
		return fmt.Sprintf("%s [%v]", n.Name, n.Rule)
	}
	return fmt.Sprintf("%s => %s [%v]", n.Name, n.Object.Path, n.Rule)
}

// printWhy prints, for each program, everybody who asks for a library, which
// may be named by soname, file name or path, and how the first search went.
func printWhy(w io.Writer, c *elfdeps.Closure, lib string) error {
	found := false
	for _, p := range c.Programs {
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				if !answersTo(n, lib) {
					continue
				}
				found = true
				if err := printReason(w, o, n); err != nil {
					return err
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("nothing here needs %s", lib)
	}
	return nil
}

func answersTo(n elfdeps.Need, lib string) bool {
	return n.Name == lib || n.Object != nil && (n.Object.Path == lib || n.Object.Soname == lib)
}

func printReason(w io.Writer, o *elfdeps.Object, n elfdeps.Need) error {
	if _, err := fmt.Fprintf(w, "%s needs %s\n", o.Path, needText(n)); err != nil {
		return err
	}
	for _, p := range n.Tried {
		if _, err := fmt.Fprintf(w, "    tried %s [%v]: %s\n", p.Path, p.Rule, p.Reason); err != nil {
			return err
		}
	}
	return nil
}
