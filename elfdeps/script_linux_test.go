package elfdeps_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// What testdata/elf says of scripts, this machine's kernel and env do: each rule's
// root is written to the disk, with a program in the place of each that tells which
// file it is and what arguments it got. What is an error here is one there.
func TestRulesOfScriptsHoldForTheKernel(t *testing.T) {
	readLoader(t, realLoader) // or this is no machine to compare with
	show := showProgram(t)
	compared := 0
	for _, r := range readRules(t) {
		closure, err := r.closure(t)
		scripts := slices.DeleteFunc(r.programs(), func(name string) bool { return !isScript(closure, err, name) })
		if len(scripts) == 0 {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			dir := r.unpack(t, "/none", nil)
			replacePrograms(t, dir, show)
			for _, name := range scripts {
				compareStart(t, dir, r.option("path"), name, closure.Program(name))
				compared++
			}
		})
	}
	if compared < 50 {
		t.Errorf("no more than %d scripts are compared", compared)
	}
}

// isScript reports whether a program that was asked for is a script, be it one
// that cannot be started.
func isScript(c *elfdeps.Closure, err error, name string) bool {
	if p := c.Program(name); p != nil {
		return p.Script != nil
	}
	return err != nil && strings.Contains(err.Error(), "resolving "+name+": a script (")
}

// showProgram returns a static program that prints its own path and its arguments,
// a line each.
func showProgram(t *testing.T) []byte {
	t.Helper()
	const source = `
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
	static char self[4096];
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
	puts(self);
	for (int i = 0; i < argc; i++) puts(argv[i]);
	return 0;
}`
	compiler, err := exec.LookPath("musl-gcc")
	if err != nil {
		compiler, err = exec.LookPath("gcc")
	}
	if err != nil {
		without(t, "gcc", err)
	}
	file := filepath.Join(t.TempDir(), "show")
	cmd := exec.Command(compiler, "-static", "-o", file, "-x", "c", "-")
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// replacePrograms puts this machine's env, with all that it needs, in the place of
// an ELF file of that name, and show in the place of every other one.
func replacePrograms(t *testing.T, dir string, show []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == filepath.Join(dir, "proc") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(data, []byte("\x7fELF")) {
			return err
		}
		if d.Name() == "env" {
			data = copyEnv(t, dir)
		} else {
			data = show
		}
		return os.WriteFile(name, data, 0o755) // the mode stays
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyEnv returns env, and writes the files that it needs below dir.
func copyEnv(t *testing.T, dir string) []byte {
	t.Helper()
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := resolve(t, host, "/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	var env []byte
	for _, name := range objectPaths(c.Programs[0]) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "/usr/bin/env" {
			env = data
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// compareStart starts a script with dir as its root, and compares what comes of it
// with the closure of it, nil if it has none.
func compareStart(t *testing.T, dir, searchPath, name string, p *elfdeps.Program) {
	t.Helper()
	limit := 20 * time.Second
	if !starts(p) {
		limit = 300 * time.Millisecond // one that starts itself again does so for ever
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := withContext(ctx, inRoot(t, dir, name))
	cmd.Env = []string{"LC_ALL=C", "PATH=" + searchPath}
	out, err := cmd.Output()
	if !starts(p) {
		if err == nil && strings.HasPrefix(string(out), "/") {
			t.Errorf("%s: it starts, and prints\n%s", name, out)
		}
		return
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(got) < 2 {
		t.Errorf("%s: %v\n%s", name, err, out)
		return
	}
	real, err := filepath.EvalSymlinks(dir + started(p))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(real, dir); got[0] != want {
		t.Errorf("%s: %s is started instead of %s", name, got[0], want)
	}
	if want, known := arguments(p); known && !slices.Equal(got[1:], want) {
		t.Errorf("%s: the arguments are %q instead of %q", name, got[1:], want)
	}
}

// withContext is a command that ends with a context.
func withContext(ctx context.Context, cmd *exec.Cmd) *exec.Cmd {
	ended := exec.CommandContext(ctx, cmd.Path)
	ended.Args, ended.SysProcAttr, ended.Dir = cmd.Args, cmd.SysProcAttr, cmd.Dir
	ended.Err = cmd.Err
	return ended
}

// starts reports whether all that a script is started with is there.
func starts(p *elfdeps.Program) bool {
	if p == nil {
		return false
	}
	return len((&elfdeps.Closure{Programs: []*elfdeps.Program{p}}).Missing()) == 0
}

// started returns the path of the ELF program that a script leads to.
func started(p *elfdeps.Program) string {
	for p.Script != nil {
		p = p.Interpreters[len(p.Interpreters)-1]
	}
	return p.Self().Path
}

// arguments returns what that program gets, if it was not env that started it.
func arguments(p *elfdeps.Program) (args []string, known bool) {
	args = []string{p.Name}
	for ; p.Script != nil; p = p.Interpreters[0] {
		if path.Base(p.Script.Interp) == "env" {
			return nil, false
		}
		before := []string{p.Script.Interp}
		if p.Script.Arg != "" {
			before = append(before, p.Script.Arg)
		}
		args = append(before, args...)
	}
	return args, true
}
