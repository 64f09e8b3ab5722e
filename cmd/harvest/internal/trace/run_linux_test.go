package trace

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helper, set in the environment, makes this test binary one of the helpers.
const helper = "HARVEST_TRACE_HELPER"

// helpers are what traced commands do that no shell can.
var helpers = map[string]func(args []string) error{
	// threads opens files in threads of their own, and executes sh in another.
	"threads": func(args []string) error {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				runtime.LockOSThread()
				_, _ = os.ReadFile(filepath.Join(args[0], fmt.Sprint("thread", i)))
			})
		}
		all.Wait()
		failed := make(chan error)
		go func() {
			runtime.LockOSThread()
			failed <- syscall.Exec("/bin/sh", []string{"sh", "-c", "cat " + args[0] + "/after; exit 5"}, os.Environ())
		}()
		return <-failed
	},
	// chroot opens files below another root.
	"chroot": func(args []string) error {
		if err := errors.Join(syscall.Chroot(args[0]), os.Chdir("/sub")); err != nil {
			return err
		}
		_, _ = os.ReadFile("../data")
		_, _ = os.ReadFile("none")
		_, _ = os.ReadFile("/data")
		return nil
	},
	// stop starts a process that stops itself, and lets it go on after a while.
	"stop": func([]string) error {
		cmd := exec.Command("/bin/sh", "-c", "kill -STOP $$; echo went on")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			return err
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
			return fmt.Errorf("%w: %v", err, status)
		}
		for range 50 { // it had time enough to go on by itself
			if err := exec.Command("/bin/true").Run(); err != nil {
				return err
			}
		}
		fmt.Println("is stopped")
		return errors.Join(cmd.Process.Signal(unix.SIGCONT), cmd.Wait())
	},
	"socket": func(args []string) error {
		c, err := net.Dial("unix", args[0])
		if err == nil {
			c.Close()
		}
		return nil
	},
	// trace traces a command and prints what is noted.
	"trace": func(args []string) error {
		log, err := Run(context.Background(), exec.Command(args[0], args[1:]...), Options{})
		fmt.Println(strings.Join(log.Notes, "\n"))
		return err
	},
}

func TestMain(m *testing.M) {
	name := os.Getenv(helper)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := helpers[name](os.Args[1:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// command returns the command of a helper.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), helper+"="+name)
	return cmd
}

// shell returns a command that runs a script in a new folder.
func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = t.TempDir()
	return cmd
}

// run traces a command that is expected to end by itself.
func run(t *testing.T, cmd *exec.Cmd, o Options) *Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log, err := Run(ctx, cmd, o)
	if err != nil {
		t.Fatalf("tracing %s: %v", cmd, err)
	}
	return log
}

// wantUses compares what was done with names.
func wantUses(t *testing.T, log *Log, want map[string]string) {
	t.Helper()
	for path, use := range want {
		if a, _ := log.Lookup(path); a.Use.String() != use {
			t.Errorf("%q: %q, want %q", path, a.Use, use)
		}
	}
}

func TestNamesAreAbsoluteWhateverTheyAreRelativeTo(t *testing.T) {
	cmd := shell(t, `mkdir a a/b; echo x >a/b/data; cd a; cat b//./data ../a/b/none <b/data; ls b >out
		[ -e b/data/none ] || mv out out2; cat b/$'\377' "$(printf '\377')"; exit 3`)
	log, dir := run(t, cmd, Options{}), cmd.Dir
	if log.ExitCode != 3 || log.Signal != 0 {
		t.Errorf("exit code %d, signal %v", log.ExitCode, log.Signal)
	}
	wantUses(t, log, map[string]string{
		"/bin/sh":              "executed",
		dir + "/a":             "entered created",
		dir + "/a/b/data":      "read created",
		dir + "/a/../a/b/none": "missing",
		dir + "/a/b/data/none": "missing",
		dir + "/a/out":         "written created",
		dir + "/a/\xff":        "missing",
	})
	if a, _ := log.Lookup(dir + "/a/b"); !a.Use.Has(Listed) {
		t.Errorf("%s: %q, want it listed", a.Path, a.Use)
	}
	missing := log.Missing()
	i := slices.IndexFunc(missing, func(a Access) bool { return a.Path == dir+"/a/../a/b/none" })
	if i < 0 || !strings.HasSuffix(missing[i].By, "/cat") {
		t.Errorf("none is not missing to cat: %v", missing)
	}
}

func TestWritingIsToldFromCreating(t *testing.T) {
	cmd := shell(t, `echo 1 >>appended; echo 1 >emptied; echo 1 >new; cat new; rm removed; mkdir made; exec 3<>both`)
	for _, name := range []string{"appended", "emptied", "removed", "both"} {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	log := run(t, cmd, Options{})
	wantUses(t, log, map[string]string{
		cmd.Dir + "/appended": "written",
		cmd.Dir + "/emptied":  "written",
		cmd.Dir + "/new":      "read created",
		cmd.Dir + "/made":     "created",
		cmd.Dir + "/both":     "read written",
	})
	if a, _ := log.Lookup(cmd.Dir + "/removed"); !a.Use.Has(Written) {
		t.Errorf("removed: %q", a.Use)
	}
}

func TestWhatStaysBehindIsWaitedFor(t *testing.T) {
	cmd := shell(t, `(while kill -0 $$; do :; done 2>/dev/null; cat late) & exit 0`)
	left := 0
	log := run(t, cmd, Options{Left: func(n int) { left = n }})
	wantUses(t, log, map[string]string{cmd.Dir + "/late": "missing"})
	if left == 0 {
		t.Error("nobody was told that a process was left")
	}
}

func TestThreadsAreFollowedAndMayExecute(t *testing.T) {
	dir := t.TempDir()
	log := run(t, command(t, "threads", dir), Options{})
	for i := range 8 {
		wantUses(t, log, map[string]string{fmt.Sprintf("%s/thread%d", dir, i): "missing"})
	}
	wantUses(t, log, map[string]string{dir + "/after": "missing", "/bin/sh": "executed"})
	if log.ExitCode != 5 {
		t.Errorf("exit code %d, want 5", log.ExitCode)
	}
}

func TestDeathBySignalIsToldFromExit(t *testing.T) {
	log := run(t, shell(t, `kill -KILL $$`), Options{})
	if log.ExitCode != -1 || log.Signal != unix.SIGKILL {
		t.Errorf("exit code %d, signal %v", log.ExitCode, log.Signal)
	}
}

func TestStoppedProcessesStayStopped(t *testing.T) {
	cmd := command(t, "stop")
	var out bytes.Buffer
	cmd.Stdout = &out
	run(t, cmd, Options{})
	if out.String() != "is stopped\nwent on\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestTooManyProcessesAreKilled(t *testing.T) {
	for _, test := range []struct {
		script string
		o      Options
		want   string
	}{
		{`f() { f & f & wait; }; f`, Options{MaxTasks: 40}, "the command started more than 40 processes and threads at one time"},
		{`while :; do (:); done`, Options{MaxTotal: 60}, "the command started more than 60 processes and threads"},
		{`f() { f & exit; }; f`, Options{MaxTotal: 60}, "the command started more than 60 processes and threads"},
	} {
		_, err := Run(t.Context(), shell(t, test.script), test.o)
		var limit *LimitError
		if !errors.As(err, &limit) || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.script, err, test.want)
		}
	}
}

func TestWhenTheContextIsDoneTheProcessesEnd(t *testing.T) {
	for _, test := range []struct {
		grace  time.Duration
		script string
		signal syscall.Signal
		code   int
	}{
		{0, `trap 'exit 7' TERM; : >seen; : >ready; while :; do :; done`, unix.SIGKILL, -1},
		{time.Minute, `trap 'exit 7' TERM; : >seen; : >ready; while :; do :; done`, 0, 7},
		{time.Millisecond, `trap '' TERM; (trap '' TERM; while :; do :; done) & : >seen; : >ready; while :; do :; done`, unix.SIGKILL, -1},
		{time.Minute, `(: >seen; : >ready; exec sleep 1000) & exit 4`, 0, 4},
	} {
		cmd := shell(t, test.script)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		go func() {
			for ctx.Err() == nil {
				if _, err := os.Stat(cmd.Dir + "/ready"); err == nil {
					cancel(why)
				}
			}
		}()
		log, err := Run(ctx, cmd, Options{Grace: test.grace})
		cancel(nil)
		if !errors.Is(err, why) || log.Signal != test.signal || log.ExitCode != test.code {
			t.Errorf("%s: %v, signal %v, exit code %d", test.script, err, log.Signal, log.ExitCode)
		}
		wantUses(t, log, map[string]string{cmd.Dir + "/seen": "created"})
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	cmd := shell(t, `trap 'exit 9' USR1; : >ready; while :; do :; done`)
	signals := make(chan os.Signal)
	go func() {
		for {
			if _, err := os.Stat(cmd.Dir + "/ready"); err == nil {
				signals <- unix.SIGUSR1
				return
			}
		}
	}()
	if log := run(t, cmd, Options{Signals: signals}); log.ExitCode != 9 {
		t.Errorf("exit code %d, signal %v", log.ExitCode, log.Signal)
	}
}

func TestNamesAreThoseBelowTheProcessesOwnRoot(t *testing.T) {
	for _, flags := range []uintptr{0, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID} {
		if flags == 0 && os.Getuid() != 0 {
			continue // chroot is root's
		}
		dir := t.TempDir()
		if err := os.Mkdir(dir+"/sub", 0o777); err != nil {
			t.Fatal(err)
		}
		cmd := command(t, "chroot", dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if flags != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		}
		var out bytes.Buffer
		cmd.Stdout = &out
		log, err := Run(t.Context(), cmd, Options{})
		if errors.Is(err, syscall.EPERM) && flags != 0 {
			t.Logf("user namespaces are forbidden: %v", err)
			continue
		}
		if err != nil || log.ExitCode != 0 {
			t.Fatal(err, log.ExitCode, out.String())
		}
		wantUses(t, log, map[string]string{"/sub/../data": "missing", "/sub/none": "missing", "/data": "missing"})
	}
}

func TestWhatPreparesIsLeftOut(t *testing.T) {
	cmd := shell(t, `[ -e before ]; ([ -e before ]; :); cat after`)
	log, dir := run(t, cmd, Options{Setup: true}), cmd.Dir
	wantUses(t, log, map[string]string{dir + "/before": "", dir + "/after": "missing", "/bin/sh": ""})
	if len(log.Programs) != 1 || log.Programs[0].Args[1] != "after" {
		t.Errorf("programs %v", log.Programs)
	}
}

func TestASocketIsNamed(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantUses(t, run(t, command(t, "socket", dir+"/s"), Options{}), map[string]string{dir + "/s": "connected"})
	wantUses(t, run(t, command(t, "socket", dir+"/none"), Options{}), map[string]string{dir + "/none": "missing"})
}

// TestProgramsOfOtherWordSizesAreUnderstood runs the i386 program
// open("/none32"), exit(6).
func TestProgramsOfOtherWordSizesAreUnderstood(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64")
	}
	const base, head = 0x10000, 52 + 32
	code := []byte{0xb8, 5, 0, 0, 0, 0xbb, 0, 0, 0, 0, 0x31, 0xc9, 0xcd, 0x80, 0xb8, 1, 0, 0, 0, 0xbb, 6, 0, 0, 0, 0xcd, 0x80}
	binary.LittleEndian.PutUint32(code[6:], uint32(base+head+len(code)))
	image := []byte("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00")
	for _, v := range []uint32{1, base + head, 52, 0, 0, 52 | 32<<16, 1, 0, 1, 0, base, base, 200, 200, 5, 0x1000} {
		image = binary.LittleEndian.AppendUint32(image, v)
	}
	image = append(append(image, code...), "/none32\x00"...)
	name := t.TempDir() + "/i386"
	if err := os.WriteFile(name, append(image, make([]byte, 200-len(image))...), 0o777); err != nil {
		t.Fatal(err)
	}
	log, err := Run(t.Context(), exec.Command(name), Options{})
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("the kernel runs no i386 programs")
	}
	if err != nil || log.ExitCode != 6 {
		t.Fatal(err, log.ExitCode, log.Signal)
	}
	wantUses(t, log, map[string]string{"/none32": "missing"})
}

func TestLostPrivilegesAreNoted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a set-user-ID program")
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, copied := range []struct{ from, to string }{{self, dir + "/helper"}, {"/bin/true", dir + "/setuid"}} {
		data, err := os.ReadFile(copied.from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied.to, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chmod(dir+"/setuid", 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir+"/helper", "/bin/sh", "-c", dir+"/setuid; :")
	cmd.Env = append(os.Environ(), helper+"=trace")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	want := dir + "/setuid runs without its set-user-ID or set-group-ID privileges while it is traced; root can trace it with them\n"
	if err != nil || string(out) != want {
		t.Errorf("%v: got %q, want %q", err, out, want)
	}
	if log := run(t, exec.Command(dir+"/setuid"), Options{}); len(log.Notes) > 0 {
		t.Errorf("root loses privileges, too: %q", log.Notes)
	}
}

func TestNobodyIsTracedTwice(t *testing.T) {
	cmd := command(t, "trace", "/bin/true")
	var out bytes.Buffer
	cmd.Stdout = &out
	log := run(t, cmd, Options{})
	if log.ExitCode != 1 || !strings.Contains(out.String(), "error: tracing is not permitted: ") {
		t.Errorf("exit code %d and %q", log.ExitCode, out.String())
	}
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	_, err := Run(t.Context(), exec.Command("/none"), Options{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestEveryNumberHasAnOperation(t *testing.T) {
	for arch, table := range numbers {
		seen := map[string]bool{}
		for number, name := range table {
			if _, ok := operations[name]; !ok && name != "socketcall" && name != "io_uring_setup" {
				t.Errorf("%#x: %d is %s, which is no operation", arch, number, name)
			}
			if seen[name] {
				t.Errorf("%#x has %s twice", arch, name)
			}
			seen[name] = true
		}
	}
}
