package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
)

// checkOptions is the part of the command line that says which commands must
// succeed in the image before there is one.
type checkOptions struct {
	checks  []string
	timeout time.Duration
}

func (o *checkOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.checks, "check", nil, "`COMMAND`: what must succeed in the image, or none is written: words, quoted as in a shell, or a JSON array, run as harvest run does, in the place of the entrypoint (repeatable)")
	f.DurationVar(&o.timeout, "check-timeout", time.Minute, "`TIME`: how long each check may take, as in 30s (default 1m)")
	group(f, "What it must do")
	completeWords(cmd, "check")
	completeWords(cmd, "check-timeout")
}

// A checkSummary is what came of a check, for people and as JSON.
type checkSummary struct {
	Command string    `json:"command"`
	Status  int       `json:"status"` // as a shell has it
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"` // why it has not succeeded
	Output  []string  `json:"output,omitempty"`
	Missing []missing `json:"missing,omitempty"`
}

var errTooLong = errors.New("still running")

// A checkFailedError is a check that has not succeeded.
type checkFailedError struct {
	Command  string
	Status   int
	Why      string    // "exit status 1"
	NotFound bool      // there is no such program
	Output   []string  // its last lines
	Missing  []missing // what it asked for in vain, and the host has
}

func (e *checkFailedError) Error() string {
	text := fmt.Sprintf("--check %s: %s", e.Command, e.Why)
	for _, line := range e.Output {
		text += "\n  | " + line
	}
	for _, line := range missingLines(e.Missing) {
		text += "\n  " + line
	}
	return text
}

// commands reads the checks.
func (o *checkOptions) commands() ([][]string, error) {
	var list [][]string
	for _, text := range o.checks {
		args, err := words("--check", text)
		if err != nil {
			return nil, err
		}
		if len(args) == 0 {
			return nil, usagef("--check %q names no command", text)
		}
		list = append(list, args)
	}
	if o.timeout <= 0 {
		return nil, usagef("--check-timeout %s: it must be longer than nothing", o.timeout)
	}
	return list, nil
}

// run runs all checks in a root, as the config has commands run, and returns what
// came of them. The error is all that have failed, with what they lack of the host.
func (o *checkOptions) run(ctx context.Context, lacks absentee, config v1.ImageConfig, latest time.Time) (_ []checkSummary, err error) {
	commands, err := o.commands()
	if err != nil || len(commands) == 0 {
		return nil, err
	}
	root, err := sandbox.Stage(ctx, lacks.tree, latest)
	if err != nil {
		return nil, fmt.Errorf("--check: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var done []checkSummary
	var failed []error
	for i, args := range commands {
		start := time.Now()
		c := sandbox.Command{Args: args, Env: config.Env, Dir: config.WorkingDir, User: config.User}
		err := o.one(ctx, root, o.checks[i], c)
		var check *checkFailedError
		result := checkSummary{Command: o.checks[i], Seconds: time.Since(start).Seconds()}
		switch {
		case errors.As(err, &check):
			check.Missing = lacks.ofCheck(ctx, root, c, check, traceLimit(time.Since(start), o.timeout))
			result.Status, result.Error, result.Output, result.Missing = check.Status, check.Why, check.Output, check.Missing
			failed = append(failed, err)
		case err != nil:
			return nil, fmt.Errorf("--check %s: %w", o.checks[i], err)
		}
		done = append(done, result)
	}
	return done, errors.Join(failed...)
}

// one runs one check. It is a *checkFailedError if it has not succeeded.
func (o *checkOptions) one(ctx context.Context, root *sandbox.Root, name string, c sandbox.Command) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errTooLong)
	defer cancel()
	out := &lastLines{}
	c.Stdout, c.Stderr = out, out
	result, err := root.Run(ctx, c)
	why := fmt.Sprintf("exit status %d", result.Status)
	switch {
	case errors.Is(err, errTooLong):
		why = fmt.Sprintf("%s after %s", errTooLong, o.timeout)
		result.Status = exitTimeout
	case err != nil:
		return err
	case result.Reason != "":
		why = result.Reason
	case result.Status == 0:
		return nil
	}
	return &checkFailedError{Command: name, Status: result.Status, Why: why, Output: out.lines(), NotFound: result.Reason != "" && result.Status == sandbox.NotFound}
}

// What is shown of the output of a check that has failed.
const (
	lastBytes = 4096
	lastCount = 12
)

// lastLines keeps the end of what is written to it.
type lastLines struct{ end []byte }

func (l *lastLines) Write(p []byte) (int, error) {
	l.end = append(l.end, p...)
	if extra := len(l.end) - lastBytes; extra > 0 {
		l.end = append(l.end[:0], l.end[extra:]...)
	}
	return len(p), nil
}

// lines returns the last lines, as they can be shown on a terminal.
func (l *lastLines) lines() []string {
	text := string(bytes.TrimSpace(l.end))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-lastCount):]
	for i, line := range lines {
		lines[i] = printable(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "    "))
	}
	return lines
}
