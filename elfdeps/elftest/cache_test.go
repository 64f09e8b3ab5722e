package elftest_test

import (
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

func cacheOf(t *testing.T, words string) []byte {
	t.Helper()
	data, err := fs.ReadFile(elftest.MustRoot(t, "/c cache "+words), "c")
	must(t, err)
	return data
}

func TestCacheHasTheLayoutOfGlibc(t *testing.T) {
	got := cacheOf(t, "libc.so.6=/l/libc.so.6 libz=/z;hwcap=v2")
	want := strings.Join([]string{
		hex.EncodeToString([]byte("glibc-ld.so.cache1.1")), "02000000", "22000000", "02000000",
		"84000000", "00000000", "00000000", "00000000",
		"03030000", "60000000", "65000000", "00000000", "00000000", "00000040", // libz
		"03030000", "68000000", "72000000", "00000000", "00000000", "00000000", // libc.so.6
		hex.EncodeToString([]byte("libz\x00/z\x00libc.so.6\x00/l/libc.so.6\x00v2\x00")), "0000",
		// The array of names is at 0x9c, and v2 at 0x7f.
		"7421a4ea", "01000000", "01000000", "00000000", "9c000000", "04000000", "7f000000",
	}, "")
	if g := hex.EncodeToString(got); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}

func TestLdconfigListsTheCacheInOrder(t *testing.T) {
	ldconfig := lookPath(t, "ldconfig")
	const plain = `libx.so.9=/l/libx.so.9 libx.so.10=/l/libx.so.10 libyaml-0.so.2=/l/libyaml-0.so.2
		libyaml-cpp.so.0.8=/l/libyaml-cpp.so.0.8 libz.so.1=/opt/z/libz.so.1;flags=0x303;hwcap=0
		libz.so.1=/l32/libz.so.1;flags=3 libz.so.1=/lib/libz.so.1 `
	const hwcaps = `libz.so.1=/lib/glibc-hwcaps/x86-64-v3/libz.so.1.3;hwcap=x86-64-v3
		libz.so.1=/lib/glibc-hwcaps/x86-64-v2/libz.so.1.3;hwcap=x86-64-v2 `
	const wantHwcaps = `libz.so.1 (libc6,x86-64, hwcap: "x86-64-v2") => /lib/glibc-hwcaps/x86-64-v2/libz.so.1.3
libz.so.1 (libc6,x86-64, hwcap: "x86-64-v3") => /lib/glibc-hwcaps/x86-64-v3/libz.so.1.3
`
	const want = `libz.so.1 (libc6,x86-64) => /opt/z/libz.so.1
libz.so.1 (libc6,x86-64) => /lib/libz.so.1
libz.so.1 (libc6) => /l32/libz.so.1
libyaml-0.so.2 (libc6,x86-64) => /l/libyaml-0.so.2
libyaml-cpp.so.0.8 (libc6,x86-64) => /l/libyaml-cpp.so.0.8
libx.so.10 (libc6,x86-64) => /l/libx.so.10
libx.so.9 (libc6,x86-64) => /l/libx.so.9
`
	unsorted := "libx.so.9 (libc6,x86-64) => /l/libx.so.9\nlibx.so.10 (libc6,x86-64) => /l/libx.so.10\n"
	for _, tt := range []struct{ words, want string }{
		{plain, want},
		{plain + hwcaps, wantHwcaps + want},
		{plain + "compat", want},
		{"", ""},
		{"compat liba.so=/liba.so", "liba.so (libc6,x86-64) => /liba.so\n"},
		{"liba.so=/a compat libb.so=/b", "libb.so (libc6,x86-64) => /b\nliba.so (libc6,x86-64) => /a\n"},
		{"unsorted libx.so.9=/l/libx.so.9 libx.so.10=/l/libx.so.10", unsorted},
	} {
		file := filepath.Join(t.TempDir(), "cache")
		must(t, os.WriteFile(file, cacheOf(t, strings.Join(strings.Fields(tt.words), " ")), 0o644))
		out, err := exec.Command(ldconfig, "-p", "-C", file).CombinedOutput()
		head, list, _ := strings.Cut(string(out), "\n")
		if got := strings.ReplaceAll(list, "\t", ""); err != nil || got != tt.want {
			t.Errorf("%s: %v, %s\ngot\n%s\nwant\n%s", tt.words, err, head, got, tt.want)
		}
	}
}

func TestBigEndianCacheIsTheSameInTheOtherOrder(t *testing.T) {
	little, big := cacheOf(t, "liba.so=/liba.so;flags=0x403"), cacheOf(t, "big liba.so=/liba.so;flags=0x403")
	if little[28] != 2 || big[28] != 3 || len(little) != len(big) {
		t.Fatalf("byte orders %d, %d; lengths %d, %d", little[28], big[28], len(little), len(big))
	}
	for _, at := range []int{20, 24, 32, 48, 52, 56} {
		if l, b := binary.LittleEndian.Uint32(little[at:]), binary.BigEndian.Uint32(big[at:]); l != b {
			t.Errorf("word at %d: %#x, %#x", at, l, b)
		}
	}
}

func TestDamagedCachesAreDamaged(t *testing.T) {
	if got := cacheOf(t, "liba.so=/liba.so truncate=60"); len(got) != 60 {
		t.Errorf("truncate=60 left %d bytes", len(got))
	}
	if got := cacheOf(t, "liba.so=/liba.so garbage"); strings.Contains(string(got), "liba") || len(got) == 0 {
		t.Errorf("garbage is %q", got)
	}
}
