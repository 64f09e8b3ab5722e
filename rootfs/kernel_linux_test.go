package rootfs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/rootfs"
)

// kernelPath is where the kernel itself ends up when it follows name below dir
// with dir as its root.
func kernelPath(t testing.TB, dir, name string) (string, error) {
	t.Helper()
	root, err := os.Open(dir)
	must(t, err)
	defer root.Close()
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(int(root.Fd()), name, &how)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skip("openat2(2):", err)
	}
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	must(t, err)
	return "/" + strings.TrimPrefix(strings.TrimPrefix(real, dir), "/"), nil
}

// FuzzHostWalksAsTheKernelDoes makes a folder of links from text, a target a
// line, and follows a name in it: path resolution ends, stays inside, and ends
// where the kernel's does.
func FuzzHostWalksAsTheKernelDoes(f *testing.F) {
	f.Add("d/f\n../f\n/d/0\n..//./1/", "2")
	f.Add("1\n0", "0/x")
	f.Add("/\nf/\nd/\n3/3", "1")
	f.Add("..\n0/..\n1/d/../../f", "d/../2")
	f.Add("../../../../../../etc/passwd\n/etc/passwd", "0")
	f.Add(strings.Join(strings.Fields("f 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40"), "\n"), "39")
	f.Fuzz(func(t *testing.T, targets, name string) {
		if len(targets) > 500 || len(name) > 100 || strings.ContainsRune(targets+name, 0) || name == "" {
			t.Skip()
		}
		dir, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "d/f"), nil, 0o644))
		for i, target := range strings.Split(targets, "\n") {
			if target == "" {
				continue
			}
			must(t, os.Symlink(target, filepath.Join(dir, fmt.Sprint(i))))
			must(t, os.Symlink(target, filepath.Join(dir, "d", fmt.Sprint(i))))
		}
		want, wantErr := kernelPath(t, dir, name)
		host := openHost(t, dir)
		got, gotErr := host.RealPath(name)
		if !errors.Is(gotErr, wantErr) || gotErr == nil && got != want {
			t.Fatalf("%q with links %q:\n got %s, %v\nwant %s, %v", name, targets, got, gotErr, want, wantErr)
		}
		mirrored(t, host, name, got, gotErr)
		fastIsSlow(t, dir, name)
	})
}

// fastIsSlow checks that the steps that a host remembers change nothing: neither
// for name and its parts, nor when asked again.
func fastIsSlow(t *testing.T, dir, name string) {
	t.Helper()
	host := openHost(t, dir)
	names := []string{name, "/" + name, name + "/", name + "/f", "d/" + name, name + "/../f", name}
	for i := range name {
		names = append(names, name[:i])
	}
	for _, name := range names {
		for _, last := range []bool{true, false, true} {
			got, gotErr := rootfs.Resolve(host, name, last)
			want, wantErr := rootfs.ResolveSlowly(host, name, last)
			if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || gotErr == nil && got != want {
				t.Fatalf("%q, last %t:\n got %s, %v\nwant %s, %v", name, last, got, gotErr, want, wantErr)
			}
		}
	}
}

// mirrored checks that a tree to which name is added walks as its host does.
func mirrored(t *testing.T, host *rootfs.Host, name, want string, wantErr error) {
	t.Helper()
	tree := &rootfs.Tree{}
	if err := tree.AddHost(host, name, forTest); (err == nil) != (wantErr == nil) {
		t.Fatalf("adding %q: %v, want %v", name, err, wantErr)
	}
	if wantErr != nil {
		return
	}
	if got, err := tree.RealPath(name); err != nil || got != want {
		t.Fatalf("in the tree %q leads to %s, %v; want %s\n%s", name, got, err, want, listing(tree))
	}
}
