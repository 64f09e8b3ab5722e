package elftest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

const plain = `
	# a comment
	/usr/bin/app      elf needed=liba.so.1 mode=04755
	/usr/lib/liba.so.1 elf soname=liba.so.1
	/usr/lib/liba.so  hard /usr/lib/liba.so.1
	/lib              -> /usr/lib
	/up               -> ../../../usr/bin/../lib
	/usr/lib/libb.so  -> liba.so.1

	/lib/libvia.so    text via
	/etc/ld.so.conf   text "/lib64\n" mode=0600
	/opt/empty/       dir
	"/opt/a b"        text 'mode=0000 "quoted"'
`

func TestRootIsAWellBehavedFS(t *testing.T) {
	root := elftest.MustRoot(t, plain)
	err := fstest.TestFS(root, "usr/bin/app", "usr/lib/liba.so", "usr/lib/libvia.so", "opt/empty", "opt/a b", "up")
	if err != nil {
		t.Error(err)
	}
}

func TestRootHoldsWhatItsLinesSay(t *testing.T) {
	root := elftest.MustRoot(t, plain+`
		/run/pipe fifo
		/run/sock socket mode=0600
		/run/tty  device`)
	var got strings.Builder
	must(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		must(t, err)
		i, err := d.Info()
		must(t, err)
		extra := ""
		switch i.Mode().Type() {
		case fs.ModeSymlink:
			target, err := root.ReadLink(name)
			must(t, err)
			extra = " -> " + target
		case 0:
			data, err := fs.ReadFile(root, name)
			must(t, err)
			extra = fmt.Sprintf(" %.15q", data)
		}
		fmt.Fprintf(&got, "%v %s%s\n", i.Mode(), name, extra)
		return nil
	}))
	want := `drwxr-xr-x .
drwxr-xr-x etc
-rw------- etc/ld.so.conf "/lib64\n"
Lrwxrwxrwx lib -> /usr/lib
drwxr-xr-x opt
-rw-r--r-- opt/a b "mode=0000 \"quot"
drwxr-xr-x opt/empty
drwxr-xr-x run
prw-r--r-- run/pipe
Srw------- run/sock
Dcrw-r--r-- run/tty
Lrwxrwxrwx up -> ../../../usr/bin/../lib
drwxr-xr-x usr
drwxr-xr-x usr/bin
urwxr-xr-x usr/bin/app "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00"
drwxr-xr-x usr/lib
-rwxr-xr-x usr/lib/liba.so "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00"
-rwxr-xr-x usr/lib/liba.so.1 "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00"
Lrwxrwxrwx usr/lib/libb.so -> liba.so.1
-rw-r--r-- usr/lib/libvia.so "via"
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestLinksStayInsideTheRoot(t *testing.T) {
	root := elftest.MustRoot(t, plain)
	for _, name := range []string{"lib/liba.so.1", "up/liba.so.1", "usr/lib/libb.so", "up/libb.so"} {
		got, err := fs.ReadFile(root, name)
		want, _ := fs.ReadFile(root, "usr/lib/liba.so.1")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want those of usr/lib/liba.so.1", name, len(got), err)
		}
	}
}

func TestFortyLinksAreFollowedAndNoMore(t *testing.T) {
	text := "/l0 text end\n/loop -> loop\n"
	for i := range 41 {
		text += fmt.Sprintf("/l%d -> l%d\n", i+1, i)
	}
	root := elftest.MustRoot(t, text)
	if _, err := root.Stat("l40"); err != nil {
		t.Errorf("40 links: %v", err)
	}
	for _, name := range []string{"l41", "loop"} {
		_, err := root.Open(name)
		if !errors.Is(err, syscall.ELOOP) || !strings.Contains(err.Error(), "too many levels of symbolic links") {
			t.Errorf("%s: got %v, want ELOOP", name, err)
		}
		if _, err := root.Lstat(name); err != nil {
			t.Errorf("%s: Lstat: %v", name, err)
		}
	}
}

func TestRealPathIsWhereANameLeads(t *testing.T) {
	root := elftest.MustRoot(t, plain)
	for name, want := range map[string]string{
		"":                              "/",
		"/":                             "/",
		"usr/bin/app":                   "/usr/bin/app",
		"/lib/libb.so":                  "/usr/lib/liba.so.1",
		"/up/../bin/./app":              "/usr/bin/app",
		"//usr//lib/../../../etc/":      "/etc",
		"/opt/empty/../../lib/liba.so":  "/usr/lib/liba.so",
		"/../../usr/lib/../../opt/a b":  "/opt/a b",
		"/lib/../../../../up/libvia.so": "/usr/lib/libvia.so",
	} {
		if got, err := root.RealPath(name); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]error{
		"/usr/nothing/../bin/app": fs.ErrNotExist,
		"/usr/bin/app/..":         syscall.ENOTDIR,
		"/usr/bin/app/":           syscall.ENOTDIR,
	} {
		if got, err := root.RealPath(name); got != "" || !errors.Is(err, want) {
			t.Errorf("%q: got %q, %v, want %v", name, got, err, want)
		}
	}
}

func TestOpeningWhatIsNoFileFails(t *testing.T) {
	root := elftest.MustRoot(t, plain+`
		/run/pipe fifo
		/run/sock socket
		/run/tty  device
		/secret   text x mode=0000
		/dangling -> nowhere`)
	for name, want := range map[string]error{
		"run/pipe":           elftest.ErrSpecial,
		"run/sock":           elftest.ErrSpecial,
		"run/tty":            elftest.ErrSpecial,
		"secret":             fs.ErrPermission,
		"dangling":           fs.ErrNotExist,
		"usr/bin/x":          fs.ErrNotExist,
		"usr/bin/app/x":      syscall.ENOTDIR,
		"/usr":               fs.ErrInvalid,
		"usr/../usr/bin/app": fs.ErrInvalid,
	} {
		_, err := root.Open(name)
		var at *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &at) || at.Path != name {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func TestHardLinksShareTheirInodeAndNothingElseDoes(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skip("no syscall.Stat_t")
	}
	root := elftest.MustRoot(t, plain)
	names := map[string][]string{}
	must(t, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		must(t, err)
		i, err := d.Info()
		must(t, err)
		stat := reflect.ValueOf(i.Sys()).Elem() // a *syscall.Stat_t, where there is one
		id := fmt.Sprint(stat.FieldByName("Dev"), ":", stat.FieldByName("Ino"))
		names[id] = append(names[id], name)
		return nil
	}))
	for id, list := range names {
		if len(list) > 1 && strings.Join(list, " ") != "usr/lib/liba.so usr/lib/liba.so.1" {
			t.Errorf("%s are all %s", list, id)
		}
	}
	if len(names) != 15 {
		t.Errorf("got %d inodes, want 15: %v", len(names), names)
	}
}

func TestFilesCanBeReadAtAnyOffset(t *testing.T) {
	root := elftest.MustRoot(t, "/f text 0123456789")
	f, err := root.Open("f")
	must(t, err)
	defer f.Close()
	b := make([]byte, 3)
	n, err := f.(io.ReaderAt).ReadAt(b, 4)
	if n != 3 || err != nil || string(b) != "456" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

func TestZeroRootIsEmpty(t *testing.T) {
	if err := fstest.TestFS(new(elftest.Root)); err != nil {
		t.Error(err)
	}
}

func TestPathsComeAndGo(t *testing.T) {
	root := elftest.MustRoot(t, "/a/f text one")
	if err := root.Add("/a/f text two"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("adding twice: %v", err)
	}
	must(t, root.Remove("/a/f"))
	if err := root.Remove("/a/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removing twice: %v", err)
	}
	must(t, root.Add("/a/f text two"))
	if got, err := fs.ReadFile(root, "a/f"); string(got) != "two" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFaultyLinesAreNamedWithTheirNumbers(t *testing.T) {
	_, err := elftest.ParseRoot(`
/a elf neded=x
/b elf sections=yes needed=x
/c elf flags=lots
/d elf machine=pdp11
/e nothing
/f
g text x
/h/../i text x
/j text
/k text "x
/l elf truncate
/m cache liba.so
/n cache liba.so=/liba.so;flag=3
/o hard /missing
/p elf mode=9
/p1 elf
/p1 elf
/p1/below text x
/q fifo x
/r dir x
/s -> a b
`)
	want := `line 2: /a: unknown word "neded=x"
line 3: /b: unknown word "sections=yes"
line 4: /c: flags: strconv.ParseUint: parsing "lots": invalid syntax
line 5: /d: unknown machine "pdp11"
line 6: /e: unknown kind "nothing"
line 7: "/f": want PATH, KIND and words
line 8: g: want an absolute path without dots
line 9: /h/../i: want an absolute path without dots
line 10: /j: wrong words for text: []
line 11: unquoting "x: invalid syntax
line 12: /l: unknown word "truncate"
line 13: /m: unknown word "liba.so"
line 14: /n: unknown option "flag=3" of liba.so
line 15: /o: linking /missing: file does not exist
line 16: /p: mode: strconv.ParseUint: parsing "9": invalid syntax
line 18: /p1: file already exists
line 19: /p1/below: not a directory
line 20: /q: wrong words for fifo: ["x"]
line 21: /r: wrong words for dir: ["x"]
line 22: /s: -> wants one path, got ["a" "b"]`
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLoadersHoldTheStringsTheyAreKnownBy(t *testing.T) {
	root := elftest.MustRoot(t, `
		/glibc elf glibc=/lib64/:/usr/lib64
		/musl  elf musl=x86_64`)
	for _, tt := range []struct {
		name, want string
		count      int
	}{
		{"glibc", "\x00glibc-ld.so.cache1.1\x00", 1},
		{"glibc", "\x00/etc/ld.so.cache\x00", 1},
		{"glibc", "\x00/lib64/\x00/usr/lib64/\x00", 2},
		{"glibc", "/etc/ld-musl-", 0},
		{"musl", "/etc/ld-musl-x86_64.path\x00", 1},
		{"musl", "glibc", 0},
	} {
		data, err := fs.ReadFile(root, tt.name)
		must(t, err)
		if got := bytes.Count(data, []byte(tt.want)); got != tt.count {
			t.Errorf("%s holds %q %d times, want %d", tt.name, tt.want, got, tt.count)
		}
	}
}

func TestTheRealLoaderListsAProgram(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	if _, err := os.Stat(loader); err != nil || runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		t.Skip("no glibc loader for x86-64 on this machine")
	}
	dir := t.TempDir()
	must(t, os.CopyFS(dir, elftest.MustRoot(t, strings.ReplaceAll(`
		/bin/app         elf interp=LOADER needed=libelfa.so.1,libelfb.so.1 runpath=$ORIGIN/../lib
		/lib/libelfa.so.1 elf soname=libelfa.so.1 needed=libelfc.so.1 rpath=$ORIGIN/deep/ import=a export=b
		/lib/deep/libelfc.so.1 elf verdef=C_1
		/lib/libelfb.so.1 -> libelfb.so.1.2
		/lib/libelfb.so.1.2 elf soname=libelfb.so.1 filter=libelff.so auxiliary=libelfx.so runpath=/nowhere/:$ORIGIN
		/lib/libelff.so   elf sections
		/bin/exec        elf type=exec interp=LOADER needed=libelfv.so.1 rpath=$ORIGIN/../lib verneed=libelfv.so.1:V_2
		/lib/libelfv.so.1 elf soname=libelfv.so.1 verdef=V_1,V_2
		/bin/old         elf interp=LOADER needed=libelfv.so.1 rpath=$ORIGIN/../lib verneed=libelfv.so.1:V_2,V_3
		`, "LOADER", loader))))
	for _, tt := range []struct{ program, want string }{
		{"app", `libelfa.so.1 => DIR/lib/libelfa.so.1
libelff.so => DIR/lib/libelff.so
libelfb.so.1 => DIR/lib/libelfb.so.1
libelfc.so.1 => DIR/lib/deep/libelfc.so.1
`},
		{"exec", "libelfv.so.1 => DIR/lib/libelfv.so.1\n"},
		{"old", "DIR/bin/old: DIR/lib/libelfv.so.1: version `V_3' not found (required by DIR/bin/old)\n" +
			"libelfv.so.1 => DIR/lib/libelfv.so.1\n"},
	} {
		cmd := exec.Command(filepath.Join(dir, "bin", tt.program))
		cmd.Env = []string{"LD_TRACE_LOADED_OBJECTS=1"}
		out, _ := cmd.CombinedOutput()
		var got strings.Builder
		for line := range strings.Lines(strings.ReplaceAll(string(out), dir, "DIR")) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " (0x")
			if !strings.HasPrefix(line, "linux-vdso") && line != loader && line != "libelfx.so => not found" {
				fmt.Fprintln(&got, strings.ReplaceAll(strings.ReplaceAll(line, "bin/../", ""), "deep//", "deep/"))
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.program, &got, tt.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
