package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// before and after are two states of a folder between which everything happens
// that can happen to a path.
func beforeAndAfter() (before, after []entry) {
	dir := func(path string) entry { return entry{path: path, mode: fs.ModeDir | 0o755} }
	file := func(path, content string) entry { return entry{path: path, mode: 0o644, content: content} }
	symlink := func(path, to string) entry { return entry{path: path, mode: link, link: to} }
	before = []entry{
		dir("tree"), file("gone-from-the-top", "1"), dir("tree/kept"), file("tree/kept/as-it-is", "same"), file("tree/kept/removed", "x"),
		dir("tree/emptied"), file("tree/emptied/a", "a"), dir("tree/emptied/b"), file("tree/emptied/b/c", "c"),
		dir("tree/exchanged"), file("tree/exchanged/a", "a"), file("tree/exchanged/b", "b"),
		dir("tree/removed"), dir("tree/removed/deep"), file("tree/removed/deep/er", "x"),
		file("tree/file-to-folder", "x"), dir("tree/folder-to-file"), file("tree/folder-to-file/x", "x"),
		dir("tree/folder-to-link"), file("tree/folder-to-link/x", "x"), symlink("tree/link-to-folder", "kept"), symlink("tree/link-to-link", "kept"),
		file("tree/first", "twins"), {path: "tree/second", twin: "tree/first"}, {path: "tree/third", twin: "tree/first"},
		file("tree/one", "parted"), {path: "tree/two", twin: "tree/one"}, file("tree/joined-a", "joined"), file("tree/joined-b", "joined"),
		file("tree/mode", "m"), file("tree/owner", "o"), {path: "tree/capable", mode: 0o755, content: "c", capability: netRaw},
		{path: "tree/device", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 3},
		{path: "tree/private", mode: fs.ModeDir | 0o700, uid: 12, gid: 34}, file("tree/private/old", "x"),
		{path: "tree/sticky", mode: fs.ModeDir | fs.ModeSticky | 0o777}, file("tree/!first", "x"), file("tree/text", "some text"),
	}
	after = []entry{
		dir("tree"), dir("tree/kept"), file("tree/kept/as-it-is", "same"),
		dir("tree/emptied"),
		dir("tree/exchanged"), file("tree/exchanged/!c", "c"), file("tree/exchanged/d", "d"),
		dir("tree/file-to-folder"), file("tree/file-to-folder/x", "x"), file("tree/folder-to-file", "x"),
		symlink("tree/folder-to-link", "kept"), dir("tree/link-to-folder"), file("tree/link-to-folder/x", "x"), symlink("tree/link-to-link", "text"),
		file("tree/first", "TWINS"), {path: "tree/second", twin: "tree/first"}, {path: "tree/fourth", twin: "tree/first"},
		file("tree/one", "parted"), file("tree/two", "parted"), file("tree/joined-a", "joined"), {path: "tree/joined-b", twin: "tree/joined-a"},
		{path: "tree/mode", mode: setuid, content: "m"}, {path: "tree/owner", mode: 0o644, uid: 1234, gid: 4321, content: "o"},
		{path: "tree/capable", mode: 0o755, content: "c"}, {path: "tree/newly-capable", mode: 0o755, content: "n", capability: netRaw},
		{path: "tree/device", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 5},
		{path: "tree/private", mode: fs.ModeDir | 0o700, uid: 12, gid: 34}, file("tree/private/new", "x"),
		{path: "tree/sticky", mode: fs.ModeDir | fs.ModeSticky | 0o777}, file("tree/sticky/new", "x"), file("tree/text", "other text, longer"),
		dir("tree/new"), {path: "tree/new/pipe", mode: fs.ModeNamedPipe | 0o600},
	}
	return before, after
}

// changed makes the folders before and after, and an image of the one with the
// layer upon it that makes it the other.
func (w *work) changed() {
	w.t.Helper()
	before, after := beforeAndAfter()
	for name, entries := range map[string][]entry{"before": before, "after": after} {
		for _, e := range entries {
			e.create(w.t, w.path(name))
		}
	}
	// What is not touched has the same time in both, and some of it another one.
	w.at("before", time.Unix(1e9, 0))
	w.at("after", time.Unix(1e9, 0))
	later := unix.NsecToTimeval(time.Unix(2e9, 0).UnixNano())
	for _, name := range []string{"after/tree/new", "after/tree/text", "after/tree/link-to-link"} {
		if err := unix.Lutimes(w.path(name), []unix.Timeval{later, later}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.write("before/fresh", w.name)
	w.write("after/fresh", w.name)
	w.at("before/fresh", time.Unix(1e9, 0))
	w.at("after/fresh", time.Unix(1e9, 0))
	w.run("harvest", "diff", "before", "after", "-o", "changes.tar")
	pack := w.command("harvest", "pack", "before", "changes.tar", "-t", w.image, "-o", "image.tar", "--cmd", "none", "--platform", "linux/"+runtime.GOARCH)
	pack.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=3000000000")
	w.output(pack)
}

// at gives all below a path a time.
func (w *work) at(name string, at time.Time) {
	w.t.Helper()
	tv := unix.NsecToTimeval(at.UnixNano())
	err := filepath.WalkDir(w.path(name), func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return unix.Lutimes(file, []unix.Timeval{tv, tv})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// The layer that diff writes, upon what was before, is what is after: read by
// harvest, and put upon it by each engine.
func TestLayerOfChangesMeansTheSameToAll(t *testing.T) {
	need(t, "root")
	w := newWork(t)
	w.changed()
	equal(t, "harvest", w.run("harvest", "diff", "after", "image.tar"), "")
	same := func(w *work, root string) {
		w.t.Helper()
		equal(w.t, "tree", w.run("harvest", "diff", "after/tree", root+"/tree"), "")
		if _, err := os.Lstat(w.path(root + "/gone-from-the-top")); err == nil {
			w.t.Error("what was deleted from the top is still there")
		}
	}
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := w.in(t)
			w.load(engine, "image.tar")
			container := strings.TrimSpace(w.run(engine, "create", "--network", "none", w.image))
			w.atEnd(engine, "rm", container)
			w.run(engine, "export", "-o", engine+".tar", container)
			w.run("mkdir", engine)
			w.run("tar", "--xattrs", "--xattrs-include=security.*", "--same-owner", "-C", engine, "-xpf", engine+".tar")
			same(w, engine)
		})
	}
	t.Run("containerd", func(t *testing.T) {
		need(t, "ctr")
		w := w.in(t)
		w.run("ctr", "-n", w.name, "image", "import", "image.tar")
		w.atEnd("ctr", "namespace", "rm", w.name)
		w.atEnd("ctr", "-n", w.name, "image", "rm", "--sync", w.full())
		w.run("mkdir", "ctr")
		w.run("ctr", "-n", w.name, "image", "mount", w.full(), w.path("ctr"))
		w.atEnd("ctr", "-n", w.name, "image", "unmount", "--rm", w.path("ctr"))
		same(w, "ctr")
	})
	t.Run("umoci", func(t *testing.T) {
		need(t, "umoci")
		w := w.in(t)
		w.run("mkdir", "layout")
		w.run("tar", "-C", "layout", "-xf", "image.tar")
		w.run("umoci", "unpack", "--image", "layout:v1", "bundle")
		same(w, "bundle/rootfs")
	})
}
