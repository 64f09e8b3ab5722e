package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// streams are where a command writes: data to out, talk to err.
type streams struct {
	out, err io.Writer
	outTerm  bool // out is a terminal
	errTerm  bool // err is a terminal that wants colour and progress
	getenv   func(string) string
}

func systemStreams() streams {
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("CI") != "" || os.Getenv("TERM") == "dumb"
	return streams{
		out:     os.Stdout,
		err:     os.Stderr,
		outTerm: term.IsTerminal(int(os.Stdout.Fd())),
		errTerm: term.IsTerminal(int(os.Stderr.Fd())) && !plain,
		getenv:  os.Getenv,
	}
}

// The exit codes, as --help and the manual list them.
const (
	exitDone       = 0
	exitUsage      = 1 // usage, input or output
	exitUnresolved = 3 // a need is unmet, or the law is violated
)

const exitCodes = `Exit codes:
  0  done
  1  wrong usage, or something could not be read or written
  3  a program needs something that is not there, or would find something else in the image`

// run executes one command line and returns its exit code.
func run(ctx context.Context, io streams, args []string) int {
	cmd := newRootCmd(io)
	cmd.SetArgs(args)
	cmd.SetOut(io.out)
	cmd.SetErr(io.err)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted; nothing was written")
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(io.err, "harvest: error: %s\n", strings.TrimRight(line, "\n"))
	}
	if h := hint(err); h != "" {
		fmt.Fprintf(io.err, "harvest: hint: %s\n", h)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var missing *elfdeps.MissingError
	var law *plan.LawError
	if errors.As(err, &missing) || errors.As(err, &law) {
		return exitUnresolved
	}
	return exitUsage
}

// newRootCmd returns the whole command line.
func newRootCmd(io streams) *cobra.Command {
	cmd := newBuildCmd(io)
	cmd.Version = version()
	cmd.SilenceErrors = true
	cmd.SilenceUsage = true
	cmd.SetVersionTemplate("harvest {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.AddCommand(newDepsCmd(io), newLsCmd(io))
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
