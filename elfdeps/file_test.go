package elfdeps_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

// layouts are the words for each class and byte order.
var layouts = []string{
	"machine=x86_64",
	"machine=s390x",
	"machine=386",
	"machine=mips type=exec",
}

const everyEntry = `interp=/lib/ld.so.1 needed=liba.so.1,libb.so.2 filter=libf.so soname=libme.so.2
	auxiliary=libx.so needed=libc.so.6 audit=libaud.so depaudit=libdep.so rpath=/r runpath=$ORIGIN/../lib nodeflib
	text=hello dlopen='[]' import=exit export=me verneed=liba.so.1:A_1,A_2 verneed=libc.so.6:C_1 verdef=ME_1,ME_2`

func build(t testing.TB, words string) []byte {
	t.Helper()
	f, err := elftest.Parse(strings.Join(strings.Fields(words), " "))
	if err != nil {
		t.Fatal(err)
	}
	return f.Bytes()
}

func read(data []byte) (*elfdeps.File, error) {
	return elfdeps.Read(bytes.NewReader(data), int64(len(data)))
}

// fileText returns what was read of a file as one line for each field.
func fileText(f *elfdeps.File) string {
	var b strings.Builder
	fmt.Fprintln(&b, f.Arch, f.Arch.Class, f.Arch.Data, f.Type)
	fmt.Fprintf(&b, "interp %s soname %s\n", f.Interp, f.Soname)
	fmt.Fprintf(&b, "rpath %q runpath %q %v %v\n", f.Rpath, f.Runpath, f.HasRunpath, f.Flags1)
	for _, dep := range f.Needed {
		fmt.Fprintln(&b, dep.Tag, dep.Name)
	}
	if len(f.VerNeed)+len(f.VerDef) > 0 {
		fmt.Fprintln(&b, f.VerNeed, f.VerDef)
	}
	return b.String()
}

func TestReadOfEveryLayout(t *testing.T) {
	const entries = `interp /lib/ld.so.1 soname libme.so.2
rpath "" runpath "$ORIGIN/../lib" true DF_1_NODEFLIB
DT_NEEDED liba.so.1
DT_NEEDED libb.so.2
DT_FILTER libf.so
DT_AUXILIARY libx.so
DT_NEEDED libc.so.6
DT_AUDIT libaud.so
DT_DEPAUDIT libdep.so
[{liba.so.1 [A_1 A_2]} {libc.so.6 [C_1]}] [libme.so.2 ME_1 ME_2]
`
	for i, want := range []string{
		"linux/amd64 ELFCLASS64 ELFDATA2LSB ET_DYN\n",
		"linux/s390x ELFCLASS64 ELFDATA2MSB ET_DYN\n",
		"linux/386 ELFCLASS32 ELFDATA2LSB ET_DYN\n",
		"linux/mips ELFCLASS32 ELFDATA2MSB ET_EXEC\n",
	} {
		f, err := read(build(t, everyEntry+" "+layouts[i]))
		if err != nil {
			t.Errorf("%s: %v", layouts[i], err)
			continue
		}
		if got := fileText(f); got != want+entries {
			t.Errorf("%s: got\n%s\nwant\n%s", layouts[i], got, want+entries)
		}
	}
}

// Programs run whatever their section headers say.
func TestReadLooksAtNoSectionHeader(t *testing.T) {
	for _, layout := range layouts {
		want, err := read(build(t, everyEntry+" "+layout))
		if err != nil {
			t.Fatal(err)
		}
		for _, damage := range []string{
			"shoff=0 shentsize=0 shnum=0 shstrndx=0", "shstrndx=0xfff0", "shoff=0x7ffffff0", "shnum=0",
			"shentsize=0", "section-dynamic-renamed", "section-dynstr-lies",
		} {
			got, err := read(build(t, everyEntry+" sections "+damage+" "+layout))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s: got %+v, %v, want %+v", layout, damage, got, err, want)
			}
		}
	}
}

func TestReadSaysWhatIsDamaged(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"needed=liba.so phnum=0xffff", "the number of program headers is not in the header"},
		{"needed=liba.so phentsize=1", "program headers of 1 bytes instead of 56"},
		{"needed=liba.so phnum=0x7fff", "1834952 bytes at 0x40 for its program headers are more than the file's 456"},
		{"needed-offset=0x7777", "string offset 30583 of DT_NEEDED lies past the table's 1 bytes"},
		{"needed=liba.so dynamic-past-end", "112 bytes at 0x1c7 for its dynamic section are more than the file's 456"},
		{"needed=liba.so dynamic-filesz=0", "its dynamic section is not in the file, as in one that holds only debugging information"},
		{"needed=liba.so dynamic-filesz=0x40000000", "1048576 bytes at 0x158 for its dynamic section are more than the file's 456"},
		{"needed=liba.so truncate=63", "63 bytes are too few for its header"},
		{"needed=liba.so truncate=100", "224 bytes at 0x40 for its program headers are more than the file's 100"},
		{"interp=" + strings.Repeat("/x", 2050), "an interpreter name of 4101 bytes"},
	} {
		_, err := read(build(t, tt.words))
		var damage *elfdeps.FormatError
		if !errors.As(err, &damage) || damage.What != tt.want {
			t.Errorf("%.50s: got %v, want %s", tt.words, err, tt.want)
		}
	}
	if _, err := read(build(t, "garbage")); !errors.Is(err, elfdeps.ErrNotELF) {
		t.Errorf("garbage: got %v, want %v", err, elfdeps.ErrNotELF)
	}
}

// Byte 4 is the class, 5 the byte order, 6 the version.
func TestReadRefusesUnknownIdentities(t *testing.T) {
	for at, want := range map[int]string{4: "class 9", 5: "byte order 9", 6: "version 9", 20: "version 9"} {
		data := build(t, "needed=liba.so")
		data[at] = 9
		if _, err := read(data); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("byte %d is 9: got %v, want %s", at, err, want)
		}
	}
}

// A file that is cut is an error, unless nothing of interest is lost.
func TestReadOfCutFiles(t *testing.T) {
	for _, layout := range layouts {
		data := build(t, everyEntry+" "+layout)
		want, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			f, err := read(data[:n])
			if err == nil && !reflect.DeepEqual(f, want) {
				t.Errorf("%s, cut to %d of %d bytes: %+v", layout, n, len(data), f)
			}
			var damage *elfdeps.FormatError
			if err != nil && !errors.Is(err, elfdeps.ErrNotELF) && !errors.As(err, &damage) {
				t.Errorf("%s, cut to %d bytes: got %v", layout, n, err)
			}
		}
	}
}

// A file whose size is not what the reader finds is no reason to panic.
func TestReadOfAFileThatShrinks(t *testing.T) {
	data := build(t, everyEntry)
	for n := range data {
		f, err := elfdeps.Read(bytes.NewReader(data[:n]), int64(len(data)))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes of %d: got %+v, %v, want %v", n, len(data), f, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestReadReturnsReadErrors(t *testing.T) {
	want := errors.New("the disk is gone")
	if _, err := elfdeps.Read(brokenReader{want}, 100); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

type brokenReader struct{ err error }

func (r brokenReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// Of an entry that may stand only once, the last one counts; strings that lie
// far from each other are found, too.
func TestReadOfUnusualDynamicSections(t *testing.T) {
	far := elftest.Dyn{Tag: elf.DT_RUNPATH, Str: strings.Repeat("a", 100_000)}
	file := elftest.File{Dynamic: []elftest.Dyn{
		{Tag: elf.DT_NEEDED, Str: "liba.so"}, {Tag: elf.DT_SONAME, Str: "first"}, far,
		{Tag: elf.DT_RUNPATH, Str: "/x"}, {Tag: elf.DT_SONAME, Str: "last"}, {Tag: elf.DT_NEEDED, Str: "libz.so"},
	}}
	f, err := read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := `linux/amd64 ELFCLASS64 ELFDATA2LSB ET_DYN
interp  soname last
rpath "" runpath "/x" true 0x0
DT_NEEDED liba.so
DT_NEEDED libz.so
`
	if got := fileText(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Not even a name of its own does a library need.
func TestReadOfAFileWithVersionsAndNothingElse(t *testing.T) {
	for _, layout := range layouts {
		f, err := read(build(t, "verdef=ME_1,ME_2 "+layout))
		if err != nil {
			t.Errorf("%s: %v", layout, err)
			continue
		}
		if n := len(f.VerDef); n < 2 || strings.Join(f.VerDef[n-2:], " ") != "ME_1 ME_2" {
			t.Errorf("%s: got %q", layout, f.VerDef)
		}
	}
}

func TestReadBoundsTheLengthOfNames(t *testing.T) {
	long := elftest.Dyn{Tag: elf.DT_NEEDED, Str: strings.Repeat("a", 300_000)}
	file := elftest.File{Dynamic: []elftest.Dyn{long, long, long, long}}
	_, err := read(file.Bytes())
	if err == nil || !strings.Contains(err.Error(), "names of more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// The loader looks for each name in each element of the path, and so does Resolve,
// which also remembers where.
func TestReadBoundsTheSearchThatAFileAsksFor(t *testing.T) {
	needed := func(n int) []elftest.Dyn {
		return slices.Repeat([]elftest.Dyn{{Tag: elf.DT_NEEDED, Str: "liba.so"}}, n)
	}
	entry := func(tag elf.DynTag, n int, element string) elftest.Dyn {
		return elftest.Dyn{Tag: tag, Str: strings.TrimSuffix(strings.Repeat(element, n), element[len(element)-1:])}
	}
	for _, tt := range []struct {
		name, want string
		dynamic    []elftest.Dyn
	}{
		{"as many names as can be", "", needed(4096)},
		{"one name more", "names of more than 4096 other objects", needed(4097)},
		{"auditors, of which one entry can hold many", "names of more than 4096 other objects", append(needed(1), entry(elf.DT_AUDIT, 4096, "a:"))},
		{"as many directories as can be", "", append(needed(8), entry(elf.DT_RUNPATH, 1024, "/a:"))},
		{"one directory more", "a search path of more than 1024 directories", append(needed(8), entry(elf.DT_RUNPATH, 1025, "/a:"))},
		{"one directory more, for musl", "a search path of more than 1024 directories", append(needed(8), entry(elf.DT_RPATH, 1025, "/a\n"))},
		{"a path that does not count", "", append(needed(8), entry(elf.DT_RPATH, 1025, "/a:"), entry(elf.DT_RUNPATH, 1, "/a:"))},
		{"what large programs have", "", append(needed(400), entry(elf.DT_RUNPATH, 400, "$ORIGIN/../lib/a/directory/of/a/large/program:"))},
		{"many of both", "1000 names to be looked for in 1000 directories", append(needed(1000), entry(elf.DT_RUNPATH, 1000, "/a:"))},
		{"many names, long directories", "1000 names to be looked for in 100 directories",
			append(needed(1000), entry(elf.DT_RUNPATH, 100, strings.Repeat("/a", 1000)+":"))},
	} {
		file := elftest.File{Dynamic: tt.dynamic}
		if _, err := read(file.Bytes()); tt.want == "" && err != nil || tt.want != "" && !isDamage(err, tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// isDamage reports whether an error says just that of a file.
func isDamage(err error, what string) bool {
	var damage *elfdeps.FormatError
	return errors.As(err, &damage) && damage.What == what
}

// A length in a file is not believed.
func TestReadOfLyingLengthsTakesLittleMemory(t *testing.T) {
	data := build(t, "needed=liba.so dynamic-filesz=0x40000000 phnum=0x7000")
	if len(data) > 1024 {
		t.Fatalf("%d bytes", len(data))
	}
	if got := allocated(func() { _, _ = read(data) }); got > 64<<10 {
		t.Errorf("%d bytes for a file of %d", got, len(data))
	}
	// As many names as can be, each of them long and nearly the same.
	many := elftest.File{Needed: []string{strings.Repeat("a", 60_000)}}
	for range 60_000 {
		many.Dynamic = append(many.Dynamic, elftest.Dyn{Tag: elf.DT_NEEDED, Val: 1})
	}
	data = many.Bytes()
	if got := allocated(func() { _, _ = read(data) }); got > 16*uint64(len(data)) {
		t.Errorf("%d bytes for a file of %d", got, len(data))
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzRead(f *testing.F) {
	for _, layout := range layouts {
		f.Add(build(f, everyEntry+" "+layout))
		f.Add(build(f, "needed=liba.so dynamic-past-end "+layout))
	}
	f.Add(build(f, "static"))
	f.Add(build(f, "needed=liba.so runpath='"+strings.Repeat("/a:", 1025)+"'"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := read(data)
		var damage *elfdeps.FormatError
		switch {
		case err == nil && file == nil:
			t.Error("neither file nor error")
		case err != nil && !errors.Is(err, elfdeps.ErrNotELF) && !errors.As(err, &damage):
			t.Errorf("error %v", err)
		case errors.Is(err, elfdeps.ErrNotELF) && bytes.HasPrefix(data, []byte("\x7fELF")) && len(data) >= 16:
			t.Error("not taken for an ELF file")
		}
		if file == nil {
			return
		}
		total := len(file.Interp) + len(file.Soname) + len(file.Rpath) + len(file.Runpath)
		for _, dep := range file.Needed {
			total += len(dep.Name)
		}
		for _, need := range file.VerNeed {
			total += len(strings.Join(need.Versions, ""))
		}
		if total += len(strings.Join(file.VerDef, "")); total > 3<<20+4096 {
			t.Errorf("names of %d bytes", total)
		}
		if _, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), []string{"exit", "backtrace"}); err != nil && !errors.As(err, &damage) {
			t.Errorf("error %v of imports", err)
		}
	})
}

// One typical program, from memory: what there is besides system calls.
func BenchmarkRead(b *testing.B) {
	file, err := os.ReadFile("/bin/bash")
	if err != nil {
		file = build(b, everyEntry)
	}
	r := &countedReader{r: bytes.NewReader(file)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := elfdeps.Read(r, int64(len(file))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(r.reads)/float64(b.N), "reads/op")
}

// A countedReader counts the system calls that a file would have taken.
type countedReader struct {
	r     io.ReaderAt
	reads int
}

func (c *countedReader) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.r.ReadAt(p, off)
}
