package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// runOptions is the command line of run.
type runOptions struct {
	build    buildOptions // its selection, and how things run
	network  string
	volumes  []string
	readOnly bool
	tty      bool
	timeout  time.Duration
	args     []string
}

// The verbs whose exit codes are those of what they run.
const (
	runVerb   = "run"
	traceVerb = "trace"
)

// The values of --network.
const (
	networkNone = "none"
	networkHost = "host"
)

func newRunCmd(s streams) *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   runVerb + " [flags] IMAGE [ARGUMENT...]\n  harvest run --bin PROGRAM [flags] [--] [COMMAND...]",
		Short: "Run an image, or what would be one, without a container engine",
		Long: `run runs an image as docker run --rm does, arguments after its name being those of
the entrypoint, without an engine and without writing an image: its root is put
into a temporary folder and removed afterwards. With --bin and its like, it runs
COMMAND in the root that an image of these flags would have, or else its
entrypoint.

The command sees that root, its own processes and a loopback interface, with
docker's devices and capabilities. Input is passed on, from a terminal to a
terminal. An ordinary user may do this where the kernel has user namespaces;
with ranges in /etc/subuid, the owners in the image are there, too. It is no cage
for programs that nobody trusts: nothing limits memory or system calls.

` + imageHelp + `
` + treeHelp,
		Example: `  harvest run basic.tar -c "echo hello"
  harvest run --bin bash --bin ls -- ls -l /
  docker save debian:12 | harvest run --entrypoint id - -u`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			o.build.setEntrypoint = cmd.Flags().Changed("entrypoint")
			o.build.hub.given(cmd)
			if err := o.check(cmd); err != nil {
				return err
			}
			return runRun(cmd.Context(), s, o)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *runOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false) // as docker run: what comes after the image is the command's
	f.SortFlags = false
	b := &o.build
	f.StringVar(&b.entrypoint, "entrypoint", "", "`COMMAND`: what runs instead of the image's, words, quoted as in a shell, or a JSON array")
	f.StringArrayVarP(&b.env, "env", "e", nil, "`NAME[=VALUE]`: a variable of its environment, without a value as it is here (repeatable)")
	f.StringVarP(&b.workdir, "workdir", "w", "", "`DIR`: where it starts")
	f.StringVarP(&b.user, "user", "u", "", "`USER[:GROUP]`: who it runs as")
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "`SRC:DST[:ro]`: a file or folder of the host that it sees as DST (repeatable)")
	f.StringVar(&o.network, "network", networkNone, "`none|host`: a loopback interface alone, as is the default, or all that the host has")
	f.BoolVar(&o.readOnly, "read-only", false, "let it write nothing but volumes and /dev/shm")
	f.BoolVarP(&o.tty, "tty", "t", false, "give it a terminal, as it gets anyway if input and output are one")
	f.BoolP("interactive", "i", false, "pass on input, as is done anyway")
	f.BoolP("rm", "", false, "leave nothing behind, as is done anyway")
	f.DurationVar(&o.timeout, "timeout", 0, "`TIME`: kill it after that, as in 30s")
	group(f, "How it runs")
	for _, flag := range []string{"entrypoint", "env", "workdir", "user", "timeout"} {
		completeWords(cmd, flag)
	}
	completeWords(cmd, "network", networkNone, networkHost)
	f.StringVar(&b.cmd, "cmd", "", "`ARGUMENTS`: of the entrypoint, if none follow: what a harvest.yaml has")
	f.Lookup("cmd").Hidden = true
	f.Lookup("volume").Annotations[ownAnnotation] = []string{"a build declares volumes"}
	b.selection.addFlags(cmd)
	b.hub.addFlags(cmd)
	b.limitOptions.addFlag(cmd)
}

// check refuses what cannot be meant.
func (o *runOptions) check(cmd *cobra.Command) error {
	switch {
	case o.network != networkNone && o.network != networkHost:
		return usagef("--network %s: there are %s and %s", o.network, networkNone, networkHost)
	case o.timeout < 0:
		return usagef("--timeout %s: it must not be negative", o.timeout)
	case o.build.names():
		return nil
	case len(o.args) == 0:
		return usagef("run: name an image, as in harvest run basic.tar, or programs with --bin")
	}
	for _, flag := range []string{"file", "add", "mkdir", "user-entry", "exclude", "no-setuid", "layout", "bare", "from", "root", "library-path", "dlopen", "hwcaps"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s is about what --bin harvests; an image is run as it is", flag)
		}
	}
	return nil
}

// A statusError is how a command has ended that was run. It is no fault of ours,
// and is not printed.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// A startError is why a command was not started that is of this machine.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// status is that of a shell.
func (e *startError) status() int {
	if errors.Is(e.err, exec.ErrNotFound) || errors.Is(e.err, fs.ErrNotExist) {
		return sandbox.NotFound
	}
	return sandbox.NotExecutable
}

// runExitCode is that of run and of trace where there is no command's.
func runExitCode(err error) int {
	var start *startError
	switch {
	case errors.Is(err, errTooLong):
		return exitTimeout
	case errors.As(err, &start):
		return start.status()
	}
	return exitNotRun
}

// runRun runs an image or a plan.
func runRun(ctx context.Context, s streams, o *runOptions) (err error) {
	c, err := o.command(s)
	if err != nil {
		return err
	}
	tree, config, closer, err := o.open(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	if c.Args = slices.Concat(config.Entrypoint, config.Cmd); len(c.Args) == 0 {
		return usagef("the image does not say what to run: name a command after it")
	}
	c.Env, c.Dir, c.User = config.Env, config.WorkingDir, config.User
	root, err := sandbox.Stage(ctx, tree, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	result, err := o.run(ctx, root, c)
	if err != nil {
		return err
	}
	if result.Reason != "" {
		fmt.Fprintf(s.err, "harvest: error: %s\n", result.Reason)
	}
	if result.Status != 0 {
		return &statusError{result.Status}
	}
	return nil
}

// command returns what flags say of the command.
func (o *runOptions) command(s streams) (c sandbox.Command, err error) {
	c = sandbox.Command{
		Network:  o.network == networkHost,
		ReadOnly: o.readOnly,
		Terminal: o.tty || s.inTerm && s.outTerm,
		Stdin:    s.in,
		Stdout:   s.out,
		Stderr:   s.err,
	}
	if out, ok := s.out.(*checkedWriter); ok { // which is ours: the command may have the file itself
		c.Stdout = out.w
	}
	for i, e := range o.build.env {
		if !strings.Contains(e, "=") && e != "" {
			o.build.env[i] = e + "=" + s.getenv(e)
		}
	}
	for _, text := range o.volumes {
		v, err := parseVolume(text)
		if err != nil {
			return c, err
		}
		c.Volumes = append(c.Volumes, v)
	}
	return c, nil
}

// parseVolume reads SRC:DST[:ro].
func parseVolume(text string) (v sandbox.Volume, err error) {
	rest, readOnly := strings.CutSuffix(text, ":ro")
	rest = strings.TrimSuffix(rest, ":rw")
	i := strings.LastIndex(rest, ":/")
	if i <= 0 {
		return v, usagef("-v %s: give it as SRC:DST or SRC:DST:ro, DST being absolute", text)
	}
	v = sandbox.Volume{Source: rest[:i], Dest: path.Clean(rest[i+1:]), ReadOnly: readOnly}
	if v.Dest == "/" {
		return v, usagef("-v %s: a volume must not hide the whole image", text)
	}
	if _, err := os.Stat(v.Source); err != nil {
		return v, fmt.Errorf("-v %w", err)
	}
	return v, nil
}

// open returns the root that is to be run and how, as flags have it. The root can
// be read until the closer is closed.
func (o *runOptions) open(ctx context.Context, s streams) (*rootfs.Tree, pack.Config, io.Closer, error) {
	b := &o.build
	if b.names() {
		return o.harvest(ctx, s)
	}
	origin := &imageOrigin{b.hub, b.limitOptions, b.platform}
	t, err := origin.openRoot(ctx, s, o.args[0])
	if err != nil {
		return nil, pack.Config{}, nil, err
	}
	var config pack.Config
	if t.Image != nil {
		config = t.Image.Config
		config.Env = slices.Clone(config.Env)
	}
	if err := b.configure(&config); err != nil {
		t.Close()
		return nil, config, nil, err
	}
	if args := o.args[1:]; len(args) > 0 {
		config.Cmd = args
	}
	return t.Tree, config, t, nil
}

// harvest makes the root that an image of the flags would have.
func (o *runOptions) harvest(ctx context.Context, s streams) (_ *rootfs.Tree, config pack.Config, closer io.Closer, err error) {
	b := &o.build
	closer = io.NopCloser(nil)
	base, err := b.openBase(ctx, s, b.hub)
	if err != nil {
		return nil, config, nil, err
	}
	if base != nil {
		closer = base
	}
	p, err := b.plan(ctx, b.user, b.env, base)
	if err == nil {
		config, err = b.config(p, base)
	}
	if err != nil {
		closer.Close()
		return nil, config, nil, err
	}
	if len(o.args) > 0 {
		config.Cmd = o.args
		if !b.setEntrypoint {
			config.Entrypoint = nil
		}
	}
	return p.Root, config, closer, nil
}

// run runs the command to its end, whatever signals come: they are its own.
func (o *runOptions) run(ctx context.Context, root *sandbox.Root, c sandbox.Command) (sandbox.Result, error) {
	signals := make(chan os.Signal, 16)
	c.Signals = signals
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGWINCH} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err := ctx.Err(); err != nil { // one that came before
		return sandbox.Result{}, err
	}
	running := context.WithoutCancel(ctx)
	if o.timeout > 0 {
		var cancel context.CancelFunc
		running, cancel = context.WithTimeoutCause(running, o.timeout, fmt.Errorf("%w after %s", errTooLong, o.timeout))
		defer cancel()
	}
	return root.Run(running, c)
}
