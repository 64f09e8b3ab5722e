package ldcache_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

// cacheOf returns the cache that words of elftest describe.
func cacheOf(t testing.TB, words string) []byte {
	t.Helper()
	f, err := elftest.MustRoot(t, "/c cache "+strings.Join(strings.Fields(words), " ")).Open("c")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parse(t testing.TB, data []byte) *ldcache.Cache {
	t.Helper()
	c, err := ldcache.Parse(data, binary.LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c *ldcache.Cache, order binary.AppendByteOrder) []byte {
	t.Helper()
	data, err := c.Append(nil, order)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// entriesText returns entries as lines.
func entriesText(entries []ldcache.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%#x %s %q => %s\n", e.Flags, e.Name, e.HwcapName, e.Path)
	}
	return b.String()
}

const traps = `libx.so.9=/l/libx.so.9 libx.so.10=/l/libx.so.10 libyaml-0.so.2=/l/libyaml-0.so.2
	libyaml-cpp.so.0.8=/l/libyaml-cpp.so.0.8 libz.so.1=/opt/z/libz.so.1 libz.so.1=/l32/libz.so.1;flags=3
	libz.so.1=/lib/libz.so.1 libz.so.1=/v3/libz.so.1.3;hwcap=x86-64-v3 libz.so.1=/v2/libz.so.1.3;hwcap=x86-64-v2`

const wantTraps = `0x303 libz.so.1 "x86-64-v2" => /v2/libz.so.1.3
0x303 libz.so.1 "x86-64-v3" => /v3/libz.so.1.3
0x303 libz.so.1 "" => /opt/z/libz.so.1
0x303 libz.so.1 "" => /lib/libz.so.1
0x3 libz.so.1 "" => /l32/libz.so.1
0x303 libyaml-0.so.2 "" => /l/libyaml-0.so.2
0x303 libyaml-cpp.so.0.8 "" => /l/libyaml-cpp.so.0.8
0x303 libx.so.10 "" => /l/libx.so.10
0x303 libx.so.9 "" => /l/libx.so.9
`

func TestParseReturnsTheEntriesOfTheFileInOrder(t *testing.T) {
	for _, format := range []string{"", " compat"} {
		if got := entriesText(parse(t, cacheOf(t, traps+format)).Entries); got != wantTraps {
			t.Errorf("%q: got\n%s\nwant\n%s", format, got, wantTraps)
		}
	}
}

func TestAppendSortsAsTheLoaderSearches(t *testing.T) {
	c := parse(t, cacheOf(t, "unsorted "+traps))
	before := slices.Clone(c.Entries)
	for _, order := range []interface {
		binary.AppendByteOrder
		binary.ByteOrder
	}{binary.LittleEndian, binary.BigEndian} {
		again, err := ldcache.Parse(write(t, c, order), order)
		if err != nil {
			t.Fatal(err)
		}
		if got := entriesText(again.Entries); got != wantTraps {
			t.Errorf("%v: got\n%s\nwant\n%s", order, got, wantTraps)
		}
	}
	if !slices.Equal(c.Entries, before) {
		t.Error("Append has changed its receiver")
	}
}

// Loaders that are too old for the extension, and the one of the example of
// section 5.5 in the format's description, read just these bytes.
func TestAppendWritesTheFormatToTheByte(t *testing.T) {
	c := ldcache.Cache{Generator: "harvest", Entries: []ldcache.Entry{
		{Flags: 0x303, Name: "libc.so.6", Path: "/lib64/libc.so.6"},
		{Flags: 0x303, Name: "libtinfo.so.6", Path: "/lib64/libtinfo.so.6"},
	}}
	want := strings.Join([]string{
		"676c6962632d6c642e736f2e6361636865312e31", "02000000", "26000000", "02000000",
		"88000000", "000000000000000000000000",
		"03030000", "67000000", "60000000", "00000000", "0000000000000000",
		"03030000", "7c000000", "75000000", "00000000", "0000000000000000",
		hex.EncodeToString([]byte("/lib64/libtinfo.so.6\x00/lib64/libc.so.6\x00")), "0000",
		"7421a4ea", "01000000", "00000000", "00000000", "a0000000", "07000000",
		hex.EncodeToString([]byte("harvest")),
	}, "")
	if got := hex.EncodeToString(write(t, &c, binary.LittleEndian)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	c := ldcache.Cache{Entries: []ldcache.Entry{{Name: "liba.so", Path: "/liba.so"}}}
	alone := write(t, &c, binary.LittleEndian)
	got, err := c.Append([]byte("x"), binary.LittleEndian)
	if err != nil || string(got) != "x"+string(alone) {
		t.Errorf("got %q, %v, want x and %q", got, err, alone)
	}
}

func TestAppendRefusesNamesThatMachinesOrderDifferently(t *testing.T) {
	for _, name := range []string{"libä.so", "lib\x80.so", "liba.so.2147483648", "liba-20260101123456.so", "lib\x00.so"} {
		c := ldcache.Cache{Entries: []ldcache.Entry{{Name: name, Path: "/x"}}}
		if data, err := c.Append(nil, binary.LittleEndian); err == nil || ldcache.Sortable(name) {
			t.Errorf("%q: got %d bytes, want an error", name, len(data))
		}
	}
}

func TestAppendWritesNamesWithGreatNumbers(t *testing.T) {
	for _, name := range []string{"liba-2147483647.so", "libx-1700000000.so", "lib000000000000000000000001.so", "lib2147483647-2147483647"} {
		c := ldcache.Cache{Entries: []ldcache.Entry{{Name: "liba.so", Path: "/a"}, {Name: name, Path: "/x"}, {Name: "liba-9.so", Path: "/9"}}}
		again, err := ldcache.Parse(write(t, &c, binary.LittleEndian), binary.LittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Lookup(name); len(got) != 1 || got[0].Path != "/x" || !ldcache.Sortable(name) {
			t.Errorf("%s: got\n%s", name, entriesText(got))
		}
	}
}

func TestCompareOrdersNamesAsTheLoaderDoes(t *testing.T) {
	for _, names := range []string{
		"liba.so.2 liba.so.10", "libyaml-cpp.so libyaml-0.so", "lib liba", "lib-1 lib1", "libA liba", "liba.so liba1.so",
		"lib1 lib1a", "lib01a lib2", "lib1.so.1 lib1.so.01.1",
	} {
		less, more, _ := strings.Cut(names, " ")
		if a, b := ldcache.Compare(less, more), ldcache.Compare(more, less); a >= 0 || b <= 0 {
			t.Errorf("%s: got %d and %d", names, a, b)
		}
	}
	if got := ldcache.Compare("lib007", "lib7"); got != 0 {
		t.Errorf("lib007 lib7: got %d, want 0", got)
	}
}

// In a sorted cache the binary search finds what a look at every entry finds.
func TestLookupFindsAllEntriesOfAName(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var c ldcache.Cache
		for range random.IntN(30) {
			name := fmt.Sprintf("lib%d.so.%d", random.IntN(5), random.IntN(12))
			c.Entries = append(c.Entries, ldcache.Entry{Name: name, Path: fmt.Sprint(random.IntN(100)), Flags: 3})
		}
		sorted := parse(t, write(t, &c, binary.LittleEndian))
		for i := range 5 * 12 {
			name := fmt.Sprintf("lib%d.so.%d", i%5, i/5)
			var want []ldcache.Entry
			for _, e := range c.Entries {
				if e.Name == name {
					want = append(want, e)
				}
			}
			if got := sorted.Lookup(name); !slices.Equal(got, want) {
				t.Fatalf("%s: got\n%s\nwant\n%s", name, entriesText(got), entriesText(want))
			}
		}
	}
}

func TestLookupMissesWhatIsOutOfOrder(t *testing.T) {
	c := parse(t, cacheOf(t, "unsorted liba.so=/liba.so libb.so=/libb.so libc.so=/libc.so"))
	for name, want := range map[string]int{"liba.so": 0, "libb.so": 1, "libc.so": 0} {
		if got := c.Lookup(name); len(got) != want {
			t.Errorf("%s: got\n%s\nwant %d entries", name, entriesText(got), want)
		}
	}
}

// A cut cache is refused, or has lost no more than its extension.
func TestParseOfCutCaches(t *testing.T) {
	for _, format := range []string{"", " compat"} {
		data := cacheOf(t, traps+format)
		whole := parse(t, data)
		for n := range data {
			c, err := ldcache.Parse(data[:n], binary.LittleEndian)
			if err != nil {
				if !errors.Is(err, ldcache.ErrFormat) {
					t.Errorf("%d of %d bytes: %v", n, len(data), err)
				}
				continue
			}
			if len(c.Entries) != len(whole.Entries) || c.Entries[0].Path != whole.Entries[0].Path {
				t.Errorf("%d of %d bytes: got\n%s", n, len(data), entriesText(c.Entries))
			}
		}
	}
}

func TestParseRefusesWhatTheLoaderIgnores(t *testing.T) {
	old := "ld.so-1.7.0\x00\x00\x00\x00\x00"
	for name, data := range map[string][]byte{
		"empty":            nil,
		"garbage":          cacheOf(t, "liba.so=/liba.so garbage"),
		"other order":      cacheOf(t, "liba.so=/liba.so big"),
		"old format alone": []byte(old),
		"lying count":      cacheOf(t, "liba.so=/liba.so truncate=60"),
		"old, then cut":    append([]byte(old), cacheOf(t, "liba.so=/liba.so truncate=40")...),
	} {
		if c, err := ldcache.Parse(data, binary.LittleEndian); !errors.Is(err, ldcache.ErrFormat) {
			t.Errorf("%s: got %+v, %v, want %v", name, c, err, ldcache.ErrFormat)
		}
	}
	if _, err := ldcache.Parse(cacheOf(t, "liba.so=/liba.so big"), binary.BigEndian); err != nil {
		t.Errorf("the right order: %v", err)
	}
}

// One string can serve all entries, each of which would have to find its end.
func TestParseRefusesStringsThatNoPathIsAsLongAs(t *testing.T) {
	for length, ok := range map[int]bool{4095: true, 4096: false, 1 << 20: false} {
		c := ldcache.Cache{Entries: []ldcache.Entry{{Name: "liba.so", Path: strings.Repeat("x", length)}}}
		if _, err := ldcache.Parse(write(t, &c, binary.LittleEndian), binary.LittleEndian); (err == nil) != ok {
			t.Errorf("%d bytes: got %v", length, err)
		}
	}
}

// Byte 28 was always 0 before glibc 2.33.
func TestParseTakesACacheThatSaysNoByteOrder(t *testing.T) {
	data := cacheOf(t, "liba.so=/liba.so")
	for flag, ok := range map[byte]bool{0: true, 1: false, 2: true, 3: false, 4: false, 6: true} {
		data[28] = flag
		if _, err := ldcache.Parse(data, binary.LittleEndian); (err == nil) != ok {
			t.Errorf("flag %d: %v", flag, err)
		}
	}
}

// What this machine's ldconfig wrote comes out as it went in.
func TestTheCacheOfThisMachineSurvivesARoundTrip(t *testing.T) {
	data, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip(err)
	}
	c, err := ldcache.Parse(data, binary.NativeEndian)
	if err != nil || c.Generator == "" {
		t.Skipf("not of glibc 2.33 or later: %v", err)
	}
	if got := write(t, c, binary.NativeEndian); !bytes.Equal(got, data) {
		t.Errorf("%d entries: got %d bytes, want the %d of the file", len(c.Entries), len(got), len(data))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(cacheOf(f, traps), false)
	f.Add(cacheOf(f, traps+" compat"), false)
	f.Add(cacheOf(f, "big liba.so=/liba.so"), true)
	f.Add(cacheOf(f, ""), false)
	f.Add(cacheOf(f, "liba.so=/"+strings.Repeat("x", 4096)), false)
	f.Fuzz(func(t *testing.T, data []byte, big bool) {
		var order interface {
			binary.ByteOrder
			binary.AppendByteOrder
		} = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		c, err := ldcache.Parse(data, order)
		if err != nil {
			return
		}
		for _, e := range c.Entries {
			c.Lookup(e.Name)
			if (e.HwcapName != "") != (e.Hwcap>>62 == 1) {
				return // names a subdirectory that is not there
			}
		}
		once, err := c.Append(nil, order)
		if err != nil {
			return
		}
		again, err := ldcache.Parse(once, order)
		if err != nil {
			t.Fatalf("parsing what Append wrote: %v", err)
		}
		for _, e := range again.Entries {
			if len(again.Lookup(e.Name)) == 0 {
				t.Errorf("%q is there and not found", e.Name)
			}
		}
		if twice, err := again.Append(nil, order); err != nil || !reflect.DeepEqual(once, twice) {
			t.Errorf("written again: %d bytes instead of %d, %v", len(twice), len(once), err)
		}
	})
}

func ExampleCache_Append() {
	c := ldcache.Cache{Generator: "harvest", Entries: []ldcache.Entry{
		{Flags: 0x303, Name: "libx.so.9", Path: "/opt/x/libx.so.9"},
		{Flags: 0x303, Name: "libx.so.10", Path: "/opt/x/libx.so.10"},
	}}
	data, err := c.Append(nil, binary.LittleEndian)
	if err != nil {
		fmt.Println(err)
		return
	}
	sorted, err := ldcache.Parse(data, binary.LittleEndian)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range sorted.Entries {
		fmt.Println(e.Name, "=>", e.Path)
	}
	fmt.Println(sorted.Lookup("libx.so.9")[0].Path)
	// Output:
	// libx.so.10 => /opt/x/libx.so.10
	// libx.so.9 => /opt/x/libx.so.9
	// /opt/x/libx.so.9
}
