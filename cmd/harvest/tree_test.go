package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

// A folder that somebody uses may hold sockets. To look at it they are no
// hindrance, but no image can hold them.
func TestSocketsAreReadOverAndNotPacked(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "run", "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, said, code := talk(t, streams{}, "lint", dir)
	if out != "" || said != "0 errors, 0 warnings in 0 programs, 0 scripts, 0 links\n" || code != exitDone {
		t.Errorf("lint: %s%s, exit code %d", out, said, code)
	}
	_, said, code = talk(t, streams{}, "pack", dir, "-o", filepath.Join(t.TempDir(), "x.tar"))
	want := "harvest: error: " + dir + ": /run/s: a socket cannot be part of an image; add what lies beside it by name\n"
	if said != want || code != exitUsage {
		t.Errorf("pack: %s, exit code %d, want\n%s", said, code, want)
	}
}

// The running system's own root can be looked at: what the kernel shows in it is
// passed over, and not a folder of the same name.
func TestWhatTheKernelMountsIsPassedOver(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no /proc here")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		root, name string
		want       bool
	}{{"/", "/proc", true}, {"/", "/etc", false}, {"/", "/none", false}, {dir, "/proc", false}} {
		host, err := rootfs.OpenHost(test.root)
		if err != nil {
			t.Fatal(err)
		}
		if got := isKernels(host, test.name); got != test.want {
			t.Errorf("%s of %s: %v", test.name, test.root, got)
		}
	}
}
