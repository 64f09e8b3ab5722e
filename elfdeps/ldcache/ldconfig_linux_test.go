package ldcache_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

// ldconfig returns the path of the machine's ldconfig. Without one, the test is
// skipped, unless HARVEST_REQUIRE names it.
func ldconfig(t *testing.T) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, "ldconfig")); err == nil {
			return p
		}
	}
	if slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), "ldconfig") {
		t.Fatal("no ldconfig on this machine, and HARVEST_REQUIRE names it")
	}
	t.Skip("no ldconfig on this machine")
	return ""
}

// trees are roots by name; each has its ld.so.conf.
func trees() map[string]string {
	const conf = "/etc/ld.so.conf text \"/opt/z\\n/usr/local/lib\\n/lib64\\n\"\n"
	trees := map[string]string{
		"empty": conf,
		"numbers": conf + `
			/lib64/libx.so.9 elf soname=libx.so.9
			/lib64/libx.so.10 elf soname=libx.so.10
			/lib64/lib9.so elf soname=lib9.so
			/lib64/lib10.so elf soname=lib10.so
			/lib64/lib.so elf soname=lib.so`,
		"yaml": conf + `
			/lib64/libyaml-0.so.2.0.9 elf soname=libyaml-0.so.2
			/lib64/libyaml-cpp.so.0.8.0 elf soname=libyaml-cpp.so.0.8`,
		"one soname in three directories": conf + `
			/lib64/libz.so.1.3 elf soname=libz.so.1
			/usr/local/lib/libz.so.1.2 elf soname=libz.so.1
			/opt/z/libz.so.1.1 elf soname=libz.so.1`,
		"hwcaps": conf + `
			/lib64/libz.so.1.3 elf soname=libz.so.1
			/lib64/glibc-hwcaps/x86-64-v2/libz.so.1.3 elf soname=libz.so.1
			/lib64/glibc-hwcaps/x86-64-v3/libz.so.1.3 elf soname=libz.so.1
			/opt/z/glibc-hwcaps/x86-64-v3/liba.so.1 elf soname=liba.so.1`,
		"subdirectories of before glibc-hwcaps": conf + `
			/lib64/libz.so.1 elf soname=libz.so.1
			/lib64/haswell/libz.so.1 elf soname=libz.so.1
			/lib64/tls/libz.so.1 elf soname=libz.so.1
			/lib64/haswell/avx512_1/libz.so.1 elf soname=libz.so.1`,
		"three architectures": conf + `
			/lib64/libz.so.1 elf soname=libz.so.1
			/usr/local/lib/libz.so.1 elf machine=386 soname=libz.so.1
			/opt/z/libz.so.1 elf machine=x86_64 class=32 soname=libz.so.1`,
	}
	for seed := range uint64(30) {
		trees[fmt.Sprintf("random %d", seed)] = conf + randomTree(rand.New(rand.NewPCG(seed, 0)))
	}
	return trees
}

// randomTree returns lines for libraries whose names are hard to sort.
func randomTree(random *rand.Rand) string {
	dirs := []string{"/opt/z", "/usr/local/lib", "/lib64", "/opt/z/glibc-hwcaps/x86-64-v2",
		"/lib64/glibc-hwcaps/x86-64-v3", "/lib64/glibc-hwcaps/x86-64-v4", "/usr/local/lib/haswell"}
	pieces := []string{"a", "b", "-", "_", "+", "0", "1", "9", "10", "010", "x86", "."}
	machines := []string{"", "", "", " machine=386", " machine=x86_64 class=32"}
	have := make(map[string]bool)
	var b strings.Builder
	for range random.IntN(60) {
		name := "lib"
		for range 1 + random.IntN(3) {
			name += pieces[random.IntN(len(pieces))]
		}
		name += fmt.Sprintf(".so.%d", random.IntN(12))
		file := dirs[random.IntN(len(dirs))] + "/" + name
		if have[file] {
			continue
		}
		have[file] = true
		fmt.Fprintf(&b, "%s elf soname=%s%s\n", file, name, machines[random.IntN(len(machines))])
	}
	return b.String()
}

// run writes a tree to the disk and returns the cache that ldconfig makes of it.
func run(t *testing.T, tree string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, elftest.MustRoot(t, tree)); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "etc/ld.so.cache")
	cmd := exec.Command(ldconfig(t), append(args, "-i", "-r", dir)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("ldconfig -r needs root: %v\n%s", err, out)
	}
	data, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAppendWritesTheBytesOfLdconfig(t *testing.T) {
	for name, tree := range trees() {
		t.Run(name, func(t *testing.T) {
			want := run(t, tree)
			c, err := ldcache.Parse(want, binary.NativeEndian)
			if err != nil {
				t.Fatal(err)
			}
			if c.Generator == "" {
				t.Skip("an ldconfig of before glibc 2.33")
			}
			if lines := strings.Count(tree, " elf "); len(c.Entries) < lines/4 {
				t.Fatalf("%d entries for %d libraries", len(c.Entries), lines)
			}
			c.Entries = shuffled(c.Entries)
			if got := write(t, c, binary.NativeEndian); !bytes.Equal(got, want) {
				again, _ := ldcache.Parse(want, binary.NativeEndian)
				mine, _ := ldcache.Parse(got, binary.NativeEndian)
				t.Errorf("got %d bytes\n%s\nwant %d bytes\n%s", len(got), entriesText(mine.Entries), len(want), entriesText(again.Entries))
			}
		})
	}
}

// shuffled puts entries into another order, but for those that differ in
// nothing but their path: theirs is that of the directories in ld.so.conf.
func shuffled(entries []ldcache.Entry) []ldcache.Entry {
	key := func(e ldcache.Entry) ldcache.Entry {
		e.Path = ""
		return e
	}
	same := make(map[ldcache.Entry][]ldcache.Entry)
	for _, e := range entries {
		same[key(e)] = append(same[key(e)], e)
	}
	random := rand.New(rand.NewPCG(7, 7))
	mixed := slices.Clone(entries)
	random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for i, e := range mixed {
		k := key(e)
		mixed[i], same[k] = same[k][0], same[k][1:]
	}
	return mixed
}

// In the file that has both formats, offsets in the extension count from
// another place.
func TestParseReadsBothFormatsOfLdconfig(t *testing.T) {
	for _, name := range []string{"hwcaps", "random 1", "random 2", "yaml"} {
		tree := trees()[name]
		want, err := ldcache.Parse(run(t, tree), binary.NativeEndian)
		if err != nil {
			t.Fatal(err)
		}
		data := run(t, tree, "-c", "compat")
		if !bytes.HasPrefix(data, []byte("ld.so-1.7.0")) {
			t.Fatal("not the old format first")
		}
		got, err := ldcache.Parse(data, binary.NativeEndian)
		if err != nil {
			t.Fatal(err)
		}
		if entriesText(got.Entries) != entriesText(want.Entries) || got.Generator != want.Generator {
			t.Errorf("%s: got %q\n%s\nwant %q\n%s", name, got.Generator, entriesText(got.Entries),
				want.Generator, entriesText(want.Entries))
		}
	}
}

func TestParseReturnsWhatLdconfigLists(t *testing.T) {
	data, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip(err)
	}
	c, err := ldcache.Parse(data, binary.NativeEndian)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ldconfig(t), "-p").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " ("); ok {
			if _, path, ok := strings.Cut(rest, ") => "); ok {
				want = append(want, name+" "+path)
			}
		}
	}
	var got []string
	for _, e := range c.Entries {
		got = append(got, e.Name+" "+e.Path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %d", len(got), len(want))
	}
}
