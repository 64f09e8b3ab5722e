package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/sandbox"
	"github.com/harvest-oci/harvest/rootfs"
)

// In a root, the tests' own program is a command that tells of its privileges.
const privileges = "/bin/privileges"

func TestMain(m *testing.M) {
	sandbox.Enter()
	switch {
	case os.Args[0] == privileges:
		printPrivileges()
	case len(os.Args) == 2 && os.Args[1] == forbidden:
		runForbidden()
	default:
		os.Exit(m.Run())
	}
}

func printPrivileges() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	fmt.Println("euid", os.Geteuid())
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "CapEff") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
}

// need skips a test for want of something, unless HARVEST_REQUIRE, a list with
// commas, names it.
func need(t *testing.T, what string, there bool) {
	t.Helper()
	switch {
	case there:
	case slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), what):
		t.Fatalf("no %s on this machine, and HARVEST_REQUIRE names it", what)
	default:
		t.Skipf("no %s on this machine", what)
	}
}

// stage stages a root of busybox, whose applets are links, and what is given.
func stage(t *testing.T, entries ...*rootfs.Entry) *sandbox.Root {
	t.Helper()
	name, err := exec.LookPath("busybox")
	need(t, "busybox", err == nil)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	list := append([]*rootfs.Entry{rootfs.File("/bin/busybox", 0o755, data)}, entries...)
	for _, applet := range strings.Fields("sh cat cut id ls grep mkdir sleep setsid chmod env pwd touch tty readlink rm stat") {
		list = append(list, rootfs.Symlink(path.Join("/bin", applet), "busybox"))
	}
	for _, e := range list {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	r, err := sandbox.Stage(t.Context(), tree, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	var kernel *sandbox.UnavailableError
	if _, err := r.Run(t.Context(), shell("true")); errors.As(err, &kernel) {
		need(t, "sandbox", false)
	}
	return r
}

func shell(script string) sandbox.Command {
	return sandbox.Command{Args: []string{"sh", "-c", script}}
}

// run runs a command and returns what it printed on both streams.
func run(t *testing.T, r *sandbox.Root, c sandbox.Command) (string, sandbox.Result) {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	result, err := r.Run(t.Context(), c)
	if err != nil {
		t.Fatalf("%q: %v\n%s", c.Args, err, &out)
	}
	return strings.TrimSpace(out.String()), result
}

func TestCommandSeesWhatItSeesInAContainer(t *testing.T) {
	r := stage(t, rootfs.File("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n")))
	t.Setenv("OF_HARVEST", "secret")
	for _, test := range []struct{ name, script, want string }{
		{"the root alone", "ls /", "bin\ndev\netc\nproc\nsys"},
		{"its own processes", "set -- /proc/[0-9]*; echo $#", "2"},
		{"a loopback interface", "cut -d: -f1 /proc/net/dev | grep -v '|'; cat /sys/class/net/lo/flags", "lo\n0x9"},
		{"engines' devices", "ls /dev | grep -v -e core -e mqueue", "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero"},
		{"no descriptors of ours", "set -- /proc/self/fd/*; echo $*", "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3"}, // the last is of the folder itself
		{"an environment of its own", "env | grep -v -e SHLVL -e PWD", "HOSTNAME=harvest\nHOME=/root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"engines' files", "cat /etc/hostname /etc/hosts", "harvest\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\tharvest"},
		{"docker's capabilities", "grep -e CapBnd -e CapEff -e CapAmb /proc/self/status", "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000"},
		{"setuid programs work", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0"},
		{"no settings of the host", "echo x >/proc/sys/kernel/hostname", "sh: can't create /proc/sys/kernel/hostname: Read-only file system"},
		{"a limit of processes", "cat /proc/self/limits | grep 'Max processes' | cut -c27-30", "4096"},
		{"standard streams by name", "echo out >/dev/stdout", "out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := run(t, r, shell(test.script)); got != test.want {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", test.script, got, test.want)
			}
		})
	}
}

func TestStatusIsThatOfAShell(t *testing.T) {
	r := stage(t,
		rootfs.File("/bin/text", 0o755, []byte("text\n")),
		rootfs.File("/bin/plain", 0o644, []byte("#!/bin/sh\n")),
		rootfs.File("/bin/orphan", 0o755, []byte("#!/bin/none\n")),
	)
	for _, test := range []struct {
		args []string
		want sandbox.Result
	}{
		{[]string{"sh", "-c", "true"}, sandbox.Result{}},
		{[]string{"sh", "-c", "exit 7"}, sandbox.Result{Status: 7}},
		{[]string{"sh", "-c", "kill -TERM $$"}, sandbox.Result{Status: 128 + 15}},
		{[]string{"none"}, sandbox.Result{Status: 127, Reason: "none: not found in PATH"}},
		{[]string{"/none"}, sandbox.Result{Status: 127, Reason: "/none: no such file"}},
		{[]string{"orphan"}, sandbox.Result{Status: 127, Reason: "/bin/orphan: its loader or interpreter is missing"}},
		{[]string{"/bin"}, sandbox.Result{Status: 126, Reason: "/bin: is a directory"}},
		{[]string{"/bin/plain"}, sandbox.Result{Status: 126, Reason: "/bin/plain: permission denied"}},
		{[]string{"text"}, sandbox.Result{Status: 126, Reason: "/bin/text: exec format error"}},
	} {
		if _, got := run(t, r, sandbox.Command{Args: test.args}); got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.args, got, test.want)
		}
	}
}

func TestCommandRunsAsItIsTold(t *testing.T) {
	r := stage(t,
		rootfs.File("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\napp:x:65532:65532:app:/home/app:/bin/sh\n")),
		rootfs.File("/etc/group", 0o644, []byte("app:x:65532:\nmore:x:7:app\n")),
	)
	volume := t.TempDir()
	write(t, filepath.Join(volume, "in"), "of the host\n")
	for _, test := range []struct {
		name string
		c    sandbox.Command
		want string
	}{
		{"user", sandbox.Command{Args: []string{"sh", "-c", "id -u; id -g; echo $HOME; grep CapEff /proc/self/status"}, User: "app"}, "65532\n65532\n/home/app\nCapEff:\t0000000000000000"},
		{"folder", sandbox.Command{Args: []string{"pwd"}, Dir: "/made/here"}, "/made/here"},
		{"environment", sandbox.Command{Args: []string{"sh", "-c", "echo $A $HOME"}, Env: []string{"A=1", "HOME=/h"}}, "1 /h"},
		{"path", sandbox.Command{Args: []string{"busybox", "echo", "found"}, Env: []string{"PATH=/none:/bin"}}, "found"},
		{"read-only", sandbox.Command{Args: []string{"sh", "-c", "touch /x; touch /dev/shm/x && echo ok"}, ReadOnly: true}, "touch: /x: Read-only file system\nok"},
		{"volume", sandbox.Command{Args: []string{"sh", "-c", "cat /mnt/v/in; touch /mnt/v/out; touch /r/x"},
			Volumes: []sandbox.Volume{{Source: volume, Dest: "/mnt/v"}, {Source: volume, Dest: "/r", ReadOnly: true}}},
			"of the host\ntouch: /r/x: Read-only file system"},
		{"input", sandbox.Command{Args: []string{"cat"}, Stdin: strings.NewReader("input")}, "input"},
		{"terminal", sandbox.Command{Args: []string{"sh", "-c", "tty; read a; echo $a $TERM"}, Terminal: true, Stdin: strings.NewReader("typed\n")}, "typed\r\n/dev/pts/0\r\ntyped xterm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := run(t, r, test.c)
			if test.c.Terminal && strings.HasPrefix(got, "/dev") { // the echo of what is typed comes when it comes
				got = "typed\r\n" + strings.Replace(got, "typed\r\n", "", 1)
			}
			if got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(volume, "out")); err != nil {
		t.Errorf("what was written to a volume: %v", err)
	}
}

// A setuid program and one with a capability get what they would in a container,
// also where an ordinary user runs them who has ranges.
func TestPrivilegesComeWithPrograms(t *testing.T) {
	need(t, "root", os.Geteuid() == 0 || os.Getenv(withRanges) != "")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// vfs_cap_data of capabilities(7): revision 2, effective, CAP_NET_RAW permitted.
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, test := range []struct {
		name string
		mode fs.FileMode
		caps map[string]string
		want string
	}{
		{"plain", 0o755, nil, "euid 65532\nCapEff: 0000000000000000"},
		{"setuid", 0o755 | fs.ModeSetuid, nil, "euid 0\nCapEff: 00000000a80425fb"},
		{"capability", 0o755, map[string]string{"security.capability": capability}, "euid 65532\nCapEff: 0000000000002000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := rootfs.File(privileges, test.mode, self)
			e.XAttrs = test.caps
			r := stage(t, e)
			if got, _ := run(t, r, sandbox.Command{Args: []string{privileges}, User: "65532"}); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	r := stage(t)
	out, in := io.Pipe()
	signals := make(chan os.Signal, 1)
	c := shell("trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
	c.Stdout, c.Signals = in, signals
	said := make(chan string)
	go func() {
		first := make([]byte, 6)
		_, _ = io.ReadFull(out, first)
		signals <- syscall.SIGTERM
		rest, _ := io.ReadAll(out)
		said <- string(first) + string(rest)
	}()
	result, err := r.Run(t.Context(), c)
	in.Close()
	if got := <-said; err != nil || result.Status != 3 || got != "ready\ncaught\n" {
		t.Errorf("got %q, %+v, %v", got, result, err)
	}
}

// What a command has started ends with it, and with the context.
func TestNothingIsLeftRunning(t *testing.T) {
	r := stage(t)
	mark := fmt.Sprintf("%d.125", 100000+os.Getpid())
	daemon := "setsid sleep " + mark + " & setsid sleep " + mark + " & "
	if _, result := run(t, r, shell(daemon+"exit 5")); result.Status != 5 {
		t.Errorf("got status %d, want 5", result.Status)
	}
	limit := errors.New("the limit")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, limit)
	defer cancel()
	var out bytes.Buffer
	c := shell(daemon + "trap '' TERM INT HUP; while :; do sleep 100; done")
	c.Stdout = &out
	if _, err := r.Run(ctx, c); !errors.Is(err, limit) {
		t.Errorf("got %v, want %v", err, limit)
	}
	if pids := running(t, mark); len(pids) > 0 {
		t.Errorf("these are still running: %s", pids)
	}
}

// running returns the processes with a word in their command lines.
func running(t *testing.T, word string) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		text, err := os.ReadFile(name)
		return err != nil || !bytes.Contains(text, []byte(word))
	})
}

func TestTraceTellsWhatIsMissing(t *testing.T) {
	r := stage(t)
	log, err := r.Trace(t.Context(), shell("cat /none/file /proc/self/comm; cat /bin/cat | grep -c . >/dev/null; exit 3"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, a := range log.Missing() {
		missing = append(missing, a.Path)
	}
	if log.ExitCode != 3 || !slices.Contains(missing, "/none/file") || slices.Contains(missing, "/bin/cat") {
		t.Errorf("got %+v with %q missing", log, missing)
	}
	if log, err = r.Trace(t.Context(), shell("cat /none/file; sleep 1000"), 500*time.Millisecond); err != nil || len(log.Missing()) == 0 {
		t.Errorf("of one that hangs: got %+v, %v", log, err)
	}
}

func TestForkBombIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("starts thousands of processes")
	}
	r := stage(t)
	got, result := run(t, r, shell("i=0; while [ $i -lt 5000 ]; do sleep 100 & i=$((i+1)); done"))
	if result.Status == 0 || !strings.Contains(got, "can't fork") {
		t.Errorf("got %+v\n%s", result, got)
	}
}

// Close removes what commands have made, whoever owns it.
func TestNothingIsLeftOnDisk(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	sealed := rootfs.Dir("/sealed", 0o500)
	owned := rootfs.File("/owned/file", 0o600, []byte("x"))
	owned.UID, owned.GID = 33, 33
	r := stage(t, sealed, owned)
	run(t, r, shell("mkdir -p /a/b/c; touch /a/b/c/d; chmod 0 /a/b /sealed"))
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A command finds what was staged, whatever one before it has done, with overlayfs
// or without; and of a file with two names, both.
func TestCommandsDoNotSeeEachOther(t *testing.T) {
	first, second := twoNames(t)
	for name, prepare := range map[string]func(*sandbox.Root){
		"overlayfs": func(*sandbox.Root) {}, "the root itself": (*sandbox.Root).WithoutOverlay,
	} {
		t.Run(name, func(t *testing.T) {
			r := stage(t, first, second)
			prepare(r)
			const look = "ls -d /x /bin/id /links/first /links/second; stat -c '%a %u %n' / /links/*"
			before, _ := run(t, r, shell(look))
			run(t, r, shell("touch /x; rm /bin/id; mkdir /links/third"))
			if after, _ := run(t, r, shell(look)); after != before || strings.Contains(after, "\n/x\n") {
				t.Errorf("got:\n%s\nand then:\n%s", before, after)
			}
			if want := fmt.Sprintf("755 0 /\n640 %d /links/first\n640 %[1]d /links/second", os.Getuid()); os.Getenv(withRanges) != "" && !strings.Contains(before, want) {
				t.Errorf("got:\n%s\nwant:\n%s", before, want)
			}
		})
	}
}

// twoNames returns a file of this user that has two names.
func twoNames(t *testing.T) (first, second *rootfs.Entry) {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.Mkdir(filepath.Join(dir, "links"), 0o755), os.WriteFile(filepath.Join(dir, "links/first"), []byte("x"), 0o640),
		os.Link(filepath.Join(dir, "links/first"), filepath.Join(dir, "links/second")))
	if err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	for _, name := range []string{"/links/first", "/links/second"} {
		if err := tree.AddHost(host, name, rootfs.Reason{Kind: "added"}); err != nil {
			t.Fatal(err)
		}
	}
	return tree.Entry("/links/first"), tree.Entry("/links/second")
}

// How the folder for temporary files is mounted does not matter to programs.
func TestTemporaryFilesMayForbidPrograms(t *testing.T) {
	need(t, "root", os.Geteuid() == 0)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		t.Skip(err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	t.Setenv("TMPDIR", dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	r := stage(t, rootfs.File(privileges, 0o755|fs.ModeSetuid, self))
	c := sandbox.Command{Args: []string{privileges}, User: "65532"}
	if got, _ := run(t, r, c); !strings.HasPrefix(got, "euid 0\n") {
		t.Errorf("got:\n%s", got)
	}
	r.WithoutOverlay()
	if _, err := r.Run(t.Context(), c); err == nil || err.Error() != dir+" is mounted noexec: name another folder in TMPDIR" {
		t.Errorf("without overlayfs: got %v", err)
	}
}

// Links of an image lead nowhere but into the image, also where engines mount
// something over them.
func TestLinksDoNotLeadOut(t *testing.T) {
	outside := t.TempDir()
	if err := os.Chmod(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 20)
	r := stage(t,
		rootfs.Symlink("/proc", path.Join(up, outside, "proc")),
		rootfs.Symlink("/etc", outside),
		rootfs.Symlink("/dev", up+outside),
		rootfs.Symlink("/sys", "../../.."+outside),
		rootfs.Symlink("/v", outside),
		rootfs.Dir(outside, 0o755),
		rootfs.Dir(outside+"/proc", 0o755),
	)
	c := shell("cat /etc/hostname; touch /v/x/y")
	c.Volumes = []sandbox.Volume{{Source: "/dev/null", Dest: "/v/y"}}
	c.Dir = "/v/x"
	if _, err := r.Run(t.Context(), c); err != nil {
		t.Log(err) // it may be refused, but must not touch what is outside
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside of the root there is %v, %v", list, err)
	}
}

// forbidden has this program run a command where there are no user namespaces.
const forbidden = "-forbidden"

func runForbidden() {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		panic(err)
	}
	if os.Getenv("AS") != "root" {
		if err := unix.Setuid(65534); err != nil {
			panic(err)
		}
	}
	r, err := sandbox.Stage(context.Background(), &rootfs.Tree{}, time.Unix(0, 0))
	if err != nil {
		panic(err)
	}
	defer r.Close()
	result, err := r.Run(context.Background(), sandbox.Command{Args: []string{"none"}})
	fmt.Println(result.Reason, err)
}

// Where the kernel has no user namespaces, root needs none, and others are told
// which setting it is.
func TestWithoutUserNamespaces(t *testing.T) {
	need(t, "root", os.Geteuid() == 0)
	same := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	for as, want := range map[string]string{
		"root":   "none: not found in PATH <nil>\n",
		"nobody": " no sandbox can be made: fork/exec /proc/self/fd/3: no space left on device (user.max_user_namespaces=0)\n",
	} {
		cmd := exec.Command("/proc/self/exe", forbidden)
		cmd.Env = []string{"AS=" + as}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER, UidMappings: same, GidMappings: same, GidMappingsEnableSetgroups: true,
		}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %s%v, want %s", as, out, err, want)
		}
	}
}

func TestNetworkIsTheHostsIfAskedFor(t *testing.T) {
	r := stage(t)
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	c := shell("readlink /proc/self/ns/net; touch /sys/x")
	for _, host := range []bool{true, false} {
		c.Network = host
		got, _ := run(t, r, c)
		if theirs, rest, _ := strings.Cut(got, "\n"); theirs == ours != host || rest != "touch: /sys/x: Read-only file system" {
			t.Errorf("Network %t: got %s, ours is %s", host, got, ours)
		}
	}
}

// withRanges is set where an ordinary user runs the tests who has ranges of IDs.
const withRanges = "TEST_WITH_RANGES"

// TestAsOrdinaryUser runs the other tests as one: with a user of its own alone,
// and with the ranges that newuidmap maps.
func TestAsOrdinaryUser(t *testing.T) {
	need(t, "root", os.Geteuid() == 0)
	t.Run("one user", func(t *testing.T) {
		program := forAll(t)
		cmd := exec.Command(program, "-test.short", "-test.v")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = filepath.Dir(program)
		testAs(t, cmd, 8)
	})
	t.Run("ranges", func(t *testing.T) {
		for _, tool := range []string{"newuidmap", "newgidmap", "unshare", "setpriv"} {
			_, err := exec.LookPath(tool)
			need(t, tool, err == nil)
		}
		program := forAll(t)
		dir := filepath.Dir(program)
		write(t, filepath.Join(dir, "passwd"), "root:x:0:0::/root:/bin/sh\nranger:x:4242:4242::/:/bin/sh\n")
		write(t, filepath.Join(dir, "ranges"), "ranger:300000:65536\n")
		cmd := exec.Command("unshare", "-m", "sh", "-ec", `
			mount --bind passwd /etc/passwd
			for f in /etc/subuid /etc/subgid; do touch $f; mount --bind ranges $f; done
			exec setpriv --reuid 4242 --regid 4242 --clear-groups "$0" -test.short -test.v`, program)
		cmd.Dir, cmd.Env = dir, []string{withRanges + "=yes"}
		testAs(t, cmd, 9)
	})
}

// forAll copies this program to where everybody may run it.
func forAll(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(program, self, 0o755), os.Chmod(dir, 0o777), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	return program
}

// testAs runs this program's tests as another user, of which a number must pass.
func testAs(t *testing.T, cmd *exec.Cmd, passing int) {
	t.Helper()
	cmd.Env = append(append(os.Environ(), cmd.Env...), "TMPDIR="+cmd.Dir, "HARVEST_REQUIRE="+strings.ReplaceAll(os.Getenv("HARVEST_REQUIRE"), "root", ""))
	out, err := cmd.CombinedOutput()
	if passed := bytes.Count(out, []byte("\n--- PASS: Test")); err != nil || passed < passing {
		t.Errorf("%v, %d passed\n%s", err, passed, out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
