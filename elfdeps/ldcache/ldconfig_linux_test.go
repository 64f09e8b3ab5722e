package ldcache_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
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
		"great numbers": conf + `
			/lib64/libx-1700000000.so elf soname=libx-1700000000.so
			/lib64/libx-2147483647.so elf soname=libx-2147483647.so
			/lib64/libx-999999999.so elf soname=libx-999999999.so
			/lib64/libx-00000000000000000008.so elf soname=libx-00000000000000000008.so`,
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
	for seed := range uint64(60) {
		trees[fmt.Sprintf("random %d", seed)] = randomTree(rand.New(rand.NewPCG(seed, 0)))
	}
	return trees
}

// randomTree returns lines for libraries whose names are hard to sort, for an
// ld.so.conf that lists their directories in some order, and for links to both.
//
// Libraries that ldconfig passes over, being for another machine, are not put
// below glibc-hwcaps: if such a subdirectory has no others, ldconfig leaves its
// name among the strings, though no entry has it.
func randomTree(random *rand.Rand) string {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	dirs := []string{"/opt/z", "/opt/a/lib", "/usr/local/lib", "/lib64", "/usr/lib/x86_64-linux-gnu"}
	random.Shuffle(len(dirs), func(i, j int) { dirs[i], dirs[j] = dirs[j], dirs[i] })
	conf := 1 + random.IntN(len(dirs))
	var b strings.Builder
	fmt.Fprintf(&b, "/etc/ld.so.conf text %q\n", strings.Join(dirs[:conf], "\n")+"\ninclude /etc/ld.so.conf.d/*.conf\n")
	for i, dir := range dirs[conf:] {
		fmt.Fprintf(&b, "/etc/ld.so.conf.d/%c.conf text %q\n", 'z'-i, "# one more\n"+dir+"/\n")
	}
	have := make(map[string]bool)
	fresh := func(file string) bool {
		known := have[file]
		have[file] = true
		return !known
	}
	for range random.IntN(60) {
		name := "lib"
		for range 1 + random.IntN(3) {
			name += pick("a", "b", "-", "_", "+", "0", "1", "9", "10", "010", "x86", ".")
		}
		soname := fmt.Sprintf("%s.so.%d", name, random.IntN(12))
		dir := pick(dirs...) + pick("", "", "", "/glibc-hwcaps/x86-64-v2", "/glibc-hwcaps/x86-64-v3", "/glibc-hwcaps/x86-64-v4",
			"/glibc-hwcaps/other", "/haswell", "/tls")
		file := dir + "/" + soname + pick("", "", ".1", ".0.10")
		if !fresh(file) {
			continue
		}
		machine := pick("", "", "", " machine=386", " machine=x86_64 class=32", " machine=aarch64")
		if strings.Contains(dir, "glibc-hwcaps") {
			machine = strings.ReplaceAll(machine, " machine=aarch64", "")
		}
		fmt.Fprintf(&b, "%s elf%s%s\n", file, pick("", " soname="+soname, " soname="+soname, " soname="+soname), machine)
		if link := dir + "/" + name + ".so"; random.IntN(4) == 0 && fresh(link) {
			fmt.Fprintf(&b, "%s -> %s\n", link, path.Base(file))
		}
		if link := pick(dirs...) + "/" + soname; random.IntN(8) == 0 && fresh(link) {
			fmt.Fprintf(&b, "%s -> %s\n", link, file)
		}
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
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && os.Getuid() != 0:
		t.Skipf("ldconfig -r needs root: %v\n%s", err, out)
	case err != nil:
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
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
// another place. Random trees play no part: ldconfig 2.36 itself crashes when it
// writes this format of some of them.
func TestParseReadsBothFormatsOfLdconfig(t *testing.T) {
	for _, name := range []string{"empty", "hwcaps", "numbers", "one soname in three directories", "three architectures", "yaml"} {
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

// The host's cache, and one of each tree.
func TestParseReturnsWhatLdconfigLists(t *testing.T) {
	caches := map[string][]byte{}
	if data, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		caches["the host"] = data
	}
	for name, tree := range trees() {
		caches[name] = run(t, tree)
	}
	listed := 0
	for name, data := range caches {
		file := filepath.Join(t.TempDir(), "cache")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		c := parse(t, data)
		out, err := exec.Command(ldconfig(t), "-p", "-C", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			if entry, ok := strings.CutPrefix(line, "\t"); ok {
				want = append(want, strings.TrimSpace(entry))
			}
		}
		var got []string
		for _, e := range c.Entries {
			got = append(got, listLine(e))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		listed += len(got)
	}
	t.Logf("%d entries of %d caches", listed, len(caches))
}

// listLine returns an entry as ldconfig -p prints it.
func listLine(e ldcache.Entry) string {
	kind := map[uint32]string{1: "ELF", 3: "libc6", 0x303: "libc6,x86-64", 0x803: "libc6,x32", 0xa03: "libc6,AArch64"}[e.Flags]
	switch {
	case e.HwcapName != "":
		kind += fmt.Sprintf(", hwcap: %q", e.HwcapName)
	case e.Hwcap != 0:
		kind += fmt.Sprintf(", hwcap: %#016x", e.Hwcap)
	}
	return fmt.Sprintf("%s (%s) => %s", e.Name, kind, e.Path)
}
