package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
)

// initArg is the one argument of the process that is to be the first in a
// sandbox.
const initArg = "sandbox-init"

// Enter must be called first in main. In a process that [Root.Run] has started
// it does what that is for, and ends the process.
func Enter() {
	if len(os.Args) == 2 && os.Args[1] == initArg {
		os.Exit(initMain())
	}
}

// initMain does the job that comes through the control pipe. From there on it
// lives as long as that is open.
func initMain() int {
	for fd := range fdConsole + 1 {
		if fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	if err := unix.CloseRange(fdConsole+1, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil { // what our caller's caller has left open
		for fd := fdConsole + 1; fd < 1024; fd++ {
			unix.CloseOnExec(fd)
		}
	}
	reporting := os.NewFile(fdReport, "report")
	reports := json.NewEncoder(reporting)
	j, err := readJob()
	if err == nil {
		var said report
		if said, err = j.do(func() { _ = reports.Encode(report{Ready: true, Apart: j.apart}) }); err == nil { // who is gone kills us
			said.Apart = j.apart
			_ = reports.Encode(said)
			return 0
		}
	}
	failed := report{Error: err.Error()}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		failed.Errno = int(errno)
	}
	_ = reports.Encode(failed)
	return 1
}

// readJob reads the job, and sees to it that this process ends with the pipe
// that it came through.
func readJob() (*job, error) {
	first := make([]byte, 1)
	if _, err := unix.Read(fdControl, first); err != nil {
		return nil, fmt.Errorf("%s is for harvest itself: %w", initArg, err)
	}
	if first[0] == again {
		for _, fd := range []int{fdControl, fdReport, fdConsole} {
			_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0) // there may be no console
		}
		return nil, os.NewSyscallError("execve", unix.Exec("/proc/self/exe", os.Args, nil))
	}
	if err := unix.SetNonblock(fdControl, true); err != nil {
		return nil, err
	}
	control := os.NewFile(fdControl, "control")
	j := &job{}
	d := json.NewDecoder(io.MultiReader(strings.NewReader(string(first)), control))
	if err := d.Decode(j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, control)
		os.Exit(1)
	}()
	return j, nil
}

// do does the job. Once what is started has a process, it calls ready.
func (j *job) do(ready func()) (report, error) {
	runtime.LockOSThread() // capabilities, and what a child gets of them, are the thread's
	if j.Remove {
		return report{}, os.RemoveAll(j.Root)
	}
	unix.Umask(0o022)
	_, _ = unix.KeyctlJoinSessionKeyring("") // where there are no keyrings, none is shared
	if err := unix.Sethostname([]byte(j.Hostname)); err != nil {
		return report{}, fmt.Errorf("setting the host name: %w", err)
	}
	if !j.Network {
		if err := loopback(); err != nil {
			return report{}, fmt.Errorf("setting up the loopback interface: %w", err)
		}
	}
	if err := j.enterRoot(); err != nil {
		return report{}, err
	}
	if j.Terminal {
		if err := j.openTerminal(); err != nil {
			return report{}, fmt.Errorf("making a terminal: %w", err)
		}
	}
	if err := j.giveStreams(); err != nil {
		return report{}, err
	}
	if err := j.enterDir(); err != nil {
		return report{Result: notStarted(j.Dir, err)}, nil
	}
	if j.ReadOnly {
		if err := remount("/", unix.MS_RDONLY); err != nil {
			return report{}, err
		}
	}
	return j.start(ready)
}

// enterDir changes to the folder that the command starts in.
func (j *job) enterDir() error {
	dir := filepath.Join("/", j.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chdir(dir)
}

// loopback brings the loopback interface up.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// setOwners sets owners and capabilities. Users that there are none of in the
// sandbox are left to root; what a command has removed is gone.
func (j *job) setOwners() error {
	for _, o := range j.Owners {
		err := os.Lchown(o.Path, o.UID, o.GID)
		if err == nil && o.Mode&fs.ModeSymlink == 0 {
			err = os.Chmod(o.Path, o.Mode) // chown(2) takes setuid bits away
		}
		for _, name := range slices.Sorted(maps.Keys(o.XAttrs)) {
			if err == nil || errors.Is(err, unix.EINVAL) {
				err = unix.Lsetxattr(o.Path, name, []byte(o.XAttrs[name]), 0)
			}
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("setting the owner of %s: %w", o.Path, err)
		}
	}
	return nil
}

// giveStreams gives the user the pipes of its standard streams, so that it can
// open them by the names that they have in /dev.
func (j *job) giveStreams() error {
	for fd := range 3 {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("looking at standard streams: %w", err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFIFO || j.Terminal {
			_ = unix.Fchown(fd, j.UID, -1) // may be somebody else's, who then keeps it
		}
	}
	return nil
}

// capabilities are those that a command may have: docker's default.
var capabilities = []int{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID,
	unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL,
	unix.CAP_AUDIT_WRITE,
}

// dropCapabilities takes from this thread what its children must not have.
// Devices can be made only where nobody is root outside: the kernel forbids them
// to a user namespace, and else they would be the host's disks.
func (j *job) dropCapabilities() error {
	for c := range lastCapability() + 1 {
		if slices.Contains(capabilities, c) && !(j.HostIDs && c == unix.CAP_MKNOD) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	return os.NewSyscallError("prctl", err)
}

// start runs the command, and all that it starts until it ends.
func (j *job) start(ready func()) (report, error) {
	if err := os.Setenv("PATH", j.variable("PATH")); err != nil {
		return report{}, err
	}
	name, err := exec.LookPath(j.Args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return report{Result: notStarted(j.Args[0], err)}, nil
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	if err := j.dropCapabilities(); err != nil {
		return report{}, err
	}
	unlimited, err := limitProcesses()
	if err != nil {
		return report{}, err
	}
	// Who is root in the sandbox must not get at this process, which has all
	// privileges there.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return report{}, os.NewSyscallError("prctl", err)
	}
	attr := &syscall.SysProcAttr{Setsid: true, Setctty: j.Terminal, Credential: &syscall.Credential{
		Uid: uint32(j.UID), Gid: uint32(j.GID), NoSetGroups: j.Groups == nil,
	}}
	for _, g := range j.Groups {
		attr.Credential.Groups = append(attr.Credential.Groups, uint32(g))
	}
	if j.Trace > 0 {
		return j.trace(name, attr)
	}
	pid, err := syscall.ForkExec(name, j.Args, &syscall.ProcAttr{Env: j.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
	if err != nil {
		return report{Result: notStarted(name, err)}, nil
	}
	unlimited()
	ready()
	go pass(signals, pid)
	result, err := wait(pid)
	return report{Result: result}, err
}

// trace runs the command, and logs what it does with names.
func (j *job) trace(name string, attr *syscall.SysProcAttr) (report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), j.Trace)
	defer cancel()
	cmd := &exec.Cmd{
		Path: name, Args: j.Args, Env: j.Env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: attr,
	}
	log, err := trace.Run(ctx, cmd, trace.Options{})
	var limit *trace.LimitError
	if ctx.Err() != nil || errors.As(err, &limit) { // as far as it came
		err = nil
	}
	return report{Log: log}, err
}

func (j *job) variable(name string) string {
	value := ""
	for _, e := range j.Env { // of several, execve(2) gives all, and getenv(3) finds the first
		if v, ok := strings.CutPrefix(e, name+"="); ok && value == "" {
			value = v
		}
	}
	return value
}

// notStarted says why a command was not started, in the words and with the
// status of docker.
func notStarted(name string, err error) Result {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return Result{NotFound, name + ": not found in PATH"}
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(name); err == nil {
			return Result{NotFound, name + ": its loader or interpreter is missing"}
		}
		return Result{NotFound, name + ": no such file"}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return Result{NotExecutable, name + ": " + errno.Error()}
	}
	return Result{NotExecutable, err.Error()}
}

// pass passes signals on to the command, but for those that are about this
// process.
func pass(signals <-chan os.Signal, pid int) {
	for s := range signals {
		switch s {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
		default:
			_ = unix.Kill(pid, s.(syscall.Signal)) // which may have ended
		}
	}
}

// wait reaps every process until the one with the given number has ended. As the
// first one then ends, too, so do all others.
func wait(pid int) (Result, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return Result{}, os.NewSyscallError("wait4", err)
		case got != pid:
		case status.Exited():
			return Result{Status: status.ExitStatus()}, nil
		case status.Signaled():
			return Result{Status: 128 + int(status.Signal())}, nil
		}
	}
}

// maxProcesses is how many processes there may be, so that a program that forks
// without end is stopped before the machine is.
const maxProcesses = 4096

// limitProcesses bounds what a command may start. The function that it returns
// takes back what must not hold for this process, which is to be called when the
// command has been started.
func limitProcesses() (func(), error) {
	haveThreads()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	lower := limit
	lower.Cur = min(limit.Cur, maxProcesses)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &lower); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	return func() { _ = unix.Setrlimit(unix.RLIMIT_NPROC, &limit) }, nil
}

// haveThreads makes this process have all threads that it will need: when
// there are as many processes as there may be, it cannot have more, and would
// end.
func haveThreads() {
	debug.SetGCPercent(-1)
	var threads sync.WaitGroup
	for range 8 {
		threads.Go(func() {
			pause := unix.NsecToTimespec(int64(time.Millisecond))
			_ = unix.Nanosleep(&pause, nil)
		})
	}
	threads.Wait()
}

// perNamespacePIDs reports whether kernel.pid_max is of the namespace, as it is
// since Linux 6.14, and not the whole system's.
func perNamespacePIDs() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 14)
}

// lastCapability returns the highest capability that the kernel knows.
func lastCapability() int {
	last := unix.CAP_LAST_CAP
	if text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap"); err == nil {
		_, _ = fmt.Sscan(string(text), &last)
	}
	return last
}
