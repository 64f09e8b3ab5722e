package rootfs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

// epoch is the mtime of everything that onDisk makes.
var epoch = time.Unix(1_000_000_000, 0)

// onDisk makes a folder that holds what the lines say: a path, and what
// [rootfs.Entry.String] says of it. Folders on the way appear as needed.
//
//	/bin      link usr/bin
//	/bin/su   file 4755 8 0:42
//	/bin/sudo hardlink /usr/bin/su
//	/tmp      dir 1777
//	/run/p    pipe 0600
func onDisk(t testing.TB, lines string) string {
	t.Helper()
	dir := t.TempDir()
	folders := make(map[string]fs.FileMode)
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		name := filepath.Join(dir, f[0])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := makeFile(dir, name, f[1:]); err != nil {
			t.Fatal(err)
		}
		if owner := f[len(f)-1]; strings.Contains(owner, ":") {
			uid, gid, _ := strings.Cut(owner, ":")
			needRoot(t)
			if err := os.Lchown(name, number(uid, 10), number(gid, 10)); err != nil {
				t.Fatal(err)
			}
		}
		switch f[1] {
		case "file", "pipe":
			chmod(t, name, unixMode(f[2]))
		case "dir":
			folders[name] = unixMode(f[2])
		}
	}
	setTimes(t, dir)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(folders))) {
		chmod(t, name, folders[name])
	}
	return dir
}

func makeFile(dir, name string, words []string) error {
	switch words[0] {
	case "file":
		size := number(words[2], 10)
		data := strings.Repeat(path.Base(name)+"\n", size)[:size]
		return os.WriteFile(name, []byte(data), 0o600)
	case "dir":
		return os.MkdirAll(name, 0o755)
	case "link":
		return os.Symlink(words[1], name)
	case "hardlink":
		return os.Link(filepath.Join(dir, words[1]), name)
	case "pipe":
		return syscall.Mkfifo(name, 0o600)
	}
	return fmt.Errorf("%s: unknown kind %s", name, words[0])
}

func setTimes(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(name, epoch, epoch)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func chmod(t testing.TB, name string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	if mode.Perm()&0o700 != 0o700 { // so that t.TempDir can be removed
		t.Cleanup(func() { _ = os.Chmod(name, 0o700) }) // it may be gone
	}
}

// unixMode is the inverse of [rootfs.UnixPerm].
func unixMode(octal string) fs.FileMode {
	n := number(octal, 8)
	mode := fs.FileMode(n & 0o777)
	for bit, flag := range map[int]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func number(s string, base int) int {
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		panic(err)
	}
	return int(n)
}

func openHost(t testing.TB, dir string) *rootfs.Host {
	t.Helper()
	h, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hostOf is onDisk and openHost.
func hostOf(t testing.TB, lines string) *rootfs.Host {
	t.Helper()
	return openHost(t, onDisk(t, lines))
}

// listing describes every entry of a tree in a line, as in onDisk.
func listing(t *rootfs.Tree) string {
	var b strings.Builder
	for e := range t.All() {
		fmt.Fprintf(&b, "%s %s\n", e.Path, e)
	}
	return b.String()
}

// onDiskNow describes what is below a folder.
func onDiskNow(t testing.TB, dir string) string {
	t.Helper()
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(openHost(t, dir), "/", "/", rootfs.Reason{Kind: "added"}))
	return listing(tree)
}

// same compares two texts line by line, blanks aside.
func same(t testing.TB, got, want string) {
	t.Helper()
	if got, want := unindent(got), unindent(want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// unindent leaves single blanks, and takes out owners if they are just us.
func unindent(text string) string {
	var lines []string
	if os.Geteuid() != 0 {
		text = strings.ReplaceAll(text, fmt.Sprintf(" %d:%d", os.Geteuid(), os.Getegid()), "")
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			lines = append(lines, strings.Join(f, " "))
		}
	}
	return strings.Join(lines, "\n")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError compares the text of an error, "" for none.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error\n got %s\nwant %s", got, want)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can set owners")
	}
}

var (
	forTest = rootfs.Reason{Kind: "added", From: "test"}
	other   = rootfs.Reason{Kind: "added", From: "other"}
)
