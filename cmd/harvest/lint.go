package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

// lintOptions is the command line of lint.
type lintOptions struct {
	imageOrigin
	image  string
	strict bool
	json   bool
	quiet  bool
}

func newLintCmd(s streams) *cobra.Command {
	o := &lintOptions{}
	cmd := &cobra.Command{
		Use:   "lint IMAGE [flags]",
		Short: "Find what is broken in an image, and say how to mend it",
		Long: `lint looks for what keeps programs of an image from starting, whoever made it:
interpreters and libraries that are missing, libraries for another libc, scripts
without what runs them. It warns of links that lead nowhere and of programs that
lost their privileges. Nothing of the image is run.

` + imageHelp + `
` + treeHelp,
		Example: `  harvest lint basic.tar
  docker save app:v1 | harvest lint -
  docker export box | harvest lint --strict -`,
		DisableFlagsInUseLine: true,
		Args:                  oneArg("lint", "an image", "harvest lint basic.tar"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image = args[0]
			return lintRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addFlags(cmd)
	f.BoolVar(&o.strict, "strict", false, "let warnings count as errors")
	f.BoolVar(&o.json, "json", false, "print what is found as JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no findings, and how many there are only if some are errors")
	return cmd
}

// lintRun prints what is broken in an image.
func lintRun(ctx context.Context, s streams, o *lintOptions) (err error) {
	t, err := o.openRoot(ctx, s, o.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	r, err := lint.Check(ctx, lintRoot(t.Tree, t.Image))
	if err != nil {
		return naming(o.image, err)
	}
	switch {
	case o.json:
		err = writeJSON(s.out, newLintReport(r))
	case !o.quiet:
		err = printFindings(s.out, r.Findings)
	}
	if err != nil {
		return err
	}
	n := r.Errors()
	text := fmt.Sprintf("%s, %s", count(n, "error"), count(len(r.Findings)-n, "warning"))
	if n > 0 || o.strict && len(r.Findings) > 0 {
		return &checkError{fmt.Errorf("%s: %s", o.image, text)}
	}
	if !o.quiet && !o.json {
		fmt.Fprintf(s.err, "%s in %s, %s, %s\n", text, count(r.Programs, "program"), count(r.Scripts, "script"), count(r.Links, "link"))
	}
	return nil
}

// lintRoot says what is to be checked of a tree, which is an image's unless that
// is nil.
func lintRoot(t *rootfs.Tree, img *pack.Image) lint.Root {
	root := lint.Root{Tree: t}
	if img == nil {
		return root
	}
	c := img.Config
	for _, command := range [][]string{c.Entrypoint, c.Cmd} {
		if root.Command == "" && len(command) > 0 {
			root.Command = command[0]
		}
	}
	root.User = c.User
	root.WorkingDir = c.WorkingDir
	root.Platform = platformOf(&v1.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant})
	root.Path = searchPath(c.Env)
	root.LibraryPath = loaderPath(c.Env)
	return root
}

// A lintReport is what lint has found, as JSON.
type lintReport struct {
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Programs int            `json:"programs"`
	Scripts  int            `json:"scripts"`
	Links    int            `json:"links"`
	Findings []lint.Finding `json:"findings"`
}

func newLintReport(r *lint.Result) lintReport {
	n := r.Errors()
	return lintReport{n, len(r.Findings) - n, r.Programs, r.Scripts, r.Links, r.Findings}
}

// printFindings prints what is wrong, and below it what helps.
func printFindings(w io.Writer, findings []lint.Finding) error {
	out := bufio.NewWriter(w)
	for _, f := range findings {
		level := "error"
		if f.Warning {
			level = "warning"
		}
		fmt.Fprintf(out, "%s (%s): %s: %s\n", level, f.Rule, printable(f.Path), printable(f.Text))
		fmt.Fprintf(out, "    mend: %s\n", printable(f.Mend))
	}
	return out.Flush()
}
