package rootfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

// everything is one of each kind that a folder can hold.
const everything = `
	/bin               link usr/bin
	/etc               dir 0755
	/etc/readonly      dir 0555
	/etc/readonly/f    file 0000 3
	/tmp               dir 1777
	/usr               dir 0755
	/usr/abs           link /etc/nothing
	/usr/bin           dir 0755
	/usr/bin/perl      file 0755 100
	/usr/bin/perl5.36  hardlink /usr/bin/perl
	/usr/bin/su        file 4755 70000
	/usr/bin/wall      file 2755 0
`

func TestStageWritesWhatTheTreeSays(t *testing.T) {
	needRoot(t) // to read a file of mode 0000
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, everything), "/", "/", forTest))
	dir := t.TempDir()
	must(t, tree.Stage(t.Context(), dir, time.Unix(2_000_000_000, 0)))
	same(t, onDiskNow(t, dir), everything)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		if d.Type()&fs.ModeSymlink == 0 && name != dir && !info.ModTime().Equal(epoch) {
			t.Errorf("%s is of %v, want %v", name, info.ModTime(), epoch)
		}
		return nil
	})
	must(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "usr/bin/su"))
	if err != nil || string(data[:6]) != "su\nsu\n" {
		t.Errorf("su is %q..., %v", data[:6], err)
	}
}

func TestStageKeepsOwnersAndSetsSetuidAfterThem(t *testing.T) {
	needRoot(t)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, `
		/bin       link usr/bin 5:6
		/srv       dir 2770 33:44
		/srv/su    file 4755 4 1:2
		/srv/wall  file 6711 4 3:4
	`), "/", "/", forTest))
	dir := t.TempDir()
	must(t, tree.Stage(t.Context(), dir, epoch))
	same(t, onDiskNow(t, dir), listing(tree))
	link, err := openHost(t, dir).Entry("/bin")
	if err != nil || link.UID != 5 || link.GID != 6 {
		t.Errorf("the link is of %d:%d, %v", link.UID, link.GID, err)
	}
}

func TestStageClampsTimes(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, "/a/b file 0644 1"), "/", "/", forTest))
	must(t, tree.Add(rootfs.File("/a/new", 0o644, nil)))
	for name, age := range map[string]time.Duration{"/a/old": time.Hour, "/a/young": 0} {
		link := rootfs.Symlink(name, "b")
		link.ModTime = epoch.Add(-2 * age)
		must(t, tree.Add(link))
	}
	dir := t.TempDir()
	latest := epoch.Add(-time.Hour)
	must(t, tree.Stage(t.Context(), dir, latest))
	for name, want := range map[string]time.Time{"a": latest, "a/b": latest, "a/new": time.Unix(0, 0),
		"a/old": epoch.Add(-2 * time.Hour), "a/young": latest} {
		info, err := os.Lstat(filepath.Join(dir, name))
		must(t, err)
		if !info.ModTime().Equal(want) {
			t.Errorf("%s is of %v, want %v", name, info.ModTime(), want)
		}
	}
}

func TestStageFollowsNoLinkThatIsInItsWay(t *testing.T) {
	outside := onDisk(t, "/secret file 0644 6")
	dir := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(dir, "etc")))
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.File("/etc/secret", 0o644, nil)))
	wantError(t, tree.Stage(t.Context(), dir, epoch), "staging /etc: mkdirat etc: file exists")

	dir = t.TempDir()
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "secret")))
	tree = &rootfs.Tree{}
	must(t, tree.Add(rootfs.File("/secret", 0o600, []byte("mine"))))
	wantError(t, tree.Stage(t.Context(), dir, epoch), "staging /secret: openat secret: file exists")
	same(t, onDiskNow(t, outside), "/secret file 0644 6")
}

// However the links of a tree lead, what is added below them stays in the folder.
func TestStageStaysInsideWhateverLinksSay(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "root"), 0o755))
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Symlink("/up", "../../..")))
	must(t, tree.Add(rootfs.Symlink("/abs", dir)))
	must(t, tree.Add(rootfs.Symlink("/via", "up/abs")))
	must(t, tree.Add(rootfs.File("/up/one", 0o644, nil)))
	must(t, tree.Add(rootfs.File("/via/two", 0o644, nil)))
	must(t, tree.Stage(t.Context(), filepath.Join(dir, "root"), epoch))
	want := &rootfs.Tree{}
	must(t, want.Add(rootfs.Symlink("/abs", dir)))
	must(t, want.Add(rootfs.Symlink("/up", "../../..")))
	must(t, want.Add(rootfs.Symlink("/via", "up/abs")))
	must(t, want.Add(rootfs.File("/one", 0o644, nil)))
	must(t, want.Add(rootfs.File(dir+"/two", 0o644, nil)))
	same(t, onDiskNow(t, filepath.Join(dir, "root")), listing(want))
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("beside root: %v, %v", list, err)
	}
}

func TestStageMakesPipesAndDevices(t *testing.T) {
	needRoot(t) // for the device
	tree := &rootfs.Tree{}
	must(t, tree.AddHost(hostOf(t, "/run/pipe pipe 0620 7:8"), "/run/pipe", forTest))
	must(t, tree.AddHostAs(openHost(t, "/"), "/dev/null", "/dev/nothing", forTest))
	dir := t.TempDir()
	if err := tree.Stage(t.Context(), dir, epoch); errors.Is(err, fs.ErrPermission) {
		t.Skip(err) // as in a container
	} else {
		must(t, err)
	}
	same(t, onDiskNow(t, dir), `
		/dev          dir 0755
		/dev/nothing  device 0666 1,3
		/run          dir 0755
		/run/pipe     pipe 0620 7:8
	`)
}

func TestStageSaysWhatItCannotWrite(t *testing.T) {
	wantError(t, new(rootfs.Tree).Stage(t.Context(), "/nonexistent/dir", epoch), "open /nonexistent/dir: no such file or directory")
}

func TestStageRefusesAFileThatChanged(t *testing.T) {
	dir := onDisk(t, "/etc/group file 0644 10")
	tree := &rootfs.Tree{}
	must(t, tree.AddHost(openHost(t, dir), "/etc/group", forTest))
	must(t, os.Truncate(filepath.Join(dir, "etc/group"), 3))
	wantError(t, tree.Stage(t.Context(), t.TempDir(), epoch), "staging /etc/group: /etc/group: file changed while packing")
}

func TestStageRefusesContentsThatAreMadeUp(t *testing.T) {
	system := openHost(t, "/")
	for _, name := range []string{"/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		if _, err := os.Stat(name); err != nil {
			t.Log(err)
			continue
		}
		tree := &rootfs.Tree{}
		must(t, tree.AddHostAs(system, name, "/f", forTest))
		wantError(t, tree.Stage(t.Context(), t.TempDir(), epoch),
			"staging /f: "+name+": its contents are made up when it is read, so they cannot be part of an image")
	}
}

// An ordinary user can write nothing into a folder of mode 0000, so modes come
// last, and those of inner folders before those of outer ones.
func TestStageFillsFoldersThatNobodyMayEnter(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Dir("/a", 0)))
	must(t, tree.Add(rootfs.Dir("/a/b", 0)))
	must(t, tree.Add(rootfs.File("/a/b/c", 0, []byte("text"))))
	dir := t.TempDir()
	must(t, tree.Stage(t.Context(), dir, epoch))
	for _, name := range []string{"a", "a/b", "a/b/c"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		must(t, os.Chmod(filepath.Join(dir, name), 0o700))
	}
}
