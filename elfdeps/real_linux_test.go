package elfdeps_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
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
				lines, err := r.trace(dir, p.Name)
				compareTrace(t, p, lines, err)
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
func (r rule) trace(dir, program string) (lines []string, err error) {
	cmd := exec.Command(realLoader, "--library-path", r.option("library-path"), program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	cmd.Dir = "/"
	cmd.Env = []string{"LD_TRACE_LOADED_OBJECTS=1"}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " (0x")
		if line != "linux-vdso.so.1" && !strings.HasSuffix(line, realLoader) {
			lines = append(lines, line)
		}
	}
	return lines, err
}

// compareTrace compares a link map with what the loader printed of it.
func compareTrace(t *testing.T, p *elfdeps.Program, lines []string, err error) {
	t.Helper()
	got := strings.Join(lines, "\n")
	if stop := fatalProbe(p); stop != "" {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(got, path.Base(stop)+": ") {
			t.Errorf("%s: the loader does not stop at %s: %v\n%s", p.Name, stop, err, got)
		}
		return
	}
	lines, versions := cutVersions(lines, p.Name)
	if want := lacking(p); !slices.Equal(versions, want) {
		t.Errorf("%s: the loader lacks %q, and the link map %q", p.Name, versions, want)
	}
	misses := func(line string) bool { return strings.HasSuffix(line, " => not found") }
	found := slices.DeleteFunc(slices.Clone(lines), misses)
	if want := mapped(p); !slices.Equal(found, want) {
		t.Errorf("%s: the loader lists\n%s\nand the link map has\n%s", p.Name, got, strings.Join(want, "\n"))
	}
	missed := slices.DeleteFunc(lines, func(line string) bool { return !misses(line) })
	if want := unmet(p); !slices.Equal(missed, want) {
		t.Errorf("%s: the loader misses %q, and the link map %q", p.Name, missed, want)
	}
}

// cutVersions takes the lines about versions out of what the loader printed: those
// that are an error, and those that are none since the library has no versions.
func cutVersions(lines []string, program string) (rest, versions []string) {
	for _, line := range lines {
		about, ok := strings.CutPrefix(line, program+": ")
		switch {
		case !ok:
			rest = append(rest, line)
		case strings.Contains(about, ": version `"):
			versions = append(versions, about)
		}
	}
	return rest, versions
}

// lacking returns the lines for the versions that are not there.
func lacking(p *elfdeps.Program) []string {
	var lines []string
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			for _, v := range n.Lacks {
				lines = append(lines, fmt.Sprintf("%s: version `%s' not found (required by %s)", n.Object.Path, v, o.Path))
			}
		}
	}
	return lines
}

// fatalProbe returns the file at which the loader would stop, "" if none.
func fatalProbe(p *elfdeps.Program) string {
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if len(n.Tried) > 0 && n.Tried[len(n.Tried)-1].Fatal {
				return n.Tried[len(n.Tried)-1].Path
			}
		}
	}
	return ""
}

// mapped returns the lines for the objects of a link map, in its order.
func mapped(p *elfdeps.Program) []string {
	names := make(map[*elfdeps.Object]string) // under which each was opened
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if n.Object == nil || n.Rule.Kind == elfdeps.RuleLoaded || names[n.Object] != "" {
				continue
			}
			names[n.Object] = fmt.Sprintf("%s => %s", n.Name, n.Object.Path)
			if n.Rule.Kind == elfdeps.RulePath {
				names[n.Object] = n.Object.Path
			}
		}
	}
	var lines []string
	for _, o := range p.Objects[1:] {
		if o.Path != realLoader {
			lines = append(lines, names[o])
		}
	}
	return lines
}

// unmet returns the lines for the needs that are not met.
func unmet(p *elfdeps.Program) []string {
	var lines []string
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if n.Object == nil {
				lines = append(lines, n.Name+" => not found")
			}
		}
	}
	return lines
}
