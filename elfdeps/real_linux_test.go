package elfdeps_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

const realLoader = "/lib64/ld-linux-x86-64.so.2"

// What testdata/elf says of the loader, this machine's loader does: each rule's
// root is written to the disk with the real loader in it, which then lists, with
// that as its root directory, what it maps for each program.
func TestRulesHoldForTheRealLoader(t *testing.T) {
	loader, err := os.ReadFile(realLoader)
	if err != nil || runtime.GOARCH != "amd64" || os.Getuid() != 0 {
		t.Skip("needs glibc's loader for x86-64, and root for chroot(2)")
	}
	dirs := realDefaultDirs(t)
	compared := 0
	for _, r := range readRules(t) {
		t.Run(r.name, func(t *testing.T) {
			if strings.Contains(r.comment, "Not compared with the real loader") {
				t.Skip("as its comment says")
			}
			closure, _ := r.closure(t)
			dir := r.unpack(t, loader)
			for _, p := range closure.Programs {
				if p.Loader == nil || p.Loader.Path != realLoader {
					continue
				}
				if own := p.Loader.DefaultDirs; !slices.Equal(own, dirs[max(0, len(dirs)-len(own)):]) {
					t.Skipf("this machine's loader searches %q", dirs)
				}
				compareTrace(t, p, r.trace(dir, p.Name))
				compared++
			}
		})
	}
	t.Logf("%d programs are listed alike by the real loader", compared)
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

// unpack writes the root of a rule to the disk, with another loader.
func (r rule) unpack(t *testing.T, loader []byte) string {
	t.Helper()
	root := elftest.MustRoot(t, r.root)
	dir := t.TempDir()
	if err := os.CopyFS(dir, root); err != nil {
		t.Fatal(err)
	}
	if name, err := root.RealPath(realLoader); err == nil {
		if err := os.WriteFile(filepath.Join(dir, name), loader, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// trace returns what the loader in dir says of a program. The loader is the
// command, since /proc, which it would need to find out $ORIGIN, is not there.
func (r rule) trace(dir, program string) trace {
	cmd := exec.Command(realLoader, "--library-path", r.option("library-path"), program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	cmd.Dir = "/"
	return runTrace(cmd, realLoader)
}
