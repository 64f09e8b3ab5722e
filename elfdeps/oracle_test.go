package elfdeps_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// The closure of every program of this system is what its own loader says.
func TestClosureOfEveryProgramIsTheLoadersAnswer(t *testing.T) {
	names := systemPrograms(t, "/usr/bin", "/usr/sbin")
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	r := elfdeps.Resolver{FS: host}
	closure, err := r.Resolve(context.Background(), names...)
	var missing *elfdeps.MissingError
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	asked := 0
	for _, p := range closure.Programs {
		if p.Loader == nil || p.Loader.Path != "/lib64/ld-linux-x86-64.so.2" {
			continue
		}
		asked++
		want := loaderSays(t, p.Name)
		if got := edges(p); !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", p.Name, got, want)
		}
	}
	t.Logf("%d programs agree with the loader", asked)
	if len(closure.Programs) < 100 || asked < 100 {
		t.Skipf("only %d dynamic programs here", asked)
	}
}

// edges returns what the loader would print of a link map: each name that was
// searched for, and the path it led to.
func edges(p *elfdeps.Program) map[string]string {
	found := make(map[string]string)
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			switch {
			case n.Interp():
			case n.Object == nil:
				found[n.Name] = "not found"
			case n.Object.Path == p.Loader.Path:
			default:
				found[n.Name] = n.Object.Path
			}
		}
	}
	return found
}

// loaderSays runs the program's loader in trace mode, which maps everything
// and starts nothing. The kernel makes the loader of a setuid or setgid program
// ignore that mode, so there the loader itself is the command.
func loaderSays(t *testing.T, name string) map[string]string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name)
	if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		cmd = exec.Command("/lib64/ld-linux-x86-64.so.2", name)
	}
	cmd.Env = []string{"LD_TRACE_LOADED_OBJECTS=1", "LC_ALL=C"}
	out, _ := cmd.CombinedOutput()
	found := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, rest, arrow := strings.Cut(strings.TrimSpace(line), " => ")
		if !arrow {
			continue
		}
		file, _, _ := strings.Cut(rest, " (")
		found[name] = file
	}
	return found
}

// systemPrograms returns the ELF programs of some folders, without the names
// that cannot be run here.
func systemPrograms(t testing.TB, dirs ...string) []string {
	t.Helper()
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Skip(err)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if isELF(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func isELF(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}
