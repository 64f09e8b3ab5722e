package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
)

// What the process in the sandbox finds open, beside the standard streams.
const (
	fdProgram = 3 + iota // this program, to be run again
	fdControl            // a pipe that the job comes through; its end is the sandbox's
	fdReport             // a pipe for reports
	fdConsole            // a socket for the other end of the terminal, if there is to be one
)

// again, in the place of a job, says that user IDs are set up now, and that the
// process is to start again to have their privileges.
const again = 'x'

// A report is what the process in the sandbox says: first that it is ready for
// signals, then how it ended.
type report struct {
	Ready  bool
	Apart  bool   // nothing that the command writes is in the root itself
	Error  string // what kept it from being set up
	Errno  int    // of that error, 0 if it has none
	Result Result
	Log    *trace.Log // of a command that was traced
}

// namespaces are those of every sandbox. That of users comes with its maps.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Run runs a command and returns how it ended, once all that it started is gone.
// An error is one of the sandbox, not of the command: where the kernel allows
// no sandbox it is an *[UnavailableError], and the cause if ctx is done.
func (r *Root) Run(ctx context.Context, c Command) (Result, error) {
	said, err := r.run(ctx, c, 0)
	return said.Result, err
}

// Trace runs a command as Run does, but for no longer than limit, and returns what
// it did with the names of files in the root. The log of a command that was not
// started is empty. Setuid programs get no privileges when they are traced.
func (r *Root) Trace(ctx context.Context, c Command, limit time.Duration) (*trace.Log, error) {
	said, err := r.run(ctx, c, limit)
	if said.Log == nil {
		said.Log = &trace.Log{}
	}
	return said.Log, err
}

func (r *Root) run(ctx context.Context, c Command, limit time.Duration) (report, error) {
	who, err := r.user(c.User)
	if err != nil {
		return report{}, err
	}
	ids, err := idsFor(who.Uid, who.Gid)
	if err != nil {
		return report{}, err
	}
	view, err := r.newView(ctx)
	if err != nil {
		return report{}, err
	}
	j, err := r.job(c, who, view)
	if err != nil {
		return report{}, err
	}
	j.Trace = limit
	j.HostIDs = ids.host
	if ids.single() {
		j.Groups = nil
	}
	flags := uintptr(namespaces)
	if !c.Network {
		flags |= unix.CLONE_NEWNET
	}
	said, err := start(ctx, ids, flags, j, c)
	r.used = !said.Apart
	return said, err
}

// removeInside removes a folder as the root user of a sandbox, who may remove what
// belongs to users that this one is not.
func removeInside(dir string) error {
	ids, err := idsFor(0, 0)
	if err != nil {
		return err
	}
	_, err = start(context.Background(), ids, 0, job{Root: dir, Remove: true}, Command{})
	return err
}

// start starts this program again in new namespaces, gives it its job and
// waits.
func start(ctx context.Context, ids ids, flags uintptr, j job, c Command) (report, error) {
	b, err := newBox(ctx, ids, flags, c)
	if err != nil {
		return report{}, err
	}
	defer b.close()
	if err := b.cmd.Start(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return report{}, unavailable(err)
	}
	b.ours()
	said, err := b.talk(ids, j)
	waited := b.cmd.Wait()
	if b.terminal != nil {
		b.terminal.wait()
	}
	switch {
	case ctx.Err() != nil:
		return report{Apart: said.Apart}, context.Cause(ctx)
	case err != nil:
		return report{}, err
	case said.Errno == int(unix.EPERM) || said.Errno == int(unix.EACCES):
		return report{}, unavailable(&kernelError{said.Error, unix.Errno(said.Errno)})
	case said.Error != "":
		return report{}, errors.New(said.Error)
	case said.Result == Result{} && waited != nil && !errors.Is(waited, exec.ErrWaitDelay):
		return report{}, fmt.Errorf("the sandbox has ended: %w", waited)
	}
	return said, nil
}

// A box is the process in the sandbox as it is seen from outside.
type box struct {
	cmd      *exec.Cmd
	control  *os.File
	report   *os.File
	console  *os.File // nil if there is no terminal
	theirs   []*os.File
	signals  <-chan os.Signal
	stdin    io.Reader
	stdout   io.Writer
	terminal *terminal
}

func newBox(ctx context.Context, ids ids, flags uintptr, c Command) (_ *box, err error) {
	b := &box{signals: c.Signals, stdin: c.Stdin, stdout: c.Stdout}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	program, err := sealedProgram()
	if err != nil {
		return nil, err
	}
	b.theirs = append(b.theirs, program)
	controlled, control, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b.control, b.theirs = control, append(b.theirs, controlled)
	reports, reporting, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b.report, b.theirs = reports, append(b.theirs, reporting)
	b.cmd = exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", fdProgram))
	b.cmd.Args = []string{os.Args[0], initArg}
	b.cmd.Env = []string{}
	b.cmd.WaitDelay = time.Second
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: flags}
	ids.apply(b.cmd.SysProcAttr)
	if c.Terminal {
		theirs, ours, err := socketPair()
		if err != nil {
			return nil, err
		}
		b.console, b.theirs = ours, append(b.theirs, theirs)
	} else {
		b.cmd.Stdin, b.cmd.Stdout, b.cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	}
	b.cmd.ExtraFiles = b.theirs
	return b, nil
}

// ours closes what only the other process needs by now.
func (b *box) ours() {
	for _, f := range b.theirs {
		f.Close()
	}
	b.theirs = nil
}

func (b *box) close() {
	b.ours()
	for _, f := range []*os.File{b.control, b.report, b.console} {
		if f != nil {
			f.Close()
		}
	}
	if b.terminal != nil {
		b.terminal.close()
	}
}

// talk gives the process its job and passes signals on, until it has said how it
// ended.
func (b *box) talk(ids ids, j job) (said report, err error) {
	if err := ids.set(b.cmd.Process.Pid); err != nil {
		b.control.Close()
		return said, err
	}
	if ids.tools {
		if _, err := b.control.Write([]byte{again}); err != nil {
			return said, err
		}
	}
	if err := json.NewEncoder(b.control).Encode(j); err != nil && !errors.Is(err, unix.EPIPE) {
		return said, err
	}
	reports := json.NewDecoder(b.report)
	if err := reports.Decode(&said); err != nil || !said.Ready {
		return said, notEnd(err)
	}
	if b.console != nil {
		if b.terminal, err = openTerminal(b.console, b.stdin, b.stdout); err != nil {
			b.control.Close()
			return said, err
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	go b.passSignals(stop)
	said = report{Apart: said.Apart}
	return said, notEnd(reports.Decode(&said))
}

// A kernelError is one that the process in the sandbox has reported.
type kernelError struct {
	text  string
	errno unix.Errno
}

func (e *kernelError) Error() string { return e.text }
func (e *kernelError) Unwrap() error { return e.errno }

func notEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil // how the process ended says more
	}
	return err
}

func (b *box) passSignals(stop <-chan struct{}) {
	for {
		select {
		case s := <-b.signals:
			if s == unix.SIGWINCH && b.terminal != nil {
				b.terminal.resize()
				continue
			}
			_ = b.cmd.Process.Signal(s) // which may be gone
		case <-stop:
			return
		}
	}
}

// sealedProgram returns a copy of this program in memory that nobody can
// change: a root user in the sandbox can get hold of what runs there through
// /proc, and must not be able to write to the host's file (CVE-2019-5736).
func sealedProgram() (_ *os.File, err error) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer program.Close()
	const flags = unix.MFD_ALLOW_SEALING | unix.MFD_CLOEXEC
	fd, err := unix.MemfdCreate("harvest", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("harvest", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	copied := os.NewFile(uintptr(fd), "harvest")
	if _, err = io.Copy(copied, program); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		copied.Close()
		return nil, fmt.Errorf("copying %s: %w", program.Name(), err)
	}
	return copied, nil
}
