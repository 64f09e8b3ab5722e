package plan_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// system opens the root of the machine that runs the test.
func system(t testing.TB) *rootfs.Host {
	t.Helper()
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// systemPrograms returns every ELF program of /usr/bin and /usr/sbin that is for
// this machine and has all it needs.
func systemPrograms(t testing.TB, host *rootfs.Host) []string {
	t.Helper()
	var names []string
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Skip(err)
		}
		for _, e := range entries {
			if name := filepath.Join(dir, e.Name()); isELF(name) {
				names = append(names, name)
			}
		}
	}
	r := elfdeps.Resolver{FS: host}
	closure, err := r.Resolve(t.Context(), names...)
	var missing *elfdeps.MissingError
	if err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	unmet := make(map[string]bool)
	for _, m := range closure.Missing() {
		unmet[m.Program] = true
		t.Logf("%s is left out: it lacks %s", m.Program, m.Need.Name)
	}
	names = names[:0]
	for _, p := range closure.Programs {
		if !unmet[p.Name] && p.Objects[0].Arch.GOARCH() == runtime.GOARCH {
			names = append(names, p.Name)
		}
	}
	return names
}

func isELF(name string) bool {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}

func inputs(names []string) []plan.Input {
	programs := make([]plan.Input, len(names))
	for i, name := range names {
		programs[i].Source = name
	}
	return programs
}

func TestTheLawHoldsForAllProgramsOfThisSystemInOneImage(t *testing.T) {
	host := system(t)
	names := systemPrograms(t, host)
	p, err := plan.Make(t.Context(), host, plan.Spec{Programs: inputs(names)})
	if err != nil {
		t.Fatal(err)
	}
	setuid := 0
	for e := range p.Tree.All() {
		if rootfs.UnixPerm(e.Mode)&0o6000 != 0 && e.Mode.IsRegular() {
			setuid++
		}
	}
	t.Logf("%d programs (%d setuid or setgid), %d entries, %d bytes", len(names), setuid, p.Tree.Len(), p.Tree.Size())

	_, err = plan.Make(t.Context(), host, plan.Spec{Programs: inputs(unique(names)), Layout: plan.Flat})
	if err != nil && !refusal(err) {
		t.Errorf("all in one flat image: %v", err)
	}
	t.Logf("all in one flat image: %v", err)
}

// unique leaves one of several programs with the same base name.
func unique(names []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		base := filepath.Base(name)
		defer func() { seen[base] = true }()
		return seen[base]
	})
}

func TestTheLawHoldsForEveryProgramOfThisSystem(t *testing.T) {
	host := system(t)
	names := systemPrograms(t, host)
	for _, spec := range []plan.Spec{{Layout: plan.Mirror}, {Layout: plan.Flat}, {Layout: plan.Flat, Bare: true}} {
		refused := 0
		for i, err := range eachAlone(t, host, names, spec) {
			switch {
			case err == nil:
			case spec.Layout == plan.Flat && refusal(err):
				refused++
				t.Logf("%s: %v", names[i], err)
			default:
				t.Errorf("layout %s, bare %v: %s: %v", spec.Layout, spec.Bare, names[i], err)
			}
		}
		t.Logf("layout %s, bare %v: %d programs, %d refused", spec.Layout, spec.Bare, len(names), refused)
	}
}

// refusal reports whether flat may refuse for that reason.
func refusal(err error) bool {
	var law *plan.LawError
	var conflict *rootfs.ConflictError
	return errors.As(err, &law) || errors.As(err, &conflict)
}

// eachAlone makes a plan for each program and returns the errors, in their order.
func eachAlone(t *testing.T, host *rootfs.Host, names []string, spec plan.Spec) []error {
	t.Helper()
	errs := make([]error, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				alone := spec
				alone.Programs = inputs(names[i : i+1])
				_, errs[i] = plan.Make(t.Context(), host, alone)
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	return errs
}

// The cache in the image is what ldconfig would have written for it, byte for
// byte: only the libraries differ from the host's, so only they make the file.
// Programs that ask for a library by another name than its soname are left out:
// ldconfig would not list that name.
func TestTheCacheIsWhatLdconfigWrites(t *testing.T) {
	need(t, "ldconfig")
	if os.Geteuid() != 0 {
		t.Skip("ldconfig -r needs root")
	}
	host := system(t)
	names := systemPrograms(t, host)
	for _, programs := range [][]string{
		{"/bin/bash", "/bin/echo"},
		{"/usr/bin/curl"},
		{mostLibraries(t, host, listed(t, host, names))},
		listed(t, host, names),
	} {
		title := programs[0]
		if len(programs) > 2 {
			title = "everything"
		}
		t.Run(title, func(t *testing.T) {
			for _, name := range programs {
				if _, err := os.Stat(name); err != nil {
					t.Skip(err)
				}
			}
			compareWithLdconfig(t, host, programs)
		})
	}
}

func compareWithLdconfig(t *testing.T, host *rootfs.Host, programs []string) {
	t.Helper()
	spec := plan.Spec{Programs: inputs(programs)}
	for _, conf := range []string{"/etc/ld.so.conf", "/etc/ld.so.conf.d"} {
		if _, err := host.Stat(conf[1:]); err == nil {
			spec.Files = append(spec.Files, plan.Input{Source: conf})
		}
	}
	p, err := plan.Make(t.Context(), host, spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := withoutPrograms(t, p.Tree).Stage(t.Context(), dir, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "etc/ld.so.cache")
	ours, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cache); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ldconfig", "-X", "-r", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(theirs))
	if !bytes.Equal(ours, theirs) {
		t.Errorf("ours and theirs differ:\n%s", difference(t, dir, ours, theirs))
	}
}

// withoutPrograms returns the tree without the big files that ldconfig does not
// look at.
func withoutPrograms(t *testing.T, tree *rootfs.Tree) *rootfs.Tree {
	t.Helper()
	rest := &rootfs.Tree{}
	for e := range tree.All() {
		if e.Mode.IsRegular() && e.Why[0].Kind == "program" {
			continue
		}
		if err := rest.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return rest
}

// difference shows both caches as ldconfig prints them.
func difference(t *testing.T, dir string, caches ...[]byte) string {
	t.Helper()
	var lists []string
	for _, data := range caches {
		file := filepath.Join(dir, "cache")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command("ldconfig", "-p", "-C", file).CombinedOutput()
		lists = append(lists, string(out))
	}
	var b strings.Builder
	for i, list := range lists {
		for line := range strings.Lines(list) {
			if !strings.Contains(lists[1-i], line) {
				b.WriteString([]string{"only ours: ", "only theirs: "}[i] + line)
			}
		}
	}
	if b.Len() == 0 {
		return "the same entries, in another order or with other strings"
	}
	return b.String()
}

// listed returns the programs all of whose libraries ldconfig lists.
func listed(t *testing.T, host *rootfs.Host, names []string) []string {
	t.Helper()
	r := elfdeps.Resolver{FS: host}
	closure, err := r.Resolve(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range closure.Programs {
		byDefault := false
		for n := range p.Needs() {
			byDefault = byDefault || n.Object != nil && n.Rule.Kind == elfdeps.RuleDefault
		}
		if !byDefault {
			list = append(list, p.Name)
		}
	}
	return list
}

// mostLibraries returns the program with the biggest closure.
func mostLibraries(t *testing.T, host *rootfs.Host, names []string) string {
	t.Helper()
	r := elfdeps.Resolver{FS: host}
	closure, err := r.Resolve(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	most := slices.MaxFunc(closure.Programs, func(a, b *elfdeps.Program) int { return len(a.Objects) - len(b.Objects) })
	return most.Name
}

// need skips the test where a command is missing, unless it must not be.
func need(t *testing.T, command string) {
	t.Helper()
	_, err := exec.LookPath(command)
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), command):
		t.Fatalf("%s is required: %v", command, err)
	default:
		t.Skipf("%s is missing: %v", command, err)
	}
}
