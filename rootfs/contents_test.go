package rootfs_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs"
)

// elsewhere is a file of some other fs.FS.
type elsewhere struct {
	fsys *fstest.MapFS
	name string
}

func (e elsewhere) Open() (fs.File, error) { return e.fsys.Open(e.name) }

// A file whose bytes are elsewhere is read from there, and has as many names as
// entries have its contents.
func TestContentsMayLieElsewhere(t *testing.T) {
	fsys := &fstest.MapFS{"x": {Data: []byte("hello")}, "y": {Data: []byte("hello")}}
	x, y := elsewhere{fsys, "x"}, elsewhere{fsys, "y"}
	var tree rootfs.Tree
	for name, c := range map[string]rootfs.Contents{"/b": x, "/a": x, "/c": y} {
		if err := tree.Add(rootfs.FileFrom(name, 0o644, 5, c)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"/a": "file 0644 5", "/b": "hardlink /a", "/c": "file 0644 5"}
	for e := range tree.All() {
		if got := e.String(); got != want[e.Path] {
			t.Errorf("%s: got %s, want %s", e.Path, got, want[e.Path])
		}
		data, err := fs.ReadFile(&tree, e.Path[1:])
		if err != nil || string(data) != "hello" {
			t.Errorf("%s: got %q, %v", e.Path, data, err)
		}
	}
	same, err := tree.Entry("/b").SameContents(tree.Entry("/c"))
	if err != nil || !same {
		t.Errorf("copies are not the same: %v", err)
	}
}
