package rootfs_test

import (
	"net"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestPruneKeepsFoldersOfWhatStays(t *testing.T) {
	tree := rootfs.Upon(baseOf(t, "/base/out file 0644 1"))
	must(t, tree.AddHostTree(hostOf(t, `
		/out/out         file 0644 1
		/out/deep/stays  file 0644 2
		/gone/out        dir 0755
	`), "/", "/", forTest))
	tree.Prune(func(e *rootfs.Entry) bool { return e.Path != "/out/deep/stays" })
	same(t, listing(tree), `
		/base            dir 0755
		/base/out        file 0644 1
		/out             dir 0755
		/out/deep        dir 0755
		/out/deep/stays  file 0644 2
	`)
}

func TestWhatIsSkippedIsNotLookedAt(t *testing.T) {
	dir := onDisk(t, "/in file 0644 1\n/out dir 0755")
	t.Chdir(dir) // a socket's name is at most 108 bytes long
	l, err := net.Listen("unix", "out/sock")
	must(t, err)
	defer l.Close()
	tree := &rootfs.Tree{Skip: func(path string) bool { return path == "/srv/out" }}
	must(t, tree.AddHostTree(openHost(t, dir), "/", "/srv", forTest))
	same(t, listing(tree), `
		/srv     dir 0755
		/srv/in  file 0644 1
	`)
}

func TestAddDirWinsOverWhatIsThere(t *testing.T) {
	base := baseOf(t, `
		/base  dir 0755
		/link  link base
		/kept  dir 0755
	`)
	host := hostOf(t, "/a dir 0711\n/l link a")
	for _, test := range []struct{ path, shipped string }{
		{"/base", "/base dir 0700"},
		{"/link", "/base dir 0700"},
		{"/a/b", "/a dir 0711\n/a/b dir 0700"},
		{"/own", "/own dir 0700"},
		{"/l", "/a dir 0700\n/l link a"},
	} {
		tree := rootfs.Upon(base)
		must(t, tree.Add(rootfs.Dir("/own", 0o755).For(forTest)))
		must(t, tree.AddDir(host, rootfs.Dir(test.path, 0o700).For(forTest)))
		want := test.shipped
		if test.path != "/own" {
			want += "\n/own dir 0755"
		}
		same(t, listing(tree.Added()), want)
	}
}
