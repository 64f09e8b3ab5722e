package elfdeps_test

import (
	"context"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

const (
	realLoader = "/lib64/ld-linux-x86-64.so.2"
	realMusl   = "/lib/ld-musl-x86_64.so.1"
)

// nobody may not read everything, as root may.
const nobody = 65534

// What testdata/elf says of the loader, this machine's loader does: each rule's
// root is written to the disk with the real loader in it, which then lists, with
// that as its root directory, what it maps for each program. What the kernel
// would not start, it does not start.
func TestRulesHoldForTheRealLoader(t *testing.T) {
	loader := readLoader(t, realLoader)
	dirs := realDefaultDirs(t)
	compared := 0
	for _, r := range readRules(t) {
		t.Run(r.name, func(t *testing.T) {
			r.skipUnlessComparable(t)
			closure, _ := r.closure(t)
			dir := r.unpack(t, realLoader, loader)
			for _, p := range closure.Programs {
				switch {
				case p.Self().Interp != "" && p.Self().Needs[0].Object == nil:
					r.startFails(t, dir, p.Name)
				case p.Loader == nil || p.Loader.Path != realLoader:
					continue
				case !isTail(p.Loader.DefaultDirs, dirs):
					t.Skipf("this machine's loader searches %q", dirs)
				case slices.ContainsFunc(p.Self().Needed, isAuditor):
					compareOpened(t, dir, p)
				default:
					compareTrace(t, p, r.trace(t, dir, p))
				}
				compared++
			}
		})
	}
	t.Logf("%d programs are listed or refused alike by the real loader", compared)
}

// The rules of musl, likewise.
func TestRulesHoldForTheRealMusl(t *testing.T) {
	loader := readLoader(t, realMusl)
	compared := 0
	for _, r := range readRules(t) {
		t.Run(r.name, func(t *testing.T) {
			r.skipUnlessComparable(t)
			closure, _ := r.closure(t)
			for _, p := range closure.Programs {
				if p.Loader == nil || !p.Loader.Musl || filepath.Base(p.Loader.Path) != filepath.Base(realMusl) {
					continue
				}
				dir := r.unpack(t, p.Loader.Path, loader)
				compareMusl(t, p, r.muslTrace(t, dir, p))
				compared++
			}
		})
	}
	t.Logf("%d programs are listed alike by the real musl", compared)
}

// readLoader returns a loader of this machine.
func readLoader(t *testing.T, name string) []byte {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("needs an x86-64 processor")
	}
	if os.Getuid() != 0 {
		without(t, "root", errors.New("for chroot(2) and mount(2)"))
	}
	loader, err := os.ReadFile(name)
	if err != nil {
		without(t, path.Base(name), err)
	}
	return loader
}

// without skips a test, or fails it if HARVEST_REQUIRE, a list with commas, names
// what it lacks.
func without(t *testing.T, what string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), what) {
		t.Fatalf("%s is required: %v", what, err)
	}
	t.Skipf("%s is missing: %v", what, err)
}

// skipUnlessComparable skips a rule that says why it is not compared, and one for
// a processor that this one is not.
func (r rule) skipUnlessComparable(t *testing.T) {
	t.Helper()
	if strings.Contains(r.comment, "Not compared with the real loader") {
		t.Skip("as its comment says")
	}
	for _, name := range r.hwcaps() {
		if !slices.Contains(realHwcaps(t), name) {
			t.Skipf("this processor has no %s", name)
		}
	}
	if strings.Contains(r.root, "PLATFORM") && !strings.Contains(diagnostics(t), "\ndl_platform=\"x86_64\"\n") {
		t.Skip("this processor is not the plainest") // to glibc 2.26 to 2.36
	}
}

// diagnostics returns what the loader knows of itself.
func diagnostics(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(realLoader, "--list-diagnostics").Output()
	if err != nil {
		t.Logf("a loader of before glibc 2.33: %v", err)
	}
	return string(out)
}

func (r rule) hwcaps() []string {
	if names := r.option("hwcaps"); names != "" {
		return strings.Split(names, ",")
	}
	return nil
}

// realDefaultDirs returns the directories built into this machine's loader.
func realDefaultDirs(t *testing.T) []string {
	t.Helper()
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	r := elfdeps.Resolver{FS: host}
	c, err := r.Resolve(context.Background(), "/bin/sh")
	if err != nil || c.Programs[0].Loader == nil {
		t.Skipf("no dynamic /bin/sh: %v", err)
	}
	return c.Programs[0].Loader.DefaultDirs
}

func isTail(tail, list []string) bool {
	return slices.Equal(tail, list[max(0, len(list)-len(tail)):])
}

// unpack writes the root of a rule to the disk: with its modes and hard links, a
// loader in the place of its own, and /proc, which holds the program's $ORIGIN.
func (r rule) unpack(t *testing.T, loaderPath string, loader []byte) string {
	t.Helper()
	root := elftest.MustRoot(t, r.root)
	dir := t.TempDir()
	seen := make(map[any]string)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return place(root, name, info, dir, seen)
	})
	if err == nil {
		if name, missing := root.RealPath(loaderPath); missing == nil {
			err = os.WriteFile(filepath.Join(dir, name), loader, 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	mountProc(t, dir)
	return dir
}

// place writes one file of a root below dir. Sockets and devices are left out.
func place(root *elftest.Root, name string, info fs.FileInfo, dir string, seen map[any]string) error {
	file := filepath.Join(dir, name)
	switch info.Mode().Type() {
	case fs.ModeDir:
		return os.MkdirAll(file, 0o755)
	case fs.ModeSymlink:
		target, err := root.ReadLink(name)
		if err != nil {
			return err
		}
		return os.Symlink(target, file)
	case fs.ModeNamedPipe:
		return unix.Mkfifo(file, 0o755)
	case 0:
	default:
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id := [2]uint64{uint64(st.Dev), st.Ino}
		if first, again := seen[id]; again {
			return os.Link(first, file)
		}
		seen[id] = file
	}
	data, err := fs.ReadFile(root, name)
	if err != nil && !errors.Is(err, fs.ErrPermission) { // nobody can tell what is in that one
		return err
	}
	return errors.Join(os.WriteFile(file, data, 0o700), os.Chmod(file, info.Mode().Perm()))
}

// mountProc mounts /proc below dir until the test ends, for no other process to see.
func mountProc(t *testing.T, dir string) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread is not used again
	proc := filepath.Join(dir, "proc")
	err := errors.Join(
		unix.Unshare(unix.CLONE_NEWNS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.MkdirAll(proc, 0o755),
		unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""),
	)
	if err != nil {
		without(t, "mount", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(proc, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// inRoot returns a command that nobody runs, with dir as its root.
func inRoot(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	return cmd
}

// trace returns what the loader in dir says of a program as the kernel starts it.
// Of a library, the loader is the command, and where there is something for
// better processors, because only then it can be told which to look at.
func (r rule) trace(t *testing.T, dir string, p *elfdeps.Program) trace {
	t.Helper()
	if p.Self().Interp == "" || strings.Contains(r.root, "glibc-hwcaps") {
		cmd := inRoot(t, dir, realLoader, "--library-path", r.option("library-path"),
			"--glibc-hwcaps-mask", strings.Join(append(r.hwcaps(), "none"), ":"), p.Name)
		return runTrace(cmd, realLoader)
	}
	return runTrace(inRoot(t, dir, p.Name), realLoader, "LD_LIBRARY_PATH="+r.option("library-path"))
}

// startFails has the kernel refuse a program, whose interpreter will not do.
func (r rule) startFails(t *testing.T, dir, program string) {
	t.Helper()
	err := inRoot(t, dir, program).Run()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) {
		t.Errorf("%s: the kernel starts it: %v", program, err)
	}
}

func isAuditor(d elfdeps.Dependency) bool { return d.Tag == elf.DT_AUDIT || d.Tag == elf.DT_DEPAUDIT }

// compareOpened compares a link map with the files that strace sees the loader
// open, but for itself, of which it finds out only then. It loads auditors before
// all else and does not list them.
func compareOpened(t *testing.T, dir string, p *elfdeps.Program) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		without(t, "strace", err)
	}
	log := filepath.Join(t.TempDir(), "log")
	out, err := exec.Command(strace, "-o", log, "-e", "trace=execve,openat", "chroot", dir, p.Name).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) { // it has no code to run
		t.Fatalf("%s: %v\n%s", p.Name, err, out)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	_, calls, _ := strings.Cut(string(data), "execve("+strconv.Quote(p.Name))
	var opened []string
	for _, call := range regexp.MustCompile(`(?m)^openat\(AT_FDCWD, "([^"]*)",.* = \d+$`).FindAllStringSubmatch(calls, -1) {
		opened = append(opened, call[1])
	}
	others := func(names []string) []string {
		return slices.DeleteFunc(names, func(name string) bool {
			return name == p.Name || filepath.Base(name) == filepath.Base(p.Loader.Path)
		})
	}
	got, want := others(opened), others(objectPaths(p))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the loader opens\n%s\nand the link map has\n%s", p.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// muslTrace returns what musl's loader in dir lists of a program.
func (r rule) muslTrace(t *testing.T, dir string, p *elfdeps.Program) trace {
	t.Helper()
	return runTrace(inRoot(t, dir, p.Loader.Path, "--list", p.Name), p.Loader.Path, "LD_LIBRARY_PATH="+r.option("library-path"))
}

// compareMusl compares a link map with what musl's loader printed of it.
func compareMusl(t *testing.T, p *elfdeps.Program, got trace) {
	t.Helper()
	if want := mapped(p); !slices.Equal(got.found, want) || len(got.loader) == 0 {
		t.Errorf("%s: the loader lists\n%v\nand the link map has\n%q", p.Name, got, want)
	}
	if want := unmet(p); !slices.Equal(got.missed, want) || len(got.other) > 0 {
		t.Errorf("%s: the loader says\n%v\nand the link map misses\n%q", p.Name, got, want)
	}
}
