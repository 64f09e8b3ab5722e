package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace/draft"
	"github.com/harvest-oci/harvest/rootfs"
)

// traceOptions is the command line of trace.
type traceOptions struct {
	command []string
	output  string
	force   bool
	timeout time.Duration
	logs    []string
	root    string
	workdir string
	quiet   bool
}

func newTraceCmd(s streams) *cobra.Command {
	o := &traceOptions{}
	cmd := &cobra.Command{
		Use:   traceVerb + " [flags] -- COMMAND [ARG]...",
		Short: "Run a command, and write a harvest.yaml of what it uses",
		Long: `trace runs a command and follows it and every process that comes of it with
ptrace(2). What they execute, open and look at becomes a harvest.yaml that is
meant to be read, and changed, before anything is built from it: programs, files
by the package that owns them, folders.

It never lists homes, what may be a secret by its place, its name or by holding a
private key, /proc, /sys, /dev, /run, caches, logs, temporary files, or what the
command made itself. These are in comments, with the reason.

One run shows what one run needs. Arguments that were not given, locales that
were not set and errors that did not happen leave no trace.

The command keeps the terminal, and harvest ends with its exit code, or with 128
and the number of the signal that killed it; the file is written either way. If
processes are left when the command has ended, harvest waits for them: stop them
with Ctrl-C, or give --timeout.

With --trace-log, what strace(1) wrote is read instead: -f, -ff, -y, -t, -r and the
like are understood.`,
		Example: `  harvest trace -- python3 /opt/app/report.py
  harvest trace --timeout 10s -o nginx.yaml -- nginx -g 'daemon off;'
  strace -f -o app.log app && harvest trace --trace-log app.log -o -`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			if err := o.check(); err != nil {
				return err
			}
			return traceRun(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.SetInterspersed(false) // the command's flags are its own
	f.StringVarP(&o.output, "output", "o", "harvest.yaml", "`FILE`: where to write it, - for stdout, where the command's own output then goes to stderr (default harvest.yaml)")
	f.BoolVar(&o.force, "force", false, "write over a file that is there")
	f.DurationVar(&o.timeout, "timeout", 0, "`DURATION`: end the command after that long, as in 10s or 5m, and write what was seen")
	f.StringArrayVar(&o.logs, "trace-log", nil, "`FILE`: read what strace wrote instead of running a command; - for stdin (repeatable, for -ff)")
	f.StringVar(&o.root, "root", "/", "`DIR`: with --trace-log, the root that the log is about (default /)")
	f.StringVar(&o.workdir, "workdir", "", "`DIR`: with --trace-log, where the command was started, if the log has relative names")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no summary")
	completeDirs(cmd, "root")
	return cmd
}

// check refuses what does not go together.
func (o *traceOptions) check() error {
	switch {
	case len(o.logs) > 0 && len(o.command) > 0:
		return usagef("--trace-log reads what has run: give it, or a command")
	case len(o.logs) == 0 && len(o.command) == 0:
		return usagef("no command is given: harvest trace -- python3 app.py")
	case len(o.logs) == 0 && !isTop(o.root):
		return usagef("--root goes with --trace-log: commands run in the root that is here")
	case len(o.logs) == 0 && o.workdir != "":
		return usagef("--workdir goes with --trace-log: commands run in the folder that is here")
	case o.timeout < 0:
		return usagef("--timeout %s: not a time to wait", o.timeout)
	}
	return nil
}

// traceRun traces a command, or reads a log, and writes what it used.
func traceRun(ctx context.Context, s streams, o *traceOptions) error {
	if err := unlessThere(o.output, o.force); err != nil {
		return err
	}
	if o.output != stdout {
		if err := mayWrite(o.output); err != nil {
			return err
		}
	}
	host, err := rootfs.OpenHost(o.root)
	if err != nil {
		return err
	}
	log, from, err := o.log(ctx, s)
	if err != nil {
		return err
	}
	d, err := draft.Make(context.WithoutCancel(ctx), host, log, from)
	if err != nil {
		return err
	}
	if err := o.write(context.WithoutCancel(ctx), s, d); err != nil {
		return err
	}
	if !o.quiet {
		printDraft(s.err, d, o.output)
	}
	return statusOf(log)
}

// log returns what was used, and by what.
func (o *traceOptions) log(ctx context.Context, s streams) (*trace.Log, draft.Origin, error) {
	if len(o.logs) > 0 {
		log, err := o.readLogs(s)
		from := draft.Origin{Dir: o.workdir}
		if len(log.Programs) > 0 {
			from.Command = log.Programs[0].Args
		}
		return log, from, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, draft.Origin{}, err
	}
	home, _ := os.UserHomeDir() // "" will do
	from := draft.Origin{Command: o.command, Dir: dir, Env: os.Environ(), Home: home}
	log, err := o.run(ctx, s)
	return log, from, err
}

// run runs and traces the command.
func (o *traceOptions) run(ctx context.Context, s streams) (*trace.Log, error) {
	cmd := exec.Command(o.command[0], o.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
	if c, ok := s.out.(*checkedWriter); ok {
		cmd.Stdout = c.w // the file itself, which needs nobody to copy
	}
	if o.output == stdout {
		cmd.Stdout = s.err
	}
	// Signals are the command's: what they end is not this program.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, slices.DeleteFunc(passed(), signal.Ignored)...)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if o.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	log, err := trace.Run(ctx, cmd, trace.Options{
		Grace: 2 * time.Second, Signals: signals,
		Left: func(n int) {
			fmt.Fprintf(s.err, "harvest: the command has ended, and %s of it run on: waiting; Ctrl-C ends them\n", count(n, "process"))
		},
	})
	if errors.Is(err, context.DeadlineExceeded) {
		log.ExitCode, log.Signal = 0, 0 // it was asked for
		return log, nil
	}
	return log, asStartError(err)
}

// asStartError returns an error as a *startError if it is one of execve(2), or of
// looking for the program.
func asStartError(err error) error {
	if errors.Is(err, trace.ErrNotPermitted) {
		return err
	}
	var notFound *exec.Error
	if errors.As(err, &notFound) {
		return &startError{fmt.Errorf("%s: %w", notFound.Name, notFound.Err)}
	}
	var failed *fs.PathError
	if errors.As(err, &failed) && failed.Op == "fork/exec" && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ENOMEM) {
		return &startError{fmt.Errorf("%s: %w", failed.Path, failed.Err)}
	}
	return err
}

// passed are the signals that the command gets.
func passed() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
}

// write writes the draft.
func (o *traceOptions) write(ctx context.Context, s streams, d *draft.Draft) error {
	if o.output == stdout {
		_, err := d.WriteTo(s.out)
		return err
	}
	return writeFile(ctx, o.output, func(w io.Writer) error {
		_, err := d.WriteTo(w)
		return err
	})
}

// printDraft says what is in a draft.
func printDraft(w io.Writer, d *draft.Draft, output string) {
	left := 0
	for _, l := range d.LeftOut {
		left += len(l.Paths)
	}
	if output != stdout {
		fmt.Fprintf(w, "%s: ", output)
	}
	fmt.Fprintf(w, "%s, %s, %s; %s left out\n", count(len(d.Binaries), "program"), count(d.Files, "file"),
		count(len(d.Folders), "folder"), count(left, "name"))
	if d.Refused != "" {
		fmt.Fprintf(w, "note: the command itself is left out: %s\n", strings.ToLower(d.Refused))
	}
	for _, note := range d.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}

// statusOf returns how the command ended as an error, nil if it did so well.
func statusOf(log *trace.Log) error {
	switch {
	case log.Signal != 0:
		return &statusError{128 + int(log.Signal)}
	case log.ExitCode != 0:
		return &statusError{log.ExitCode}
	}
	return nil
}

// readLogs reads what strace wrote, of several files in the order of their
// process IDs.
func (o *traceOptions) readLogs(s streams) (*trace.Log, error) {
	r := trace.NewStraceReader(o.workdir)
	names := slices.Clone(o.logs)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(processOf(a), processOf(b)) })
	for _, name := range names {
		if err := readLog(s, r, name); err != nil {
			return r.Log(), fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return r.Log(), nil
}

// processOf returns the number that a name ends in, 0 if it ends in none.
func processOf(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(name), "."))
	if err != nil {
		return 0
	}
	return n
}

func readLog(s streams, r *trace.StraceReader, name string) error {
	if name == stdout {
		return r.Read(name, s.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.Read(name, f)
}
