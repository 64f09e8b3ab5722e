package rootfs_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestAddHostTreeKeepsOddThingsAsTheyAre(t *testing.T) {
	needRoot(t)
	host := hostOf(t, `
		/srv             dir 2775 33:44
		/srv/pipe        pipe 0620 0:5
		/srv/dangling    link /gone
		/srv/loop        link loop
		/srv/out         link ../../../../etc
		/srv/sub/.wh.x   file 0644 1
		/srv/sub/empty   file 0000 0
		/srv/sub/Ü       file 4711 3
		/srv/link        link sub
		/alias           link srv
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(host, "/alias", "/opt/app", forTest))
	same(t, listing(tree), `
		/opt                 dir 0755
		/opt/app             dir 2775 33:44
		/opt/app/dangling    link /gone
		/opt/app/link        link sub
		/opt/app/loop        link loop
		/opt/app/out         link ../../../../etc
		/opt/app/pipe        pipe 0620 0:5
		/opt/app/sub         dir 0755
		/opt/app/sub/.wh.x   file 0644 1
		/opt/app/sub/empty   file 0000 0
		/opt/app/sub/Ü       file 4711 3
	`)
}

func TestAddHostTreeGoesIntoFoldersThatAreThere(t *testing.T) {
	host := hostOf(t, `
		/a/etc/one      file 0644 1
		/a/etc/both     file 0644 2
		/a/lib/liba     file 0644 1
		/b              dir 0700
		/b/etc/two      file 0644 1
		/b/etc/both     hardlink /a/etc/both
		/b/lib/libb     file 0644 1
		/b/usr          dir 0711
	`)
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Symlink("/lib", "usr/lib")))
	must(t, tree.AddHostTree(host, "/a", "/", forTest))
	must(t, tree.AddHostTree(host, "/b", "/", other))
	same(t, listing(tree), `
		/etc           dir 0755
		/etc/both      file 0644 2
		/etc/one       file 0644 1
		/etc/two       file 0644 1
		/lib           link usr/lib
		/usr           dir 0711
		/usr/lib       dir 0755
		/usr/lib/liba  file 0644 1
		/usr/lib/libb  file 0644 1
	`)
	info, err := fs.Stat(tree, ".")
	if err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("the root is %v, %v", info, err)
	}
}

func TestAddHostTreeOfAFileAddsTheFile(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, "/a/x file 0644 1"), "/a/x", "/b/y", forTest))
	same(t, listing(tree), "/b dir 0755\n/b/y file 0644 1")
}

func TestAddHostTreeOfTheWholeRoot(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/x  file 0755 1
		/bin        link usr/bin
	`)
	whole, below := &rootfs.Tree{}, &rootfs.Tree{}
	must(t, whole.AddHostTree(host, "/", "/", forTest))
	must(t, below.AddHostTree(host, "/", "/mnt", forTest))
	same(t, listing(whole), `
		/bin        link usr/bin
		/usr        dir 0755
		/usr/bin    dir 0755
		/usr/bin/x  file 0755 1
	`)
	same(t, listing(below), `
		/mnt            dir 0755
		/mnt/bin        link usr/bin
		/mnt/usr        dir 0755
		/mnt/usr/bin    dir 0755
		/mnt/usr/bin/x  file 0755 1
	`)
}

// Names on Linux are bytes.
func TestNamesNeedNotBeUTF8(t *testing.T) {
	dir := onDisk(t, "/d/empty dir 0755")
	if err := os.Mkdir(filepath.Join(dir, "d/dir\xfe"), 0o755); err != nil {
		t.Skip("the file system wants UTF-8:", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "d/dir\xfe/f\xff"), []byte("x"), 0o644))
	must(t, os.Symlink("dir\xfe", filepath.Join(dir, "d/l\xfd")))
	host, tree := openHost(t, dir), &rootfs.Tree{}
	must(t, tree.AddHostTree(host, "/d", "/to", forTest))
	same(t, listing(tree), `
		/to dir 0755
		/to/dir`+"\xfe"+` dir 0755
		/to/dir`+"\xfe/f\xff"+` file 0644 1
		/to/empty dir 0755
		/to/l`+"\xfd"+` link dir`+"\xfe")
	for name, fsys := range map[string]fs.FS{"d/l\xfd/f\xff": host, "to/l\xfd/f\xff": tree} {
		if data, err := fs.ReadFile(fsys, name); err != nil || string(data) != "x" {
			t.Errorf("%T: %q, %v", fsys, data, err)
		}
	}
	must(t, tree.Stage(t.Context(), t.TempDir(), epoch))
}

func TestAddHostAsPutsNoFileInAFoldersPlace(t *testing.T) {
	host := hostOf(t, `
		/etc/f     file 0644 1
		/etc/g     file 0644 1
		/usr/bin   dir 0755
		/bin       link usr/bin
		/dangling  link gone
	`)
	for dst, want := range map[string]string{
		"/usr/bin":  "two inputs for /usr/bin: a folder (on the host) and a file from /etc/f (added for test)",
		"/bin/":     "two inputs for /bin: a link to usr/bin (on the host) and a file from /etc/f (added for test)",
		"/bin/../":  "two inputs for /: a folder (on the host) and a file from /etc/f (added for test)",
		"/dangling": "",
		"/etc/g":    "",
		"/bin/f":    "",
	} {
		tree := &rootfs.Tree{}
		wantError(t, tree.AddHostAs(host, "/etc/f", dst, forTest), want)
		must(t, tree.AddHostAs(host, "/etc", "/usr", forTest))
	}
}

func TestASocketIsRefusedByName(t *testing.T) {
	dir := onDisk(t, "/srv/app/data file 0644 1")
	t.Chdir(dir) // a socket's name is at most 108 bytes long
	l, err := net.Listen("unix", "srv/app/sock")
	must(t, err)
	defer l.Close()
	host := openHost(t, dir)
	want := "read /srv/app/sock: a socket cannot be part of an image; add what lies beside it by name"
	wantError(t, new(rootfs.Tree).AddHostTree(host, "/srv", "/opt", forTest), want)
	wantError(t, new(rootfs.Tree).AddHostAs(host, "/srv/app/sock", "/opt", forTest), want)
	wantError(t, new(rootfs.Tree).AddHost(host, "/srv/app/sock", forTest),
		"open /srv/app/sock: a socket cannot be part of an image; add what lies beside it by name")
}

func TestAFolderFollowsTheLinkThatTheHostHasInItsPlace(t *testing.T) {
	host := hostOf(t, `
		/usr/sbin/x         file 0755 1
		/sbin               link usr/sbin
		/my/sbin/tool       file 0755 4
		/my/etc/dangling/f  file 0644 1
		/my/etc/tofile/f    file 0644 1
		/etc/dangling       link /gone
		/etc/tofile         link ../usr/sbin/x
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(host, "/my/sbin", "/sbin", forTest))
	must(t, tree.AddHostTree(host, "/my/etc", "/etc", forTest))
	same(t, listing(tree), `
		/etc             dir 0755
		/etc/dangling    dir 0755
		/etc/dangling/f  file 0644 1
		/etc/tofile      dir 0755
		/etc/tofile/f    file 0644 1
		/sbin            link usr/sbin
		/usr             dir 0755
		/usr/sbin        dir 0755
		/usr/sbin/tool   file 0755 4
	`)
}
