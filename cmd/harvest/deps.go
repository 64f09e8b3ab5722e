package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// depsOptions is the command line of deps.
type depsOptions struct {
	selection
	programs  []string
	allIn     []string
	list      bool
	json      bool
	dot       bool
	mermaid   bool
	why       string
	asksWhy   bool // --why was given, be it empty
	treeDepth int
	paths     bool
	ask       bool
	scan      bool
}

func newDepsCmd(s streams) *cobra.Command {
	o := &depsOptions{}
	cmd := &cobra.Command{
		Use:   "deps PROGRAM... [flags]",
		Short: "Show what programs need, and by which rule each library is found",
		Long: `deps draws what the kernel and the loader would open to start each program: its
interpreter, then its libraries in the order in which they are loaded, each with
the rule by which it is found. A library that is loaded already is not drawn
again. What is missing does not stop it: it prints what was found, too.

A PROGRAM is a path, a name that is looked up, or a pattern like '/usr/bin/py*',
which stands for the ELF files that match it. Libraries are as good as programs.
A script needs the interpreter in its first line and, if that is env, what env
is to start.

In pictures, a line without a rule leads to what is loaded already, and a broken
one to what is opened later, with dlopen.`,
		Example: `  harvest deps /bin/bash
  harvest deps --why libc.so.6 bash
  harvest deps --dot bash | dot -Tsvg >bash.svg
  harvest deps --root other-root '/usr/bin/py*' --all-in /opt/app
  cp $(harvest deps --list bash) /tmp/libraries/`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && len(o.allIn) == 0 {
				return usagef("no program is named: harvest deps /bin/bash")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.programs = args
			o.asksWhy = cmd.Flags().Changed("why")
			return depsRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.allIn, "all-in", nil, "`DIR`: every program and library in DIR and the folders below it (repeatable)")
	completeDirs(cmd, "all-in")
	o.addRootFlags(cmd)
	group(f, "What is looked at")
	o.addFormFlags(cmd)
	return cmd
}

// addFormFlags adds the flags that say how the closure is shown.
func (o *depsOptions) addFormFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&o.treeDepth, "tree-depth", 0, "`N`: draw N levels of the tree, and say how much more there is (default: all)")
	f.BoolVar(&o.paths, "path", false, "show libraries by their full paths, not by the names that are asked for")
	f.BoolVar(&o.scan, "scan", false, "search all bytes for names of other libraries, which may be opened later or may mean nothing")
	f.StringVar(&o.why, "why", "", "`LIB`: print the chains of needs that lead to a library, and all places where it was looked for; LIB is a name or a path")
	f.BoolVar(&o.list, "list", false, "print one absolute path a line: programs, interpreters, libraries")
	f.BoolVar(&o.json, "json", false, "print everything that is known as JSON")
	f.BoolVar(&o.dot, "dot", false, "print a picture of all programs for Graphviz: | dot -Tsvg >x.svg")
	f.BoolVar(&o.mermaid, "mermaid", false, "print that picture as a Mermaid flowchart, as Markdown may hold")
	f.BoolVar(&o.ask, "ask-loader", false, "run each program's own loader, and explain where its list differs, or exit with 3; goes with --json")
	group(f, "How it is shown")
	completeWords(cmd, "tree-depth")
	completeWords(cmd, "why")
}

// A form is a way to show a closure.
type form struct {
	flag  string // that asks for it, "" for the tree
	given bool
	print func(w io.Writer, r *resolved) error
	takes []string // flags that change it
}

// forms are all there are, the tree last.
func (o *depsOptions) forms() []form {
	return []form{
		{"why", o.asksWhy, o.printWhy, []string{"path"}},
		{"list", o.list, printList, nil},
		{"ask-loader", o.ask, o.printOpinions, nil},
		{"json", o.json && !o.ask, printClosure, []string{"scan"}},
		{"dot", o.dot, printDot, nil},
		{"mermaid", o.mermaid, printMermaid, nil},
		{"", true, o.printTrees, []string{"path", "tree-depth", "scan"}},
	}
}

// form returns the one that is asked for.
func (o *depsOptions) form() (form, error) {
	if o.asksWhy && o.why == "" {
		return form{}, usagef(`--why "" names no library`)
	}
	if o.treeDepth < 0 {
		return form{}, usagef("--tree-depth %d: there are no levels below 1", o.treeDepth)
	}
	var asked []form
	for _, f := range o.forms() {
		if f.given {
			asked = append(asked, f)
		}
	}
	if len(asked) > 2 {
		return form{}, usagef("--%s and --%s: one of them is enough", asked[0].flag, asked[1].flag)
	}
	f := asked[0]
	for _, option := range []struct {
		flag  string
		given bool
	}{{"tree-depth", o.treeDepth != 0}, {"path", o.paths}, {"scan", o.scan}} {
		if option.given && !slices.Contains(f.takes, option.flag) {
			return form{}, usagef("--%s changes nothing about --%s", option.flag, f.flag)
		}
	}
	return f, nil
}

// resolved is what deps shows.
type resolved struct {
	host *rootfs.Host
	*elfdeps.Closure
	hwcaps map[*elfdeps.Program][]string // of the processor, if it is not any
	notes  []string
}

// title is the name of a program, with the processor for which it is shown.
func (r *resolved) title(p *elfdeps.Program) string {
	if hwcaps := r.hwcaps[p]; hwcaps != nil {
		return printable(p.Name) + " (" + hwcaps[0] + ")"
	}
	return printable(p.Name)
}

// depsRun prints the closure of programs, as far as it could be found.
func depsRun(ctx context.Context, s streams, o *depsOptions) error {
	form, err := o.form()
	if err == nil && o.ask {
		err = o.askable(s.getenv)
	}
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // it is over before it leaves much behind
	host, err := o.host()
	if err != nil {
		return err
	}
	spec, missing, err := o.depsSpec(ctx, host)
	if err != nil {
		return err
	}
	r, err := resolve(ctx, host, spec)
	r.notes = slices.Concat(libraryPathNotes(host, spec), r.notes)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !o.json || o.ask {
		for _, note := range r.notes {
			fmt.Fprintf(s.err, "harvest: note: %s\n", printable(note))
		}
	}
	out := bufio.NewWriter(s.out)
	printed := form.print(out, r)
	if flushed := out.Flush(); printed == nil {
		printed = flushed
	}
	return errors.Join(printed, missing, err)
}

// resolve returns the closure of programs, if there are any, followed by those
// that load other files on better processors.
func resolve(ctx context.Context, host *rootfs.Host, spec plan.Spec) (*resolved, error) {
	r := &resolved{host: host, Closure: &elfdeps.Closure{}, hwcaps: make(map[*elfdeps.Program][]string)}
	if len(spec.Programs) == 0 {
		return r, nil
	}
	var err error
	if r.Closure, err = plan.Resolve(ctx, host, spec); err == nil {
		err = r.addVariants(ctx, spec)
	}
	r.notes = plan.Notes(host, r.Closure)
	return r, lookElsewhere(ctx, host, err)
}

// addVariants adds the programs that load other files on better processors.
func (r *resolved) addVariants(ctx context.Context, spec plan.Spec) error {
	variants, err := plan.ResolveVariants(ctx, r.host, spec, r.Closure)
	if len(variants) == 0 {
		return err
	}
	known := make(map[string]string)
	for _, p := range r.Programs {
		known[p.Name] = pathsOf(p)
	}
	all := slices.Clone(r.Programs)
	for _, v := range variants {
		for _, p := range v.Closure.Programs {
			if paths := pathsOf(p); paths != known[p.Name] {
				known[p.Name] = paths
				all = append(all, p)
				r.hwcaps[p] = v.Hwcaps
			}
		}
	}
	r.Closure = &elfdeps.Closure{Programs: all}
	return err
}

// pathsOf returns the paths of what a program loads, a line each.
func pathsOf(p *elfdeps.Program) string {
	var b strings.Builder
	for q := range p.All() {
		for _, o := range q.Objects {
			b.WriteString(o.Path + "\n")
		}
	}
	return b.String()
}

// printList prints every path once, in load order.
func printList(w io.Writer, r *resolved) error {
	seen := make(map[string]bool)
	for p := range r.All() {
		for _, o := range p.Objects {
			if seen[o.Path] {
				continue
			}
			seen[o.Path] = true
			if _, err := io.WriteString(w, o.Path+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}
