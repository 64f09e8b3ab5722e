package elfdeps_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

func contents(t testing.TB, fsys fs.FS, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func imports(t testing.TB, data []byte, names ...string) string {
	t.Helper()
	found, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), names)
	if err != nil {
		t.Error(err)
	}
	return strings.Join(found, " ")
}

func TestImportsAreTheUndefinedSymbols(t *testing.T) {
	for _, layout := range layouts {
		data := build(t, "import=puts,exit,libputs export=backtrace,my_exit needed=libc.so.6 "+layout)
		got := imports(t, data, "backtrace", "exit", "put", "puts", "no_such", "libc.so.6")
		if want := "exit puts"; got != want {
			t.Errorf("%s: got %q, want %q", layout, got, want)
		}
	}
	for _, words := range []string{"static", "needed=libc.so.6", "import=puts"} {
		if got := imports(t, build(t, words), "exit"); got != "" {
			t.Errorf("%s imports %q", words, got)
		}
	}
}

// Imports finds what debug/elf finds by way of section headers, in every program
// of this system that has them.
func TestImportsOfRealPrograms(t *testing.T) {
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"backtrace", "pthread_cancel", "pthread_exit", "printf", "getaddrinfo", "dlopen", "exit"}
	compared := 0
	for _, program := range systemPrograms(t, "/usr/bin", "/usr/sbin") {
		data := contents(t, host, program[1:])
		want, ok := importedSymbols(data)
		if !ok {
			continue
		}
		compared++
		for _, name := range names {
			got := imports(t, data, name)
			if (got == name) != slices.Contains(want, name) {
				t.Errorf("%s imports %s: got %q", program, name, got)
			}
		}
	}
	t.Logf("%d programs compared", compared)
}

// A string table can hold nothing but what is asked for.
func TestImportsBoundsTheNamesThatItFinds(t *testing.T) {
	for n, ok := range map[int]bool{1 << 15: true, 1 << 17: false} {
		file := elftest.File{Soname: strings.Repeat("backtrace\x00", n), Imports: []string{"exit"}}
		data := file.Bytes()
		_, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), []string{"backtrace", "exit"})
		var damage *elfdeps.FormatError
		if (err == nil) != ok || !ok && !errors.As(err, &damage) {
			t.Errorf("%d names: got %v", n, err)
		}
	}
}

func TestWhatIsDamagedBesideTheDynamicSection(t *testing.T) {
	file := func(words string, damage func(data []byte)) []byte {
		data := build(t, words)
		damage(data)
		return data
	}
	// The entries of the lists begin with a version of 1, so what follows is found
	// by what it holds.
	at := func(data []byte, pattern string) int {
		i := bytes.Index(data, []byte(pattern))
		if i < 0 {
			t.Fatalf("no %q", pattern)
		}
		return i
	}
	fours := `"` + strings.Repeat(`\x04\x00\x00\x00`, 17000) + `"` // each a list entry whose next is 4 bytes on
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"a note that runs over", "a note of 2147483647 bytes at", file(`dlopen=[]`, func(b []byte) {
			copy(b[at(b, "\x04\x00\x00\x00\x03\x00\x00\x00\x0a\x0c\x7c\x40")+4:], "\xff\xff\xff\x7f")
		})},
		{"a list of versions that leads out of the file", "bytes at", file("verneed=libc.so.6:A_1 needed=libc.so.6", func(b []byte) {
			copy(b[at(b, "\x01\x00\x01\x00")+8:], "\xff\xff\xff\x7f")
		})},
		{"more versions than anybody needs", "more than 16384 versions", file("verneed=libc.so.6:A_1 needed=libc.so.6 text="+fours, func(b []byte) {
			i := at(b, "\x01\x00\x01\x00")
			binary.LittleEndian.PutUint32(b[i+8:], uint32(at(b, "\x04\x00\x00\x00\x04\x00\x00\x00")-i)) // where the list is
		})},
	} {
		_, err := read(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// importedSymbols returns what debug/elf has for imports, false if the file is
// none for it.
func importedSymbols(data []byte) ([]string, bool) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return nil, false
	}
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
	}
	return names, true
}

// Segments that overlap leave open which bytes an address stands for.
func TestReadRefusesAddressesInTwoSegments(t *testing.T) {
	data := build(t, "needed=liba.so")
	const phoff, phsize, load = 64, 56, 1
	var loads [][]byte
	for i := range int(data[56]) { // e_phnum
		if header := data[phoff+i*phsize:][:phsize]; header[0] == load {
			loads = append(loads, header)
		}
	}
	if len(loads) != 2 {
		t.Fatalf("%d segments", len(loads))
	}
	copy(loads[0][16:40], loads[1][16:40]) // p_vaddr, p_paddr, p_filesz
	want := "damaged ELF file: its string table at address 0x1148 lies in segments that overlap"
	if _, err := read(data); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
