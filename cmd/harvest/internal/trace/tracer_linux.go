package trace

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A tracer follows the processes of one command. Its thread alone may ask
// ptrace anything; others only send signals.
type tracer struct {
	options Options
	log     *Log
	first   int  // the command's own process
	total   int  // processes and threads so far
	told    bool // that processes are left

	mu    sync.Mutex
	tasks map[int]*task // by thread ID; whoever is in it has not been waited for

	ended     atomic.Bool // the first process has
	ending    atomic.Bool // once the first process has ended, the others shall
	killing   atomic.Bool // whoever is seen is killed
	cancelled atomic.Bool // by the context
	over      *LimitError
}

// A task is a thread.
type task struct {
	tid      int
	program  string // that it runs
	quiet    bool   // what it does is left out
	starting bool   // the first one, which is stopped and has to be woken
	waking   bool   // and whose SIGCONT is ours
	pending  *call  // that it is in
}

// loop answers every stop until no process is left.
func (t *tracer) loop() error {
	for {
		var status unix.WaitStatus
		tid, err := wait4(-1, &status, unix.WALL|unix.WNOTHREAD)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil:
			t.kill()
			return os.NewSyscallError("wait4", err)
		case !status.Stopped():
			t.gone(tid, status)
		default:
			t.stopped(t.task(tid), status)
		}
	}
}

// task returns the task of a thread, which is new if it has not been seen.
func (t *tracer) task(tid int) *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.tasks[tid]
	if k == nil {
		k = &task{tid: tid, program: program(tid)}
		if t.options.Setup {
			k.quiet = t.isQuiet(parent(tid))
		}
		t.tasks[tid] = k
		t.total++
		if t.ending.Load() && t.ended.Load() {
			_ = unix.Kill(tid, unix.SIGTERM)
		}
	}
	return k
}

// isQuiet reports whether what a thread does is left out, and so what its
// children do.
func (t *tracer) isQuiet(tid int) bool {
	k := t.tasks[tid]
	return k != nil && k.quiet
}

// bound kills everything if there is too much of it.
func (t *tracer) bound() {
	switch {
	case t.over != nil:
		return
	case len(t.tasks) > t.options.MaxTasks:
		t.over = &LimitError{t.options.MaxTasks, "processes and threads at one time"}
	case t.total > t.options.MaxTotal:
		t.over = &LimitError{t.options.MaxTotal, "processes and threads"}
	default:
		return
	}
	t.kill()
}

// kill kills all processes, those that are not seen yet included.
func (t *tracer) kill() {
	t.killing.Store(true)
	t.signal(unix.SIGKILL)
}

func (t *tracer) limit() error {
	if t.over == nil {
		return nil
	}
	return t.over
}

// gone forgets a thread that has ended.
func (t *tracer) gone(tid int, status unix.WaitStatus) {
	t.mu.Lock()
	delete(t.tasks, tid)
	t.mu.Unlock()
	if tid != t.first {
		return
	}
	t.ended.Store(true)
	if t.ending.Load() {
		t.signal(unix.SIGTERM)
	}
	t.log.ExitCode = status.ExitStatus()
	if status.Signaled() {
		t.log.Signal = status.Signal()
	}
	t.tellLeft()
}

// tellLeft says that processes are left when the first has ended, which a child
// may outlive before it has been seen.
func (t *tracer) tellLeft() {
	if !t.ended.Load() || t.told || t.options.Left == nil || len(t.tasks) == 0 || t.ending.Load() || t.killing.Load() {
		return
	}
	t.told = true
	t.options.Left(len(t.tasks))
}

// stopped answers one stop of a thread. Errors of ptrace are left alone: they
// mean that the thread has been killed, which wait4 will say, too.
func (t *tracer) stopped(k *task, status unix.WaitStatus) {
	t.bound()
	t.tellLeft()
	if t.killing.Load() {
		_ = unix.Kill(k.tid, unix.SIGKILL)
		return
	}
	sig, event := status.StopSignal(), int(status)>>16&0xff
	switch {
	case event == unix.PTRACE_EVENT_STOP && k.starting:
		k.starting, k.waking = false, true
		_ = unix.Kill(k.tid, unix.SIGCONT)
		t.resume(k, 0)
	case event == unix.PTRACE_EVENT_STOP && isJobControl(sig):
		_ = ptrace(unix.PTRACE_LISTEN, k.tid, 0, 0) // it stays stopped, as it should
	case event == unix.PTRACE_EVENT_EXEC:
		t.executed(k)
		t.resume(k, 0)
	case event != 0:
		t.resume(k, 0)
	case sig == unix.SIGTRAP|0x80:
		t.syscall(k)
		t.resume(k, 0)
	case sig == unix.SIGCONT && k.waking:
		k.waking = false
		t.resume(k, 0)
	default:
		t.resume(k, sig)
	}
}

func isJobControl(sig syscall.Signal) bool {
	return sig == unix.SIGSTOP || sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

func (t *tracer) resume(k *task, sig syscall.Signal) {
	_ = ptrace(unix.PTRACE_SYSCALL, k.tid, 0, uintptr(sig))
}

// executed follows a thread that executes a program: it takes the ID of its
// process, whose other threads are gone, and may have had another before.
func (t *tracer) executed(k *task) {
	before, err := unix.PtraceGetEventMsg(k.tid)
	if err != nil || int(before) == k.tid {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.tasks[int(before)]; old != nil {
		k.pending, k.quiet = old.pending, old.quiet
		delete(t.tasks, int(before))
	}
}

// signal sends a signal to every process that is left.
func (t *tracer) signal(sig syscall.Signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tid := range t.tasks {
		_ = unix.Kill(tid, sig)
	}
}

// watch ends the processes once the context is done, and passes signals on,
// until the function that it returns is called.
func (t *tracer) watch(ctx context.Context) (stop func()) {
	finished := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-finished:
				return
			case s := <-t.options.Signals:
				t.pass(s)
			case <-ctx.Done():
				t.cancelled.Store(true)
				t.end(finished)
				return
			}
		}
	})
	return func() { close(finished); watching.Wait() }
}

// pass passes a signal on to the command itself, or ends what it has left.
func (t *tracer) pass(s os.Signal) {
	sig, ok := s.(syscall.Signal)
	switch {
	case !ok:
	case t.ended.Load():
		t.signal(unix.SIGTERM)
	case (sig == unix.SIGINT || sig == unix.SIGQUIT) && inForeground():
		// The terminal has sent it to the command, too.
	default:
		_ = unix.Kill(t.first, sig)
	}
}

// end ends all processes, those that come later included.
func (t *tracer) end(finished <-chan struct{}) {
	if t.options.Grace > 0 {
		t.ending.Store(true)
		if t.ended.Load() {
			t.signal(unix.SIGTERM)
		} else {
			_ = unix.Kill(t.first, unix.SIGTERM)
		}
		select {
		case <-finished:
			return
		case <-time.After(t.options.Grace):
		}
	}
	t.kill()
}

// inForeground reports whether this process is one that its terminal sends
// signals to.
func inForeground() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer f.Close()
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
