package trace

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStraceLinesOfAllKindsAreRead(t *testing.T) {
	for _, test := range []struct{ line, path, want string }{
		{`openat(AT_FDCWD, "/x", O_RDONLY) = 3`, "/x", "read"},
		{`7 openat(AT_FDCWD, "/x", O_RDONLY|O_CLOEXEC) = 3`, "/x", "read"},
		{`[pid   77] open("/x", O_WRONLY) = 3`, "/x", "written"},
		{`12:00:01 openat(AT_FDCWD, "/x", O_RDWR) = 3</x>`, "/x", "read written"},
		{`7  12:00:01.123456 openat(AT_FDCWD, "/x", O_RDONLY) = 3 <0.000012>`, "/x", "read"},
		{`1700000000.123456 openat(AT_FDCWD, "/x", O_RDONLY) = 3`, "/x", "read"},
		{`     0.000012 openat(AT_FDCWD, "/x", O_RDONLY) = 3`, "/x", "read"},
		{`12:00:01 (+     0.000012) openat(AT_FDCWD, "/x", O_RDONLY) = 3`, "/x", "read"},
		{`[00007f1234567890] openat(AT_FDCWD, "/x", O_RDONLY) = 3`, "/x", "read"},
		{`openat(AT_FDCWD</srv>, "x", O_RDONLY) = 3`, "/srv/x", "read"},
		{`openat(AT_FDCWD, "x", O_RDONLY) = 3`, "/start/x", "read"},
		{`openat(4</srv/a b>, "x", O_RDONLY) = 3`, "/srv/a b/x", "read"},
		{`openat2(AT_FDCWD, "/x", {flags=O_WRONLY|O_CREAT|O_EXCL, mode=0644, resolve=0}, 24) = 3`, "/x", "created"},
		{`creat("/x", 0644) = 3`, "/x", "written"},
		{`getdents64(3</x>, 0x55 /* 5 entries */, 32768) = 100`, "/x", "listed"},
		{`newfstatat(AT_FDCWD, "/x", {st_mode=S_IFREG|0644, st_size=4, ...}, 0) = 0`, "/x", "looked"},
		{`newfstatat(3</x>, "", {st_mode=S_IFREG|0644}, AT_EMPTY_PATH) = 0`, "/x", ""},
		{`access("/x", R_OK) = -1 ENOENT (No such file or directory)`, "/x", "missing"},
		{`access("/x/y", R_OK) = -1 ENOTDIR (Not a directory)`, "/x/y", "missing"},
		{`access("/x", R_OK) = -1 EACCES (Permission denied)`, "/x", "refused"},
		{`access("/x", R_OK) = -1 EIO (Input/output error)`, "/x", ""},
		{`access("/x", R_OK) = ? ERESTARTSYS (To be restarted)`, "/x", ""},
		{`connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0`, "/run/x", "connected"},
		{`connect(3, {sa_family=AF_UNIX, sun_path=@"x"}, 20) = 0`, "x", ""},
		{`open("/a\tb\"c\\\377\x41, d)", O_RDONLY) = 3`, "/a\tb\"c\\\xffA, d)", "read"},
		{`open("/very/lo"..., O_RDONLY) = 3`, "/very/lo", ""},
		{`renameat2(AT_FDCWD, "/x", AT_FDCWD, "/y", 0) = 0`, "/y", "created"},
		{`execve("/x", ["x", "a, b"], 0x7ffc /* 3 vars */) = 0`, "/x", "executed"},
	} {
		r := NewStraceReader("/start")
		if err := r.Read("log", strings.NewReader(test.line+"\n")); err != nil {
			t.Errorf("%s: %v", test.line, err)
		}
		if a, _ := r.Log().Lookup(test.path); a.Use.String() != test.want {
			t.Errorf("%s: %s is %q, want %q", test.line, test.path, a.Use, test.want)
		}
	}
}

func TestWhatStraceLeavesOpenIsNoted(t *testing.T) {
	r := NewStraceReader("")
	err := r.Read("log", strings.NewReader("open(\"/very/lo\"..., O_RDONLY) = 3\nopen(\"x\", O_RDONLY) = 3\nio_uring_setup(8, {flags=0}) = 4\n"))
	want := []string{
		uringNote,
		"strace has cut 1 names short, which are left out: -s 4096 writes them",
		"1 names are relative to a folder that the log does not name, and are left out: -y writes it",
	}
	if log := r.Log(); err != nil || !slices.Equal(log.Notes, want) || len(log.Accesses) != 0 {
		t.Errorf("%v: notes %q, want %q, and accesses %v", err, log.Notes, want, log.Accesses)
	}
	if err := r.Read("log", strings.NewReader("names: [x]\n")); !errors.Is(err, ErrNotStrace) {
		t.Errorf("no log at all: %v", err)
	}
}

// TestStraceAndTheTracerAgree traces one command by both.
func TestStraceAndTheTracerAgree(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), "strace") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const script = `cd sub; cat data none <data; ls . >out; (cd ..; cat sub/data; mkdir new; : >new/x; mv new/x new/y); ln -s data link; rm link`
	prepare := func() string {
		dir := t.TempDir()
		if err := os.Mkdir(dir+"/sub", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/sub/data", []byte("x\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := prepare()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = dir
	traced, err := Run(t.Context(), cmd, Options{})
	if errors.Is(err, ErrNotPermitted) || errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := summary(traced, dir)
	for _, flags := range [][]string{{"-f"}, {"-f", "-y"}, {"-ff", "-tt"}, {"-f", "-r", "-s", "4096", "-T"}} {
		dir, out := prepare(), t.TempDir()+"/log"
		args := append(slices.Clone(flags), "-s", "4096", "-o", out, "/bin/sh", "-c", script)
		cmd := exec.Command(strace, args...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("strace: %v: %s", err, text)
		}
		logs, err := filepath.Glob(out + "*")
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(logs, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
		r := NewStraceReader(dir)
		for _, name := range logs {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Read(name, f); err != nil {
				t.Error(err)
			}
			f.Close()
		}
		if got := summary(r.Log(), dir); got != want {
			t.Errorf("strace %v:\n%s\nthe tracer:\n%s", flags, got, want)
		}
	}
}

// summary returns what was done below a folder, and the programs. What was made
// over a name that strace does not say was free counts as written.
func summary(l *Log, dir string) string {
	var lines []string
	for _, a := range l.Accesses {
		if name, ok := strings.CutPrefix(a.Path, dir); ok {
			use := strings.NewReplacer(" created", "", " written", "", "created", "made", "written", "made").Replace(a.Use.String())
			lines = append(lines, name+" "+use)
		}
	}
	for _, p := range l.Programs {
		lines = append(lines, strings.Join(append([]string{p.Path}, p.Args...), " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func FuzzStraceReader(f *testing.F) {
	f.Add("7 openat(AT_FDCWD</a>, \"x\"..., O_RDONLY <unfinished ...>\n7 <... openat resumed>) = 3\n")
	f.Add("execve(\"/x\", [\"a\", \"b\"...], 0x1) = 0\nclone() = 9\n9 chdir(\"..\") = 0\n9 connect(3, {sun_path=\"") // cut short
	f.Fuzz(func(t *testing.T, text string) {
		r := NewStraceReader("/")
		_ = r.Read("log.7", strings.NewReader(text))
		for _, a := range r.Log().Accesses {
			if !strings.HasPrefix(a.Path, "/") || a.Use == 0 {
				t.Errorf("%q is %q", a.Path, a.Use)
			}
		}
	})
}
