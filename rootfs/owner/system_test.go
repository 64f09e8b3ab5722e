package owner_test

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

func openHost(t testing.TB) *rootfs.Host {
	t.Helper()
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// openDebian returns this machine's database, and dpkg-query to compare it with.
func openDebian(t testing.TB) (*owner.Database, func(args ...string) string) {
	t.Helper()
	program, err := exec.LookPath("dpkg-query")
	if err != nil {
		t.Skip("dpkg-query is not installed")
	}
	return open(t, openHost(t)), func(args ...string) string {
		out, err := exec.Command(program, args...).Output() // fails when it finds one of many paths only
		if err != nil && len(out) == 0 {
			t.Fatalf("dpkg-query %q: %v", args, err)
		}
		return string(out)
	}
}

// sample returns every so many of a list, about n.
func sample(list []string, n int) []string {
	var some []string
	for i := 0; i < len(list); i += len(list)/n + 1 {
		some = append(some, list[i])
	}
	return some
}

func TestPackagesAreThoseThatDpkgQueryShows(t *testing.T) {
	db, query := openDebian(t)
	var want []string
	for line := range strings.Lines(query("-W", "-f",
		"${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n")) {
		switch status, rest, _ := strings.Cut(line, " "); status {
		case "not-installed", "config-files":
		default:
			want = append(want, strings.TrimSuffix(rest, "\n"))
		}
	}
	var got []string
	for _, p := range db.Packages() {
		if p.Kind == owner.Deb {
			got = append(got, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion}, " "))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	for _, line := range minus(want, got) {
		t.Errorf("dpkg-query has: %s", line)
	}
	for _, line := range minus(got, want) {
		t.Errorf("dpkg-query has not: %s", line)
	}
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { _, found := slices.BinarySearch(b, s); return found })
}

// lists returns the names of the packages that dpkg-query -S finds for paths.
func lists(query func(args ...string) string, paths []string) map[string][]string {
	packages := make(map[string][]string)
	for line := range strings.Lines(query(append([]string{"-S", "--"}, paths...)...)) {
		names, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || strings.HasPrefix(line, "diversion by ") {
			continue
		}
		for name1 := range strings.SplitSeq(names, ", ") {
			name1, _, _ = strings.Cut(name1, ":") // the architecture
			packages[name] = append(packages[name], name1)
		}
	}
	return packages
}

func TestOwnersAreThoseThatDpkgQueryFinds(t *testing.T) {
	db, query := openDebian(t)
	host := openHost(t)
	diverted := fileHas("/var/lib/dpkg/diversions")
	var paths []string
	for _, p := range sample(installed(t, db), 2000) {
		if info, err := host.Stat(p[1:]); err == nil && !info.IsDir() && !strings.ContainsAny(p, `*?[\`) && !diverted(p) {
			paths = append(paths, p)
		}
	}
	if len(paths) < 100 {
		t.Skipf("only %d files to compare", len(paths))
	}
	want := lists(query, paths)
	others := make(map[string]string) // other names of the same files
	for _, p := range paths {
		if real, err := host.RealPath(filepath.Dir(p)); err == nil {
			others[p] = real + "/" + filepath.Base(p)
		}
	}
	owners, err := db.Of(append(slices.Clone(paths), slices.Collect(maps.Values(others))...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		for _, name := range []string{p, others[p]} {
			if o, ok := owners[name]; !ok {
				t.Errorf("%s: nobody, but dpkg-query has %q for %s", name, want[p], p)
			} else if !slices.Contains(want[p], o.Name) || o.Link {
				t.Errorf("%s: %s, but dpkg-query has %q for %s", name, o.Name, want[p], p)
			}
		}
	}
	t.Logf("compared %d files", len(paths))
}

// installed returns the files of all packages.
func installed(t testing.TB, db *owner.Database) []string {
	t.Helper()
	var all []string
	for _, p := range db.Packages() {
		files, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			all = append(all, f.Path)
		}
	}
	return all
}

// fileHas returns a function that reports whether a line is in a file.
func fileHas(name string) func(line string) bool {
	data, err := os.ReadFile(name)
	if err != nil {
		data = nil
	}
	lines := strings.Split(string(data), "\n")
	return func(line string) bool { return slices.Contains(lines, line) }
}

func TestDivertedFilesOfThisMachine(t *testing.T) {
	db, query := openDebian(t)
	data, err := os.ReadFile("/var/lib/dpkg/diversions")
	if err != nil || len(data) == 0 {
		t.Skip("nothing is diverted")
	}
	lines := strings.Split(string(data), "\n")
	for i := 0; i+3 <= len(lines); i += 3 {
		from, to, by := lines[i], lines[i+1], lines[i+2]
		owners, err := db.Of(from, to)
		if err != nil {
			t.Fatal(err)
		}
		if o := owners[from]; by != ":" && (o.Package == nil || o.Name != by) {
			t.Errorf("%s: got %+v, diverted by %s", from, o, by)
		}
		for _, name := range lists(query, []string{from})[from] {
			if o := owners[to]; name != by && (o.Package == nil || o.Name != name || o.Path != to) {
				t.Errorf("%s: got %+v, want %s", to, o, name)
			}
		}
	}
}

func TestAlternativesBelongToWhomTheyLeadTo(t *testing.T) {
	db, _ := openDebian(t)
	host := openHost(t)
	entries, err := host.ReadDir("etc/alternatives")
	if err != nil {
		t.Skip(err)
	}
	want := make(map[string]string)
	for _, e := range entries {
		name := "/etc/alternatives/" + e.Name()
		info, err := host.Stat(name[1:])
		if e.Type()&fs.ModeSymlink == 0 || err != nil || info.IsDir() {
			continue
		}
		if want[name], err = host.RealPath(name); err != nil {
			t.Fatal(err)
		}
	}
	owners, err := db.Of(append(slices.Collect(maps.Keys(want)), slices.Collect(maps.Values(want))...)...)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range want {
		if owners[target].Package != nil && (owners[name].Package == nil || !owners[name].Link) {
			t.Errorf("%s: got %+v, but %s belongs to %s", name, owners[name], target, owners[target].Name)
		}
	}
}

// The law of the package: what Files lists, Of finds, through any folder's name.
func TestEveryFileOfAPackageHasAnOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("asks for all files of this machine")
	}
	db := open(t, openHost(t))
	all := installed(t, db)
	owners, err := db.Of(all...)
	if err != nil {
		t.Fatal(err)
	}
	host := openHost(t)
	for _, name := range all {
		if _, ok := owners[name]; ok {
			continue
		}
		if info, err := host.Stat(name[1:]); err == nil && info.IsDir() {
			continue // an empty folder, which several packages may have
		}
		t.Errorf("%s: nobody", name)
	}
	t.Logf("asked for %d files", len(all))
}

// someFiles returns n files below /usr, owned and not.
func someFiles(t testing.TB, n int) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"/usr/bin/*", "/usr/lib/lib*", "/usr/lib/*/lib*.so*", "/usr/share/*/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names...)
	}
	return sample(all, n)
}

func BenchmarkOpen(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		open(b, openHost(b))
	}
}

func BenchmarkOf100Paths(b *testing.B) {
	b.ReportAllocs()
	paths := someFiles(b, 100)
	for b.Loop() {
		if _, err := open(b, openHost(b)).Of(paths...); err != nil {
			b.Fatal(err)
		}
	}
}
