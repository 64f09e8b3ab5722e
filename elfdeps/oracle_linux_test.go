package elfdeps_test

import (
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// The closure of every program and every library of this system is what its own
// loader says: the same files under the same names in the same order, the same
// names without a file, the same versions that are lacking, and the same end
// where the loader stops. What the resolver refuses, the loader refuses too.
//
// A file cannot be compared if
//   - it is a static program at a fixed address: the kernel alone starts it, and
//     the loader crashes when it is asked about it;
//   - its loader is not here or does not run here, being for another processor;
//   - its loader is musl's, which does not know the trace mode and would start it.
//
// The resolver must read these all the same, and the test says how many there are.
func TestClosureOfEveryFileIsTheLoadersAnswer(t *testing.T) {
	names := systemFiles("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/libx32", "/usr/lib64", "/usr/libexec", "/opt")
	o := &oracle{runs: make(map[string]bool)}
	if len(names) < 100 || !o.canRun(t.Context(), realLoader) {
		without(t, path.Base(realLoader), fmt.Errorf("%d ELF files here, and no loader for them that runs", len(names)))
	}
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	r := elfdeps.Resolver{FS: host, Hwcaps: realHwcaps(t)}
	closure, err := r.Resolve(t.Context(), names...)
	answers := askAll(len(names), func(i int) answer { return o.ask(t.Context(), closure.Program(names[i]), names[i]) })
	counts := make(map[string]int)
	for i, a := range answers {
		p := closure.Program(names[i])
		switch {
		case a.not != "":
			counts["not compared: "+a.not]++
		case p == nil:
			counts["refused by both"]++
			if a.trace.err == nil {
				t.Errorf("%s: %v, and yet the loader says\n%v", names[i], err, a.trace)
			}
		default:
			counts["compared"]++
			countKinds(counts, a.trace)
			compareTrace(t, p, a.trace)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d %s", counts[what], what)
	}
}

// countKinds counts what is special about a trace.
func countKinds(counts map[string]int, tr trace) {
	noArrow := func(line string) bool { return !strings.Contains(line, " => ") }
	for what, is := range map[string]bool{
		"a file that needs nothing":           tr.static,
		"with a library that is missing":      len(tr.missed) > 0,
		"with a name that is a path":          slices.ContainsFunc(tr.found, noArrow),
		"with versions that are lacking":      len(tr.versions) > 0,
		"at which the loader stops":           tr.err != nil && len(tr.other) > 0,
		"with more than a hundred libraries":  len(tr.found) > 100,
		"in which a name is found and missed": slices.ContainsFunc(tr.missed, tr.finds),
	} {
		if is {
			counts["compared, "+what]++
		}
	}
}

// systemFiles returns the ELF files below some folders, links left out.
func systemFiles(dirs ...string) []string {
	var names []string
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isELF(name) {
				names = append(names, name)
			}
			return nil // what this user cannot read, others need not know
		})
	}
	slices.Sort(names)
	return names
}

// An oracle asks the loaders of this machine.
type oracle struct {
	mu   sync.Mutex
	runs map[string]bool // by the loader's path
}

// An answer is a trace, or why there is none.
type answer struct {
	trace trace
	not   string
}

// askAll asks n questions, several at a time.
func askAll(n int, ask func(int) answer) []answer {
	answers := make([]answer, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				answers[i] = ask(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return answers
}

// ask has a file listed by its loader. Without a link map, p is nil.
func (o *oracle) ask(ctx context.Context, p *elfdeps.Program, name string) answer {
	loader := usualLoader(name)
	switch {
	case p == nil:
	case p.Loader == nil && p.Self().Type == elf.ET_EXEC:
		return answer{not: "static, at a fixed address"}
	case p.Loader == nil:
	case p.Loader.Musl:
		return answer{not: "of musl"}
	default:
		loader = p.Loader.Path
	}
	if !o.canRun(ctx, loader) {
		return answer{not: fmt.Sprintf("its loader does not run here: %q", loader)}
	}
	cmd := exec.CommandContext(ctx, loader, name)
	if p != nil && p.Loader != nil && startsPlainly(p) {
		cmd = exec.CommandContext(ctx, name)
	}
	return answer{trace: runTrace(cmd, loader)}
}

// usualLoader returns the loader that a file which names none is for.
func usualLoader(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	file, _ := elfdeps.Read(f, info.Size())
	switch {
	case file == nil:
	case file.Arch.Machine == elf.EM_X86_64 && file.Arch.Class == elf.ELFCLASS64:
		return realLoader
	case file.Arch.Machine == elf.EM_X86_64:
		return "/libx32/ld-linux-x32.so.2"
	case file.Arch.Machine == elf.EM_386:
		return "/lib/ld-linux.so.2"
	}
	return ""
}

// canRun reports whether a loader is here and runs.
func (o *oracle) canRun(ctx context.Context, loader string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	runs, known := o.runs[loader]
	if !known {
		runs = exec.CommandContext(ctx, loader, "--version").Run() == nil
		o.runs[loader] = runs
	}
	return runs
}

// realHwcaps returns the subdirectories of glibc-hwcaps that this machine's
// loader searches, the best first.
func realHwcaps(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command(realLoader, "--help").Output()
	if err != nil {
		t.Logf("a loader of before glibc 2.33, without glibc-hwcaps: %v", err)
		return nil
	}
	_, list, _ := strings.Cut(string(out), "\nSubdirectories of glibc-hwcaps directories")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if name, status, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(status, "searched") {
			names = append(names, name)
		}
	}
	return names
}

// startsPlainly reports whether the kernel would start the program with its
// loader, and that would then obey the environment. For libraries, for files
// that are not executable, and for programs with privileges, which are started
// as if nothing were set, the loader itself must be the command.
func startsPlainly(p *elfdeps.Program) bool {
	info, err := os.Stat(p.Name)
	if err != nil || p.Self().Interp == "" || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return false
	}
	capabilities, _ := unix.Getxattr(p.Name, "security.capability", nil)
	return capabilities <= 0 && unix.Access(p.Name, unix.X_OK) == nil
}
