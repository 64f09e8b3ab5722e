package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// streams are where a command reads and writes: data to out, talk to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
	inTerm   bool // in is a terminal
	outTerm  bool // out is a terminal
	progress bool // err is a terminal that wants progress
	getenv   func(string) string
}

func systemStreams() streams {
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("CI") != "" || os.Getenv("TERM") == "dumb"
	return streams{
		in:       os.Stdin,
		out:      os.Stdout,
		err:      os.Stderr,
		inTerm:   term.IsTerminal(int(os.Stdin.Fd())),
		outTerm:  term.IsTerminal(int(os.Stdout.Fd())),
		progress: term.IsTerminal(int(os.Stderr.Fd())) && !plain,
		getenv:   os.Getenv,
	}
}

// The exit codes, as --help and the manual list them.
const (
	exitDone       = 0
	exitUsage      = 1 // usage, input or output
	exitConfig     = 2 // what a harvest.yaml says
	exitUnresolved = 3 // a need is unmet, the law is violated, or the loader disagrees
	exitFound      = 4 // a check has found something
	exitTooBig     = 5 // over --max-size

	exitTimeout = 124 // of run, as of timeout(1): the command took too long
	exitNotRun  = 125 // of run and trace, as of docker run: it is harvest that has failed
)

// run executes one command line and returns its exit code.
func run(ctx context.Context, s streams, args []string) int {
	out := &checkedWriter{w: s.out}
	s.out = out
	cmd := newRootCmd(s)
	cmd.SetArgs(args)
	cmd.SetOut(s.out)
	cmd.SetErr(s.err)
	verb, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		err = out.err
	}
	var status *statusError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return status.status
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	complain(s.err, verb, err)
	switch verb.Name() {
	case runVerb, traceVerb:
		return runExitCode(err)
	}
	return exitCode(err)
}

// A checkedWriter remembers the first error of w, which cobra and help ignore.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

func exitCode(err error) int {
	var failed *checkFailedError
	var missing *elfdeps.MissingError
	var law *plan.LawError
	var disturbed *plan.DisturbError
	var disagree *disagreeError
	var check *checkError
	var file *fileError
	var budget *budgetError
	var exclude *plan.ExcludeError
	switch {
	case errors.As(err, &file):
		return exitConfig
	case errors.As(err, &budget):
		return exitTooBig
	case errors.As(err, &check), errors.As(err, &failed):
		return exitFound
	case errors.As(err, &missing), errors.As(err, &law), errors.As(err, &disturbed), errors.As(err, &disagree), errors.As(err, &exclude):
		return exitUnresolved
	}
	return exitUsage
}

// checkError is what a check was asked to find.
type checkError struct{ error }

func (e *checkError) Unwrap() error { return e.error }

// newRootCmd returns the whole command line.
func newRootCmd(s streams) *cobra.Command {
	cmd := newBuildCmd(s, &buildOptions{})
	cmd.Version = version()
	cmd.SilenceErrors = true
	cmd.SilenceUsage = true
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetVersionTemplate("harvest {{.Version}}\n")
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(s.out, cmd) })
	cmd.SetHelpCommand(newHelpCmd())
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.AddCommand(newDepsCmd(s), newLsCmd(s), newWhyCmd(s), newInitCmd(s), newRunCmd(s), newPackCmd(s), newUnpackCmd(s), newInspectCmd(s), newDiffCmd(s),
		newVerifyCmd(s), newLintCmd(s), newDiagnoseCmd(s), newIndexCmd(s), newTraceCmd(s),
		newPushCmd(s), newPullCmd(s), newCopyCmd(s), newTagsCmd(s), newCatalogCmd(s), newLoginCmd(s), newLogoutCmd(s), newCompletionCmd(s))
	return cmd
}

// usageError is what the command line itself got wrong.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
