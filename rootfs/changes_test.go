package rootfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

// linked is the contents of a file; entries with the same one are hard links.
type linked struct{ text string }

func (l *linked) Open() (fs.File, error) { return rootfs.File("/x", 0, []byte(l.text)).Open() }

// treeWith makes a tree of entries.
func treeWith(t *testing.T, entries ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	tree := &rootfs.Tree{}
	for _, e := range entries {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func TestChangesNameWhatDiffers(t *testing.T) {
	one, two := &linked{"same"}, &linked{"same"}
	file := func(change func(*rootfs.Entry)) *rootfs.Entry {
		e := rootfs.File("/f", 0o644, []byte("text"))
		e.ModTime = time.Unix(1, 500)
		if change != nil {
			change(e)
		}
		return e
	}
	link := func(name string, l *linked) *rootfs.Entry { return rootfs.FileFrom(name, 0o644, 4, l) }
	device := func(minor uint32) *rootfs.Entry {
		return &rootfs.Entry{Path: "/f", Mode: fs.ModeDevice | fs.ModeCharDevice, Major: 1, Minor: minor}
	}
	for _, test := range []struct {
		name          string
		before, after []*rootfs.Entry
		want          string
	}{
		{"nothing", []*rootfs.Entry{file(nil)}, []*rootfs.Entry{file(nil)}, ""},
		{"parts of a second", []*rootfs.Entry{file(nil)},
			[]*rootfs.Entry{file(func(e *rootfs.Entry) { e.ModTime = time.Unix(1, 7) })}, ""},
		{"everything of a file", []*rootfs.Entry{file(nil)}, []*rootfs.Entry{file(func(e *rootfs.Entry) {
			*e = *rootfs.File("/f", fs.ModeSetuid|0o644, []byte("TEXT"))
			e.GID = 1
			e.XAttrs = map[string]string{rootfs.Capability: "x", "user.y": "z"}
		})}, "M /f (mode, owner, contents, capabilities, xattrs, mtime)"},
		{"a size", []*rootfs.Entry{file(nil)}, []*rootfs.Entry{file(func(e *rootfs.Entry) {
			*e = *rootfs.File("/f", 0o644, []byte("longer"))
			e.ModTime = time.Unix(1, 0)
		})}, "M /f (contents)"},
		{"a type", []*rootfs.Entry{file(nil)}, []*rootfs.Entry{rootfs.Dir("/f", 0o755), rootfs.Symlink("/f/in", "x")},
			"M /f (type) A /f/in"},
		{"a link's target, and not its mode", []*rootfs.Entry{rootfs.Symlink("/l", "a"), {Path: "/m", Mode: fs.ModeSymlink, Link: "m"}},
			[]*rootfs.Entry{rootfs.Symlink("/l", "b"), rootfs.Symlink("/m", "m")}, "M /l (target)"},
		{"a device", []*rootfs.Entry{device(3)}, []*rootfs.Entry{device(4)}, "M /f (device)"},
		{"all below a folder", []*rootfs.Entry{rootfs.File("/d/e/f", 0o644, nil)}, nil, "D /d D /d/e D /d/e/f"},
		{"a copy becomes a link", []*rootfs.Entry{link("/a", one), link("/b", two)},
			[]*rootfs.Entry{link("/a", one), link("/b", one)}, "M /a (hard links) M /b (hard links)"},
		{"a link becomes a copy", []*rootfs.Entry{link("/a", one), link("/b", one)},
			[]*rootfs.Entry{link("/a", one), link("/b", two)}, "M /b (hard links)"},
		{"links in other pairs", []*rootfs.Entry{link("/a", one), link("/b", one), link("/c", two), link("/d", two)},
			[]*rootfs.Entry{link("/a", one), link("/b", two), link("/c", one), link("/d", two)},
			"M /a (hard links) M /b (hard links) M /c (hard links) M /d (hard links)"},
		{"a link goes", []*rootfs.Entry{link("/a", one), link("/b", one), link("/c", one)},
			[]*rootfs.Entry{link("/b", two), link("/c", two)}, "D /a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := rootfs.Changes(t.Context(), treeWith(t, test.before...), treeWith(t, test.after...))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, change := range c.Changes {
				lines = append(lines, change.String())
			}
			if got := strings.Join(lines, " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestIgnoredAspectsAreNoChanges(t *testing.T) {
	a, b := rootfs.File("/f", 0o644, []byte("a")), rootfs.File("/f", 0o600, []byte("b"))
	b.ModTime, b.UID = time.Unix(9, 0), 7
	c, err := rootfs.Changes(t.Context(), treeWith(t, a), treeWith(t, b), rootfs.AspectModTime, rootfs.AspectOwner, rootfs.AspectContents)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Changes[0]); got != "M /f (mode)" {
		t.Errorf("got %s", got)
	}
}

func TestChangesEndWithTheContextAndWithErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tree := treeWith(t, rootfs.Dir("/d", 0o755))
	if _, err := rootfs.Changes(ctx, tree, tree); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	onDisk := &rootfs.Tree{}
	if err := onDisk.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	_, err = rootfs.Changes(t.Context(), onDisk, treeWith(t, rootfs.File("/f", 0o644, []byte("TEXT"))))
	if !errors.Is(err, rootfs.ErrChanged) || !strings.HasPrefix(err.Error(), "comparing /f: ") {
		t.Errorf("got %v", err)
	}
}
