package elfdeps_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
)

// A trace is what a loader prints with LD_TRACE_LOADED_OBJECTS set: it maps a
// program and its libraries, lists them and starts nothing.
type trace struct {
	found    []string // "NAME => PATH", or "PATH" where that was the name; in load order
	missed   []string // names that were not found, likewise
	loader   []string // lines for the loader itself
	static   bool     // "statically linked": needs nothing
	versions []string // complaints about versions of symbols, without the program's name
	other    []string // everything else, such as why it stopped
	err      error
}

// runTrace runs a command in trace mode and reads what it prints: lines with and
// without an arrow, and complaints, which begin with a name and a colon.
func runTrace(cmd *exec.Cmd, loader string, env ...string) trace {
	cmd.Env = append([]string{"LD_TRACE_LOADED_OBJECTS=1", "LC_ALL=C"}, env...)
	out, err := cmd.CombinedOutput()
	t := trace{err: err}
	for line := range strings.Lines(string(out)) {
		text, listed := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\t")
		entry, _, mapped := strings.Cut(text, " (0x")
		if asked, found, _ := strings.Cut(entry, " => "); asked == found { // musl's way
			entry = found
		}
		name, isMiss := strings.CutSuffix(text, " => not found")
		unloaded, isMusls := strings.CutPrefix(text, "Error loading shared library ")
		switch {
		case listed && mapped && strings.HasPrefix(entry, "linux-") && !strings.Contains(entry, " "):
			// linux-vdso.so.1 or linux-gate.so.1, which is the kernel's and no file.
		case listed && mapped && (entry == loader || strings.HasSuffix(entry, " => "+loader)):
			t.loader = append(t.loader, entry)
		case listed && mapped:
			t.found = append(t.found, entry)
		case listed && isMiss:
			t.missed = append(t.missed, name)
		case isMusls:
			name, _, _ = strings.Cut(unloaded, ": ")
			t.missed = append(t.missed, name)
		case listed && text == "statically linked":
			t.static = true
		case strings.Contains(text, ": version `"):
			_, about, _ := strings.Cut(text, ": ")
			t.versions = append(t.versions, about)
		case strings.Contains(text, ": weak version `"), strings.Contains(text, ": no version information available ("):
			// No more than a warning.
		default:
			t.other = append(t.other, text)
		}
	}
	return t
}

func (t trace) String() string {
	return fmt.Sprintf("found %q\nmissed %q\nloader %q, static %v\nversions %q\nand %q, %v",
		t.found, t.missed, t.loader, t.static, t.versions, t.other, t.err)
}

// finds reports whether the trace has a file for a name.
func (t trace) finds(name string) bool {
	return slices.ContainsFunc(t.found, func(line string) bool { return strings.HasPrefix(line, name+" => ") })
}

// compareTrace compares a link map with what the loader printed of it.
func compareTrace(t *testing.T, p *elfdeps.Program, got trace) {
	t.Helper()
	if p.Loader == nil {
		if !got.static || got.err != nil {
			t.Errorf("%s: of a static program, the loader says\n%v", p.Name, got)
		}
		return
	}
	if stop := fatalProbe(p); stop != "" {
		var exit *exec.ExitError
		if !errors.As(got.err, &exit) || !strings.Contains(strings.Join(got.other, "\n"), path.Base(stop)+": ") {
			t.Errorf("%s: the loader does not stop at %s:\n%v", p.Name, stop, got)
		}
		return
	}
	if want := mapped(p); !slices.Equal(got.found, want) {
		t.Errorf("%s: the loader lists\n%s\nand the link map has\n%s\nof\n%v",
			p.Name, strings.Join(got.found, "\n"), strings.Join(want, "\n"), got)
	}
	if want := unmet(p); !slices.Equal(got.missed, want) {
		t.Errorf("%s: the loader misses %q, and the link map %q", p.Name, got.missed, want)
	}
	if want := lacking(p); !slices.Equal(got.versions, want) {
		t.Errorf("%s: the loader lacks %q, and the link map %q", p.Name, got.versions, want)
	}
	if needsLoader(p) && !slices.Equal(got.loader, []string{p.Loader.Path}) {
		t.Errorf("%s: the loader does not list itself, once and by its path:\n%v", p.Name, got)
	}
	if len(got.other) > 0 {
		t.Errorf("%s: the loader also says %q", p.Name, got.other)
	}
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

// mapped returns the lines for the objects of a link map, in its order, but for
// the loader, which may stand anywhere.
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
	for _, o := range p.Objects {
		if o != p.Self() && o.Path != p.Loader.Path {
			lines = append(lines, names[o])
		}
	}
	return lines
}

// needsLoader reports whether a file needs the loader as a library, as most C
// libraries do. It is on the list then; in later versions, in any case.
func needsLoader(p *elfdeps.Program) bool {
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if !n.Interp() && n.Object != nil && n.Object.Path == p.Loader.Path {
				return true
			}
		}
	}
	return false
}

// unmet returns the names of the needs that are not met.
func unmet(p *elfdeps.Program) []string {
	var names []string
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if n.Object == nil {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
