package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// options are what PTRACE_SEIZE asks for: to be told of every child, thread and
// program, and that none of them outlives the tracer.
const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL

// Run starts a command that has not been started, waits until it and all that
// came of it have ended, and returns what they did. It also waits for cmd, whose
// ProcessState stays empty: how the command ended is in the log.
//
// If the context is done before, all processes are ended, and the error is the
// context's. If there are too many of them they are killed, and the error is a
// *LimitError. Either way the log comes with the error. If the command could
// not be started, the error is that of cmd.Start, or wraps ErrNotPermitted.
//
// The goroutine that calls Run must not have started other processes that still
// run.
func Run(ctx context.Context, cmd *exec.Cmd, o Options) (*Log, error) {
	if numbers[nativeArch()] == nil {
		return &Log{}, fmt.Errorf("%w: the system calls of linux/%s are not known", ErrUnsupported, runtime.GOARCH)
	}
	if err := ctx.Err(); err != nil {
		return &Log{}, err
	}
	// A tracer is a thread, and so is the parent that wait4 waits for.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t := &tracer{options: o, log: &Log{}, tasks: map[int]*task{}}
	t.options.MaxTasks = cmp.Or(o.MaxTasks, 4096)
	t.options.MaxTotal = cmp.Or(o.MaxTotal, 1<<18)
	if err := t.start(cmd); err != nil {
		return t.log, err
	}
	stop := t.watch(ctx)
	err := t.loop()
	stop()
	// Nothing is left to wait for but what copies the output.
	if waitErr := cmd.Wait(); err == nil && !errors.Is(waitErr, syscall.ECHILD) {
		err = waitErr
	}
	return t.log, cmp.Or(t.limit(), ctxError(ctx, t), err)
}

// start starts the command and stops it at its first instruction, seized.
//
// exec.Cmd can have itself traced by PTRACE_TRACEME only, under which stops by
// job control cannot be told from others. So the command is let go into a
// SIGSTOP and seized there; it does not run in between.
func (t *tracer) start(cmd *exec.Cmd) error {
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Ptrace = true
	cmd.SysProcAttr = &attr
	err := cmd.Start()
	if errors.Is(err, syscall.EPERM) && attr.Cloneflags == 0 && unix.Access(cmd.Path, unix.X_OK) == nil {
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	if err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	_, err = wait4(pid, &status, unix.WALL)
	if err == nil && !status.Stopped() {
		err = fmt.Errorf("starting %s: it ended before it ran", cmd.Path)
	}
	if err == nil {
		err = ptrace(unix.PTRACE_DETACH, pid, 0, uintptr(unix.SIGSTOP))
	}
	if err == nil {
		err = ptrace(unix.PTRACE_SEIZE, pid, 0, options)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_ = cmd.Wait()
		if errors.Is(err, syscall.EPERM) {
			err = ErrNotPermitted
		}
		return fmt.Errorf("tracing %s: %w", cmd.Path, err)
	}
	t.first = pid
	t.started(t.task(pid), cmd)
	return nil
}

// started logs the command itself, whose execve came before the tracer.
func (t *tracer) started(k *task, cmd *exec.Cmd) {
	k.starting = true
	k.quiet = t.options.Setup
	if k.quiet {
		return
	}
	dir := cmd.Dir
	if !filepath.IsAbs(dir) {
		dir, _ = filepath.Abs(dir) // as good as nothing if there is no working directory
	}
	name := join(dir, cmd.Path)
	t.log.use(name, Executed, name)
	t.log.execute(name, cmd.Args)
	t.dropped(k.tid, name)
}

// ctxError returns why the context ended the trace, if it did.
func ctxError(ctx context.Context, t *tracer) error {
	if t.cancelled.Load() {
		return context.Cause(ctx)
	}
	return nil
}

// nativeArch returns the architecture of this program as audit names it.
func nativeArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	case "riscv64":
		return unix.AUDIT_ARCH_RISCV64
	case "386":
		return unix.AUDIT_ARCH_I386
	case "arm":
		return unix.AUDIT_ARCH_ARM
	}
	return 0
}
