package elftest_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

// layouts are the words for each class and byte order.
var layouts = []string{
	"class=64 data=lsb",
	"class=64 data=msb machine=s390x",
	"class=32 data=lsb machine=arm flags=0x5000400",
	"class=32 data=msb machine=mips type=exec",
}

const everything = `interp=/lib/ld.so.1 soname=libme.so.2
	needed=liba.so.1,libb.so.2 filter=libf.so auxiliary=libx.so needed=libc.so.6
	audit=libaud.so rpath=/r runpath=$ORIGIN/../lib nodeflib import=pthread_exit,malloc export=me_init
	verneed=libc.so.6:GLIBC_2.38,GLIBC_2.4 verneed=liba.so.1:A_1 verdef=ME_1,ME_2 text=hello
	dlopen='[{"soname":["libz.so.1"]}]' dlopen='{"soname":"libq.so"}'`

func build(t testing.TB, words string) []byte {
	t.Helper()
	f, err := elftest.Parse(strings.Join(strings.Fields(words), " "))
	if err != nil {
		t.Fatal(err)
	}
	return f.Bytes()
}

func TestDebugElfReadsBackWhatWasWritten(t *testing.T) {
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			f, err := elf.NewFile(bytes.NewReader(build(t, everything+" sections "+layout)))
			if err != nil {
				t.Fatal(err)
			}
			got := describe(t, f)
			want := `NEEDED [liba.so.1 libb.so.2 libc.so.6]
SONAME [libme.so.2]
RPATH [/r]
RUNPATH [$ORIGIN/../lib]
FLAGS_1 [2048]
export me_init
import malloc
import pthread_exit
version A_1 of liba.so.1
version GLIBC_2.38 of libc.so.6
version GLIBC_2.4 of libc.so.6
version ME_1
version ME_2
version libme.so.2
.interp "/lib/ld.so.1\x00"
.rodata "hello"
`
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// describe returns what debug/elf finds through the section table.
func describe(t *testing.T, f *elf.File) string {
	t.Helper()
	var b strings.Builder
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tag := range []elf.DynTag{elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH} {
		list, err := f.DynString(tag)
		must(err)
		fmt.Fprintln(&b, strings.TrimPrefix(tag.String(), "DT_"), list)
	}
	flags, err := f.DynValue(elf.DT_FLAGS_1)
	must(err)
	fmt.Fprintln(&b, "FLAGS_1", flags)
	symbols, err := f.DynamicSymbols()
	must(err)
	var lines []string
	for _, s := range symbols {
		kind := "export "
		if s.Section == elf.SHN_UNDEF {
			kind = "import "
		}
		lines = append(lines, kind+s.Name)
	}
	needs, err := f.DynamicVersionNeeds()
	must(err)
	for _, n := range needs {
		for _, v := range n.Needs {
			lines = append(lines, "version "+v.Dep+" of "+n.Name)
		}
	}
	defs, err := f.DynamicVersions()
	must(err)
	for _, d := range defs {
		lines = append(lines, "version "+d.Name)
	}
	slices.Sort(lines)
	fmt.Fprintln(&b, strings.Join(lines, "\n"))
	for _, name := range []string{".interp", ".rodata"} {
		data, err := f.Section(name).Data()
		must(err)
		fmt.Fprintf(&b, "%s %q\n", name, data)
	}
	return b.String()
}

func TestHeaderSaysWhatTheWordsSay(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"", "ELFCLASS64 ELFDATA2LSB EM_X86_64 ET_DYN ELFOSABI_NONE 0x0"},
		{"class=32", "ELFCLASS32 ELFDATA2LSB EM_386 ET_DYN ELFOSABI_NONE 0x0"},
		{"machine=x86_64 class=32", "ELFCLASS32 ELFDATA2LSB EM_X86_64 ET_DYN ELFOSABI_NONE 0x0"},
		{"class=32 machine=x86_64", "ELFCLASS32 ELFDATA2LSB EM_X86_64 ET_DYN ELFOSABI_NONE 0x0"},
		{"machine=s390x type=exec osabi=gnu", "ELFCLASS64 ELFDATA2MSB EM_S390 ET_EXEC ELFOSABI_LINUX 0x0"},
		{"machine=ppc64le flags=2", "ELFCLASS64 ELFDATA2LSB EM_PPC64 ET_DYN ELFOSABI_NONE 0x2"},
		{"machine=40 class=32 type=rel osabi=9", "ELFCLASS32 ELFDATA2LSB EM_ARM ET_REL ELFOSABI_FREEBSD 0x0"},
	} {
		image := build(t, tt.words)
		f, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			t.Errorf("%q: %v", tt.words, err)
			continue
		}
		flagsAt := 48
		if f.Class == elf.ELFCLASS32 {
			flagsAt = 36
		}
		flags := f.ByteOrder.Uint32(image[flagsAt:])
		got := fmt.Sprintf("%v %v %v %v %v %#x", f.Class, f.Data, f.Machine, f.Type, f.OSABI, flags)
		if got != tt.want {
			t.Errorf("%q:\ngot  %s\nwant %s", tt.words, got, tt.want)
		}
	}
}

func TestDynamicPointsToAddressesThatAreNoOffsets(t *testing.T) {
	for _, layout := range layouts {
		f, err := elf.NewFile(bytes.NewReader(build(t, everything+" sections "+layout)))
		if err != nil {
			t.Fatal(err)
		}
		for tag, name := range map[elf.DynTag]string{
			elf.DT_STRTAB: ".dynstr", elf.DT_SYMTAB: ".dynsym", elf.DT_HASH: ".hash",
			elf.DT_VERNEED: ".gnu.version_r", elf.DT_VERDEF: ".gnu.version_d", elf.DT_VERSYM: ".gnu.version",
		} {
			values, err := f.DynValue(tag)
			s := f.Section(name)
			if err != nil || len(values) != 1 || values[0] != s.Addr || s.Addr < s.Offset+0x1000 {
				t.Errorf("%s: %v = %#x, %v; section at offset %#x, address %#x", layout, tag, values, err, s.Offset, s.Addr)
			}
		}
	}
}

func TestDynamicEntriesKeepTheOrderOfTheirWords(t *testing.T) {
	for _, layout := range layouts {
		f, err := elf.NewFile(bytes.NewReader(build(t, "sections needed=a filter=b empty-needed needed=c,d auxiliary=e "+
			"needed-offset=0x7777 needed=c "+layout)))
		if err != nil {
			t.Fatal(err)
		}
		data, _ := f.Section(".dynamic").Data()
		word := int(f.Section(".dynamic").Entsize / 2)
		strs, _ := f.Section(".dynstr").Data()
		var got []string
		for ; ; data = data[2*word:] {
			at := func(b []byte) uint64 {
				if word == 8 {
					return f.ByteOrder.Uint64(b)
				}
				return uint64(f.ByteOrder.Uint32(b))
			}
			tag, val := elf.DynTag(at(data)), at(data[word:])
			if tag == elf.DT_HASH {
				break
			}
			str := fmt.Sprintf("%#x", val)
			if val < uint64(len(strs)) {
				name, _, _ := strings.Cut(string(strs[val:]), "\x00")
				str = fmt.Sprintf("%q", name)
			}
			got = append(got, fmt.Sprint(tag, " ", str))
		}
		want := []string{`DT_NEEDED "a"`, `DT_FILTER "b"`, `DT_NEEDED ""`, `DT_NEEDED "c"`, `DT_NEEDED "d"`,
			`DT_AUXILIARY "e"`, `DT_NEEDED 0x7777`, `DT_NEEDED "c"`}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %s\nwant %s", layout, got, want)
		}
	}
}

func TestNotesAreInTheirSegment(t *testing.T) {
	for _, layout := range layouts {
		f, err := elf.NewFile(bytes.NewReader(build(t, "dlopen='{}' "+layout)))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_NOTE })
		got := make([]byte, f.Progs[i].Filesz)
		if _, err := f.Progs[i].ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		want := binary.BigEndian.AppendUint32(nil, 4)
		want = binary.BigEndian.AppendUint32(want, 3)
		want = binary.BigEndian.AppendUint32(want, 0x407c0c0a)
		if f.Data == elf.ELFDATA2LSB {
			for i := 0; i < len(want); i += 4 {
				slices.Reverse(want[i : i+4])
			}
		}
		want = append(want, "FDO\x00{}\x00\x00"...)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", layout, got, want)
		}
	}
}

func TestFilesAreSmallAndEqualForEqualWords(t *testing.T) {
	image := build(t, everything)
	if len(image) > 2048 || !bytes.Equal(image, build(t, everything)) {
		t.Errorf("got %d bytes, want at most 2048, and the same each time", len(image))
	}
}

func TestDamageIsWhereItsWordSays(t *testing.T) {
	for _, layout := range layouts {
		whole := build(t, everything+" sections "+layout)
		f, err := elf.NewFile(bytes.NewReader(whole))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			word    string
			changed int // bytes
		}{
			{"phnum=0xffff", 2}, {"phentsize=0", 1}, {"dynamic-past-end", 2}, {"dynamic-filesz=0", 2},
			{"shnum=0", 1}, {"shentsize=0", 1}, {"shstrndx=0xffff", 2}, {"shoff=0", 2},
			{"section-dynamic-renamed", 1}, {"section-dynstr-lies", 1}, {"garbage", len(whole)},
		} {
			got := 0
			for i, c := range build(t, everything+" sections "+tt.word+" "+layout) {
				if c != whole[i] {
					got++
				}
			}
			if got == 0 || got > tt.changed {
				t.Errorf("%s %s: got %d bytes changed, want 1 to %d", layout, tt.word, got, tt.changed)
			}
		}
		if got := build(t, everything+" sections truncate=80 "+layout); !bytes.Equal(got, whole[:80]) {
			t.Errorf("%s: truncate=80 left %d bytes, or others", layout, len(got))
		}
		renamed, err := elf.NewFile(bytes.NewReader(build(t, everything+" sections section-dynamic-renamed "+layout)))
		if err != nil || renamed.SectionByType(elf.SHT_DYNAMIC) != nil || f.SectionByType(elf.SHT_DYNAMIC) == nil {
			t.Errorf("%s: section-dynamic-renamed left an SHT_DYNAMIC (%v)", layout, err)
		}
		lying, err := elf.NewFile(bytes.NewReader(build(t, everything+" sections section-dynstr-lies "+layout)))
		if libs, _ := lying.ImportedLibraries(); err != nil || len(libs) == 0 || libs[0] != "iba.so.1" {
			t.Errorf("%s: section-dynstr-lies: got %q, %v, want names without their first letters", layout, libs, err)
		}
		moved, err := elf.NewFile(bytes.NewReader(build(t, "needed=a dynamic-past-end "+layout)))
		i := slices.IndexFunc(moved.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_DYNAMIC })
		if size := uint64(len(build(t, "needed=a "+layout))); err != nil || moved.Progs[i].Off != size-1 {
			t.Errorf("%s: dynamic-past-end: offset %d of %d, %v", layout, moved.Progs[i].Off, size, err)
		}
	}
}

func TestDamageCombinesInAnyOrder(t *testing.T) {
	for _, layout := range layouts {
		got := build(t, "truncate=7 garbage shoff=0xffffffffffffffff phnum=0xffff sections "+
			"dynamic-past-end section-dynstr-lies "+layout)
		if len(got) != 7 {
			t.Errorf("%s: got %d bytes, want 7", layout, len(got))
		}
	}
}

func TestReadelfReadsFilesWithoutWarnings(t *testing.T) {
	readelf := lookPath(t, "readelf")
	for _, layout := range layouts {
		for _, sections := range []string{"", " sections"} {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, build(t, everything+" "+layout+sections), 0o644); err != nil {
				t.Fatal(err)
			}
			// The exit status tells nothing: it is 1 for a type of note that readelf does not know.
			cmd := exec.Command(readelf, "--wide", "--dynamic", "--segments", "--syms", "--use-dynamic", "--notes", file)
			cmd.Env = append(os.Environ(), "LC_ALL=C")
			out, _ := cmd.CombinedOutput()
			text := string(out)
			for _, want := range []string{
				"program interpreter: /lib/ld.so.1]", "Library soname: [libme.so.2]", "Shared library: [libb.so.2]",
				"Filter library: [libf.so]", "Auxiliary library: [libx.so]", "Audit library: [libaud.so]", "Library rpath: [/r]",
				"Library runpath: [$ORIGIN/../lib]", "Flags: NODEFLIB", "UND pthread_exit", "ABS me_init", "0x407c0c0a",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%s: no %q", layout, want)
				}
			}
			if strings.Contains(text, "Warning:") || strings.Contains(text, "Error:") {
				t.Errorf("%s: complaints", layout)
			}
			if t.Failed() {
				t.Fatalf("readelf says:\n%s", text)
			}
		}
	}
}

func lookPath(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	t.Skipf("no %s on this machine", name)
	return ""
}
