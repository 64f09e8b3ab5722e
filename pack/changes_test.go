package pack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// A shared is the contents of a file. Entries with the same one are hard links.
type shared struct {
	text   string
	xattrs map[string]string
}

func (s *shared) Open() (fs.File, error) {
	return rootfs.File("/x", 0, []byte(s.text)).Open()
}

// randomTree makes a tree out of few names, so that two of them have much in
// common and little alike.
func randomTree(t *testing.T, r *rand.Rand) *rootfs.Tree {
	t.Helper()
	tree := &rootfs.Tree{}
	var files []*shared
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	xattrs := func() map[string]string {
		return []map[string]string{nil, {rootfs.Capability: "\x00c"}, {"user.a": "1"}, {"user.a": "1", "system.posix_acl_default": "\x02\x00"}}[r.IntN(4)]
	}
	var fill func(dir string, depth int)
	fill = func(dir string, depth int) {
		for _, name := range []string{"a", "a-b", "b", "!c", "d"} {
			p := path.Join(dir, name)
			var e *rootfs.Entry
			switch n := r.IntN(10); {
			case n < 3:
				continue
			case n < 6 && depth < 3:
				e = rootfs.Dir(p, fs.FileMode(0o700+r.IntN(2)*0o55))
			case n < 7:
				e = rootfs.Symlink(p, pick("a", "/b", "nowhere"))
			case n < 8:
				e = &rootfs.Entry{Path: p, Mode: fs.ModeNamedPipe | 0o600}
			default:
				if len(files) == 0 || r.IntN(3) > 0 {
					files = append(files, &shared{pick("", "one", "two"), xattrs()})
				}
				s := files[r.IntN(len(files))]
				e = rootfs.FileFrom(p, 0o644, int64(len(s.text)), s)
				e.XAttrs = s.xattrs
			}
			e.ModTime = time.Unix(int64(r.IntN(2)), 0)
			if e.Mode.IsRegular() {
				e.ModTime = time.Unix(5, 0) // those of one file have the same
			} else {
				e.UID = r.IntN(2)
				e.XAttrs = xattrs()
			}
			if err := tree.Add(e); err != nil {
				t.Fatal(err)
			}
			if e.Mode.IsDir() {
				fill(p, depth+1)
			}
		}
	}
	fill("/", 1)
	return tree
}

// changes returns how two trees differ, a line each.
func changes(t *testing.T, before, after *rootfs.Tree) (*rootfs.Changeset, string) {
	t.Helper()
	c, err := rootfs.Changes(t.Context(), before, after)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, change := range c.Changes {
		fmt.Fprintln(&lines, change)
	}
	return c, lines.String()
}

var farFuture = time.Unix(1<<40, 0)

func TestLayerOfChangesUponTheOneTreeGivesTheOther(t *testing.T) {
	aspects := make(map[rootfs.Aspect]bool)
	opaque := false
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		before, after := randomTree(t, r), randomTree(t, r)
		c, said := changes(t, before, after)
		for _, change := range c.Changes {
			for _, a := range change.What {
				aspects[a] = true
			}
		}
		layer := pack.ChangeLayer(c, farFuture)
		var b bytes.Buffer
		n, err := layer.WriteTo(&b)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := layer.Size(); err != nil || size != n || n != int64(b.Len()) {
			t.Fatalf("seed %d: Size() = %d, %v, and %d bytes were written", seed, size, err, n)
		}
		opaque = opaque || bytes.Contains(b.Bytes(), []byte(".wh..wh..opq"))
		got := openFiles(t, imageOf(pack.TreeLayer(before, farFuture), layer))
		if _, left := changes(t, got, after); left != "" {
			t.Fatalf("seed %d: the layer of\n%sgives what differs in\n%sthe layer:\n%s", seed, said, left, names(t, b.Bytes()))
		}
	}
	if len(aspects) < 8 || !opaque {
		t.Errorf("too little was compared: %v, opaque %v", aspects, opaque)
	}
}

// What no whiteout can name is an error, unless its folder loses all.
func TestNamesOfWhiteoutsCannotBeRemoved(t *testing.T) {
	for _, name := range []string{"/d/.wh.x", "/d/.wh..opq"} {
		before := &rootfs.Tree{}
		for _, e := range []*rootfs.Entry{rootfs.File(name, 0o644, nil), rootfs.File("/d/kept", 0o644, nil)} {
			if err := before.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		after := &rootfs.Tree{}
		if err := after.Add(rootfs.File("/d/kept", 0o644, nil)); err != nil {
			t.Fatal(err)
		}
		c, _ := changes(t, before, after)
		_, err := pack.ChangeLayer(c, farFuture).WriteTo(io.Discard)
		if want := name + ": no layer can remove a name that begins with .wh."; err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func names(t *testing.T, layer []byte) string {
	t.Helper()
	var b strings.Builder
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", h.FileInfo().Mode(), strings.TrimSpace(h.Name+" "+h.Linkname))
	}
}

// treeOf makes a tree of these members.
func treeOf(t *testing.T, members ...member) *rootfs.Tree {
	t.Helper()
	return openFiles(t, imageOf(inPlace(makeTar(t, members...))))
}

func TestLayerOfChanges(t *testing.T) {
	full := []member{dir("d"), file("d/a", "a"), file("d/b", "b"), dir("d/c"), file("d/c/x", "x")}
	for _, test := range []struct {
		name          string
		before, after []member
		want          string
	}{
		{"nothing", full, full, ""},
		{"a file goes", full, append(full[:2:2], full[3:]...), "drwxr-xr-x d/\n---------- d/.wh.b\n"},
		{"a folder goes as one", full, full[:3], "drwxr-xr-x d/\n---------- d/.wh.c\n"},
		{"a folder is emptied", full, []member{dir("d")}, "drwxr-xr-x d/\n---------- d/.wh..wh..opq\n"},
		{"a folder is emptied and filled", full, []member{dir("d"), file("d/!new", "n")},
			"drwxr-xr-x d/\n---------- d/.wh..wh..opq\n-rw-r--r-- d/!new\n"},
		{"everything goes", full, nil, "---------- .wh.d\n"},
		{"a folder becomes a file", full, []member{file("d", "d")}, "-rw-r--r-- d\n"},
		{"a folder becomes a link", full, []member{symlink("d", "e")}, "Lrw-r--r-- d e\n"},
		{"a file becomes a folder", []member{file("d", "d")}, full[:2], "drwxr-xr-x d/\n-rw-r--r-- d/a\n"},
		{"all links of a file", []member{file("a", "1"), hardlink("b", "a")}, []member{file("a", "2"), hardlink("b", "a")},
			"-rw-r--r-- a\n-rw-r--r-- b a\n"},
		{"a file gets another link", []member{file("a", "1")}, []member{file("a", "1"), hardlink("b", "a")},
			"-rw-r--r-- a\n-rw-r--r-- b a\n"},
		{"a link becomes a copy", []member{file("a", "1"), hardlink("b", "a")}, []member{file("a", "1"), file("b", "1")},
			"-rw-r--r-- b\n"},
		{"a link goes", []member{file("a", "1"), hardlink("b", "a")}, []member{file("b", "1")}, "---------- .wh.a\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := changes(t, treeOf(t, test.before...), treeOf(t, test.after...))
			var b bytes.Buffer
			if _, err := pack.ChangeLayer(c, farFuture).WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			if got := names(t, b.Bytes()); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

// What two images have in common is not read to be compared, and their other
// files not further than to where they differ.
func TestComparingReadsNoCommonLayers(t *testing.T) {
	large := make([]byte, 4<<20)
	base := pack.TreeLayer(newTree(t, rootfs.File("/common", 0o644, large)), epoch)
	open := func(last byte) *rootfs.Tree {
		own := bytes.Clone(large)
		own[1<<20] = last
		data, _ := archiveOf(t, imageOf(base, pack.TreeLayer(newTree(t, rootfs.File("/own", 0o644, own)), epoch)), pack.WriteArchive)
		r := &countingReader{ReaderAt: bytes.NewReader(data)}
		s, err := pack.OpenAt(r, int64(len(data)))
		tree := openFiles(t, onlyImage(t, s, err))
		r.n = 0
		t.Cleanup(func() {
			if r.n < 1<<20 || r.n > 2<<20 {
				t.Errorf("%d bytes were read", r.n)
			}
		})
		return tree
	}
	if _, said := changes(t, open(1), open(2)); said != "M /own (contents)\n" {
		t.Errorf("got %s", said)
	}
}
