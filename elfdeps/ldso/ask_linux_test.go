package ldso_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/elfdeps/ldso"
	"github.com/harvest-oci/harvest/rootfs"
)

// resolve returns the link maps of files of this system.
func resolve(t *testing.T, names ...string) []*elfdeps.Program {
	t.Helper()
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	r := elfdeps.Resolver{FS: host}
	closure, _ := r.Resolve(t.Context(), names...)
	return closure.Programs
}

func TestLoaderAgreesOnEveryProgramOfTheSystem(t *testing.T) {
	names, err := filepath.Glob("/usr/bin/*")
	if err != nil {
		t.Fatal(err)
	}
	asked, listed := 0, 0
	why := make(map[ldso.Why]int)
	for _, p := range resolve(t, names...) {
		o, err := ldso.Ask(p)
		var refused *ldso.RefusedError
		if errors.As(err, &refused) {
			t.Log(refused)
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		c := ldso.Compare(p, o)
		asked++
		listed += len(c.Both)
		for _, d := range c.Differences {
			why[d.Why]++
			if d.Why == ldso.Unexplained {
				t.Errorf("%s: %s by loader: %v; %s", p.Name, d.Path, d.ByLoader, o.Stopped)
			}
		}
	}
	t.Logf("%d programs, %d files in both lists; differences: %v", asked, listed, why)
	if asked < 10 {
		t.Skipf("only %d programs whose loader may be asked", asked)
	}
}

// Each of these interpreters would be run, were it not for who may change it.
func TestAskRunsNoInterpreterThatOthersMayChange(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the programs are for amd64")
	}
	loaderFile, err := os.ReadFile(loader)
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir() // which lies in one that all may write to
	interp := filepath.Join(dir, "ld.so")
	mark := filepath.Join(dir, "mark")
	script := "#!/bin/sh\necho run >" + mark + "\n# /etc/ld.so.cache glibc-ld.so.cache\n"
	for name, write := range map[string]func() error{
		"a script":          func() error { return os.WriteFile(interp, []byte(script), 0o755) },
		"a loader":          func() error { return os.WriteFile(interp, loaderFile, 0o755) },
		"a link to another": func() error { return os.Symlink(loader, interp) },
		"a folder":          func() error { return os.Mkdir(interp, 0o755) },
		"nothing":           func() error { return nil },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
		root := elftest.MustRoot(t, "/app elf sections interp="+interp+" needed=libc.so.6")
		if err := os.CopyFS(dir, root); err != nil {
			t.Fatal(err)
		}
		r := elfdeps.Resolver{FS: root}
		closure, _ := r.Resolve(t.Context(), "/app")
		p := closure.Programs[0]
		p.Name = filepath.Join(dir, "app")
		o, err := ldso.Ask(p)
		var refused *ldso.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%s: the interpreter has run", name)
		}
		if err := errors.Join(os.RemoveAll(interp), os.Remove(p.Name)); err != nil {
			t.Fatal(err)
		}
	}
}

// What u-root makes of files that lack something.
func TestAskReportsGuessesAndStops(t *testing.T) {
	if _, err := os.Stat(loader); err != nil || runtime.GOARCH != "amd64" {
		t.Skipf("the files are for amd64 and %s", loader)
	}
	dir := t.TempDir()
	root := elftest.MustRoot(t, `
		/miss     elf sections interp=/lib64/ld-linux-x86-64.so.2 needed=libgone.so.9
		/plugin   elf sections soname=plugin
		/pie      elf interp=/lib64/ld-linux-x86-64.so.2
		/fixed    elf type=exec interp=/lib64/ld-linux-x86-64.so.2`)
	if err := os.CopyFS(dir, root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]ldso.Opinion{
		"miss":   {Loader: loader, Stopped: "libgone.so.9: cannot open shared object file"},
		"plugin": {Loader: loader, Guessed: true, Files: []string{loader}},
		"pie":    {Loader: loader, Files: []string{loader}},
		"fixed":  {},
	} {
		p := resolve(t, filepath.Join(dir, name))[0]
		got, err := ldso.Ask(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(got.Stopped, want.Stopped) && want.Stopped != "" {
			got.Stopped = want.Stopped
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, want %+v", name, *got, want)
		}
		if c := ldso.Compare(p, got); c.Unexplained() != 0 {
			t.Errorf("%s: %+v", name, c.Differences)
		}
	}
}
