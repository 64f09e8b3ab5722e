package plan_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A world is a base, a root and a command line, made of a few libraries that lie
// in a few folders.
type world struct {
	*rand.Rand
}

func (w world) maybe(percent int) bool { return w.IntN(100) < percent }

// some returns a few elements of a list.
func (w world) some(percent int, list ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(string) bool { return !w.maybe(percent) })
}

var (
	worldFolders = []string{"/lib/gnu", "/usr/lib/gnu", "/opt/a", "/opt/q"}
	worldNames   = []string{"liba.so", "libb.so"}
)

// root describes a root file system, all of which have one libc.
func (w world) root(programs ...string) string {
	lines := []string{
		"/lib64/ld.so elf soname=ld.so glibc=/lib/gnu/:/usr/lib/gnu/",
		"/lib/gnu/libc.so.6 elf soname=libc.so.6 needed=ld.so",
	}
	cache := "libc.so.6=/lib/gnu/libc.so.6"
	linked := w.maybe(20)
	if linked {
		lines = append(lines, "/opt/q -> a")
	}
	for _, dir := range worldFolders {
		for _, name := range w.some(35, worldNames...) {
			file := dir + "/" + name
			if linked && dir == "/opt/q" {
				continue
			}
			if w.maybe(15) {
				file = strings.Replace(file, "lib"+name[3:], "glibc-hwcaps/x86-64-v3/"+name, 1)
			}
			line := fmt.Sprintf("%s elf soname=%s text=%d", file, name, w.IntN(2))
			if w.maybe(30) {
				line += " needed=" + worldNames[w.IntN(2)]
			}
			lines = append(lines, line)
			if w.maybe(50) {
				cache += " " + name + "=" + file
			}
		}
	}
	if w.maybe(50) {
		lines = append(lines, "/etc/ld.so.cache cache "+cache)
	}
	for _, p := range programs {
		line := p + " elf interp=/lib64/ld.so needed=" + strings.Join(append(w.some(50, worldNames...), "libc.so.6"), ",")
		if w.maybe(40) {
			path := w.some(50, "$ORIGIN/../opt/a", "/opt/q", "/opt/a")
			w.Shuffle(len(path), func(i, j int) { path[i], path[j] = path[j], path[i] })
			if len(path) > 0 {
				line += " runpath=" + strings.Join(path, ":")
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// spec is what is asked for.
func (w world) spec(t *testing.T) plan.Spec {
	line := "--bare --bin /usr/bin/new"
	for _, add := range []string{"--add /opt/a", "--add /opt/q", "--add /opt/a:/usr/lib/gnu", "--add /opt/q:/srv/x"} {
		if w.maybe(15) {
			line += " " + add
		}
	}
	if w.maybe(30) {
		line += " --all-hwcaps"
	}
	s := spec(t, line)
	if w.maybe(20) {
		s.BasePath = []string{"/opt/a"}
		s.ImagePath = s.BasePath
	}
	if w.maybe(15) {
		s.ImagePath = w.some(50, "/opt/q")
	}
	return s
}

// A rooted file system is a host or a tree.
type rooted interface {
	fs.FS
	RealPath(name string) (string, error)
}

// answers returns what each name leads to that a program or one of its libraries
// asks for: the contents of the file, "" for nothing.
func answers(t *testing.T, fsys rooted, path, hwcaps []string, program string) map[string]string {
	t.Helper()
	r := elfdeps.Resolver{FS: fsys, LibraryPath: path, Hwcaps: hwcaps}
	c, _ := r.Resolve(context.Background(), program) // what is missing is ""
	p := c.Program(program)
	if p == nil {
		t.Fatalf("%s cannot be resolved", program)
	}
	found := make(map[string]string)
	for n := range p.Needs() {
		contents := ""
		if n.Object != nil {
			real, err := fsys.RealPath(n.Object.Path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := fs.ReadFile(fsys, real[1:])
			if err != nil {
				t.Fatal(err)
			}
			contents = string(data)
		}
		found[n.Name] = contents
	}
	return found
}

// Whatever comes upon whatever base: if there is a plan, all programs of the base
// load what they loaded, and those that came what they load on the host. Nothing
// here knows how the plan finds out.
func TestEveryPlanUponABaseKeepsTheLaw(t *testing.T) {
	plans := 0
	for seed := range uint64(200) {
		w := world{Rand: rand.New(rand.NewPCG(seed, 1))}
		below, root, s := w.root("/bin/one", "/usr/bin/two"), w.root("/usr/bin/new"), w.spec(t)
		host := onDisk(t, root)
		s.Base = &rootfs.Tree{}
		if err := s.Base.AddHostTree(onDisk(t, below), "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
			t.Fatal(err)
		}
		p, err := plan.Make(context.Background(), host, s)
		if err != nil {
			if !saysWhy(err) {
				t.Errorf("seed %d: %v", seed, err)
			}
			continue
		}
		plans++
		for _, hwcaps := range [][]string{nil, {"x86-64-v3"}} {
			for _, program := range []string{"/bin/one", "/usr/bin/two"} {
				before, after := answers(t, s.Base, s.BasePath, hwcaps, program), answers(t, p.Root, s.ImagePath, hwcaps, program)
				for name, was := range before {
					if is := after[name]; was != "" && is != was && len(p.Notes) == 0 {
						t.Errorf("seed %d: %s of the base gets another %s on %v\nbase:\n%s\nroot:\n%s\n%+v", seed, program, name, hwcaps, below, root, s)
					}
				}
			}
			outside, inside := answers(t, host, nil, hwcaps, "/usr/bin/new"), answers(t, p.Root, s.ImagePath, hwcaps, p.Programs[0])
			baseline := answers(t, host, nil, nil, "/usr/bin/new")
			for name, want := range outside {
				if got := inside[name]; got != want && (s.AllHwcaps || got != baseline[name]) {
					t.Errorf("seed %d: the program gets another %s on %v\nbase:\n%s\nroot:\n%s\n%+v", seed, name, hwcaps, below, root, s)
				}
			}
		}
	}
	t.Logf("%d plans of 200", plans)
	if plans < 40 {
		t.Errorf("only %d of 200 worlds have a plan", plans)
	}
}

// saysWhy reports whether an error is one that says why there is no image.
func saysWhy(err error) bool {
	var missing *elfdeps.MissingError
	var law *plan.LawError
	var disturb *plan.DisturbError
	var base *plan.BaseError
	var conflict *rootfs.ConflictError
	return errors.As(err, &missing) || errors.As(err, &law) || errors.As(err, &disturb) || errors.As(err, &base) ||
		errors.As(err, &conflict) || errors.Is(err, fs.ErrNotExist)
}
