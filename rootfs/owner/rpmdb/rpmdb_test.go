package rpmdb_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/owner/rpmdb"
	"github.com/klauspost/compress/zstd"
)

// databases returns the files of testdata/databases.tar.zst.
func databases(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/databases.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := make(map[string][]byte)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func section(data []byte) *io.SectionReader {
	if data == nil {
		return nil
	}
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))
}

// headers returns the headers of a database, each with a copy of its bytes.
func headers(data, log []byte) ([]*rpmdb.Header, error) {
	db, err := rpmdb.Open(section(data), section(log))
	if err != nil {
		return nil, err
	}
	places, err := db.Places()
	if err != nil {
		return nil, err
	}
	var list []*rpmdb.Header
	for _, at := range places {
		h, err := db.Read(at)
		if err != nil {
			return nil, err
		}
		list = append(list, h.Clone())
	}
	return list, nil
}

// text returns lines about packages, sorted.
func text(list []*rpmdb.Header) string {
	var lines []string
	for _, h := range list {
		var names strings.Builder
		dirs := slices.Collect(h.Texts(rpmdb.DirNames))
		indexes := h.Numbers(rpmdb.DirIndexes)
		i := 0
		for base := range h.Texts(rpmdb.BaseNames) {
			if !bytes.HasPrefix(base, []byte("data-")) || bytes.HasSuffix(base, []byte("-60")) {
				fmt.Fprintf(&names, " %s%s", dirs[indexes[i]], base)
			}
			i++
		}
		lines = append(lines, fmt.Sprintf("%s %d:%s-%s %s%s\n", h.Text(rpmdb.Name), h.Numbers(rpmdb.Epoch),
			h.Text(rpmdb.Version), h.Text(rpmdb.Release), h.Text(rpmdb.License), &names))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

const wantPackages = `tool [2]:1.5-3 MIT AND Zlib /etc/tool.conf /etc/tool.d /usr/bin/t /usr/bin/tool /usr/share/doc/tool /usr/share/doc/tool/README /usr/share/tool /usr/share/tool/data-60 /usr/share/tool/shared /var/lib/tool /var/lib/tool/state
tool-lang-1 [2]:1.5-3 MIT AND Zlib
tool-lang-10 [2]:1.5-3 MIT AND Zlib
tool-lang-11 [2]:1.5-3 MIT AND Zlib
tool-lang-12 [2]:1.5-3 MIT AND Zlib
tool-lang-2 [2]:1.5-3 MIT AND Zlib
tool-lang-3 [2]:1.5-3 MIT AND Zlib
tool-lang-4 [2]:1.5-3 MIT AND Zlib
tool-lang-5 [2]:1.5-3 MIT AND Zlib
tool-lang-6 [2]:1.5-3 MIT AND Zlib
tool-lang-7 [2]:1.5-3 MIT AND Zlib
tool-lang-8 [2]:1.5-3 MIT AND Zlib
tool-lang-9 [2]:1.5-3 MIT AND Zlib
tool-libs [2]:7-3 MIT AND Zlib /usr/lib64/libtool.so.1 /usr/lib64/libtool.so.1.0 /usr/share/tool /usr/share/tool/shared
`

const wantSmall = `tool-lang-12 [2]:1.5-3 MIT AND Zlib
tool-lang-9 [2]:1.5-3 MIT AND Zlib
`

// ndb returns a database of rpm's own format with these headers.
func ndb(t testing.TB, list []*rpmdb.Header) []byte {
	t.Helper()
	le := binary.LittleEndian
	file := make([]byte, 4096)
	copy(file, "RpmP")
	le.PutUint32(file[12:], 1) // pages of slots
	for at := 32; at < len(file); at += 16 {
		copy(file[at:], "Slot")
	}
	for i, h := range list {
		blob := h.Bytes()
		slot := file[32+16*(i+1):] // the first stays free
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(file)/16))
		file = append(file, "BlbS"...)
		file = le.AppendUint32(file, uint32(i+1))
		file = le.AppendUint32(file, 1)
		file = le.AppendUint32(file, uint32(len(blob)))
		file = append(file, blob...)
		file = append(file, make([]byte, 16-len(file)%16)...)
	}
	return file
}

func TestEveryFormatHoldsTheSamePackages(t *testing.T) {
	files := databases(t)
	fromSQLite, err := headers(files["sqlite/rpmdb.sqlite"], nil)
	if err != nil {
		t.Fatal(err)
	}
	files["ndb/Packages.db"] = ndb(t, fromSQLite)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "-wal") {
			continue
		}
		want := wantPackages
		if strings.HasPrefix(name, "small/") {
			want = wantSmall
		}
		list, err := headers(files[name], files[name+"-wal"])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := text(list); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// As SQLite does: what is not sound, or was never committed, is not there.
func TestLogCountsUpToItsLastSoundTransaction(t *testing.T) {
	files := databases(t)
	file, log := files["wal/rpmdb.sqlite"], files["wal/rpmdb.sqlite-wal"]
	const inFile, inAll = 3, 14
	change := func(at int) []byte {
		changed := bytes.Clone(log)
		changed[(at+len(log))%len(log)] ^= 1
		return changed
	}
	rollback := bytes.Clone(file)
	rollback[18], rollback[19] = 1, 1 // no longer with a log
	for _, test := range []struct {
		name      string
		file, log []byte
		want      int
	}{
		{"whole", file, log, inAll},
		{"with what a former log has left behind it", file, append(bytes.Clone(log), log[32:4096+56]...), inAll},
		{"absent", file, nil, inFile},
		{"empty", file, []byte{}, inFile},
		{"cut before the commit", file, log[:len(log)-1], inFile},
		{"with another magic number", file, change(0), inFile},
		{"of other salts", file, change(16), inFile},
		{"with a byte changed", file, change(-1), inFile},
		{"beside a database that has none", rollback, log, inFile},
	} {
		list, err := headers(test.file, test.log)
		if err != nil || len(list) != test.want {
			t.Errorf("a log %s: %d packages, want %d (%v)", test.name, len(list), test.want, err)
		}
	}
}

func TestDamage(t *testing.T) {
	files := databases(t)
	fromSQLite, err := headers(files["sqlite/rpmdb.sqlite"], nil)
	if err != nil {
		t.Fatal(err)
	}
	sqlite, bdb, own := files["sqlite/rpmdb.sqlite"], files["bdb/Packages"], ndb(t, fromSQLite)
	at := func(data []byte, at int, b ...byte) []byte {
		data = bytes.Clone(data)
		copy(data[at:], b)
		return data
	}
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", []byte{}, "0 bytes"},
		{"text", bytes.Repeat([]byte("text"), 100), "neither SQLite nor ndb nor a Berkeley DB hash"},
		{"sqlite, short", sqlite[:50], "the file ends before byte 100"},
		{"sqlite, odd pages", at(sqlite, 16, 3, 3), "pages of 771 bytes"},
		{"sqlite, first page", at(sqlite, 100, 0), "page 1 is no part of a table"},
		{"sqlite, no table", bytes.ReplaceAll(sqlite, []byte("Packages"), []byte("packages")), "no table Packages"},
		{"sqlite, cut", sqlite[:3*4096], "no page "},
		{"bdb, pages", at(bdb, 20, 1), "pages of 2049 bytes"},
		{"bdb, type", at(bdb, 25, 9), "its first page is of type 9"},
		{"bdb, encrypted", at(bdb, 24, 1), "encrypted"},
		{"bdb, cut", bdb[:len(bdb)-1], "23 pages in 47103 bytes"},
		{"ndb, version", at(own, 4, 1), "ndb of version 1"},
		{"ndb, slots", at(own, 12, 0xff), "255 pages of slots in "},
		{"ndb, slot", at(own, 48, 'x'), "no slot at byte 48"},
		{"ndb, blob", at(own, 4096, 'x'), "no package at byte 4096"},
		{"ndb, cut", own[:len(own)-4000], ""},
	} {
		_, err := headers(test.data, nil)
		if !errors.Is(err, rpmdb.ErrFormat) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// No input may crash, hang, or take memory out of proportion to its size.
func FuzzOpen(f *testing.F) {
	files := databases(f)
	file, log := files["small/rpmdb.sqlite"], files["small/rpmdb.sqlite-wal"]
	small, err := headers(file, log)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, log)
	f.Add(file, []byte{})
	f.Add(files["small/Packages"], []byte{})
	f.Add(ndb(f, small), []byte{})
	f.Fuzz(func(t *testing.T, data, log []byte) {
		db, err := rpmdb.Open(section(data), section(log))
		if err != nil {
			check(t, err)
			return
		}
		places, err := db.Places()
		check(t, err)
		for _, at := range places[:min(len(places), 100)] {
			h, err := db.Read(at)
			check(t, err)
			if err == nil {
				h.Text(rpmdb.Name)
				h.Numbers(rpmdb.FileStates)
				for range h.Texts(rpmdb.BaseNames) {
				}
			}
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, rpmdb.ErrFormat) {
		t.Errorf("damage is not called so: %v", err)
	}
}
