package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
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

func newDepsCmd(s streams) *cobra.Command {
	o := &depsOptions{}
	cmd := &cobra.Command{
		Use:   "deps PROGRAM... [flags]",
		Short: "Show what programs need, and by which rule each library is found",
		Long: `deps draws what the kernel and the loader would open to start each program: its
interpreter, then its libraries in the order in which they are loaded, each with
the rule by which it is found. A library that is loaded already is not drawn
again. What is missing does not stop it: it prints what was found, too.`,
		Example: `  harvest deps /bin/bash
  harvest deps --why libc.so.6 bash
  cp $(harvest deps --list bash) /tmp/libraries/`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no program is named: harvest deps /bin/bash")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.programs = args
			return depsRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.list, "list", false, "print one absolute path a line: programs, interpreters, libraries")
	f.BoolVar(&o.json, "json", false, "print everything that is known as JSON")
	f.StringVar(&o.why, "why", "", "`LIB`: print who needs it and where it was looked for")
	o.addRootFlags(cmd)
	completeWords(cmd, "why")
	return cmd
}

// depsRun prints the closure of programs, as far as it could be found.
func depsRun(ctx context.Context, s streams, o *depsOptions) error {
	if o.list && o.json || o.list && o.why != "" || o.json && o.why != "" {
		return usagef("--list, --json and --why: one of them is enough")
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	spec, missing, err := o.depsSpec(host)
	if err != nil {
		return err
	}
	closure := &elfdeps.Closure{}
	if len(spec.Programs) > 0 {
		closure, err = plan.Resolve(ctx, host, spec)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := bufio.NewWriter(s.out)
	printed := o.print(out, closure)
	if flushed := out.Flush(); printed == nil {
		printed = flushed
	}
	return errors.Join(printed, missing, err)
}

// depsSpec is the spec of the programs that are there, whose names may hold
// colons; missing is about the others.
func (o *depsOptions) depsSpec(host *rootfs.Host) (spec plan.Spec, missing, err error) {
	if spec.LibraryPath, err = o.libraryDirs(); err != nil {
		return spec, nil, err
	}
	for _, given := range o.programs {
		name := given
		if strings.Contains(name, "/") {
			if name, err = o.hostPath(name); err != nil {
				return spec, nil, err
			}
		}
		file, err := plan.Find(host, name)
		if err == nil {
			_, err = host.RealPath(file)
		}
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && o.isBelowRoot(host, given) {
				err = fmt.Errorf("%s: %w", given, errBelowRoot)
			}
			missing = errors.Join(missing, err)
			continue
		}
		spec.Programs = append(spec.Programs, plan.Input{Source: file})
	}
	return spec, missing, nil
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
	self := p.Self()
	title := fmt.Sprintf("%s (%v)", p.Name, self.Arch)
	if self.Static() {
		title += ": static, needs nothing"
	}
	if _, err := fmt.Fprintln(w, title); err != nil {
		return err
	}
	return printNeeds(w, self, "")
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
	if !found && len(c.Programs) > 0 {
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
