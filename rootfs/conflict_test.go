package rootfs_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestAConflictShowsBothSides(t *testing.T) {
	host := hostOf(t, `
		/a/x      file 0755 4
		/b/x      file 0755 5
		/c/x      file 0644 4
		/opt/l    link /a
		/opt/d/x  file 0644 1
	`)
	program := rootfs.Reason{Kind: "program", From: "--bin /a/x:/bin/x"}
	tests := []struct {
		name string
		add  func(*rootfs.Tree) error
		want string
	}{
		{"two files", func(t *rootfs.Tree) error { return t.AddHostAs(host, "/b/x", "/bin/x", forTest) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a file from /b/x (added for test)"},
		{"of other modes", func(t *rootfs.Tree) error { return t.AddHostAs(host, "/c/x", "/bin/x", forTest) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a file from /c/x (added for test)"},
		{"a file in memory", func(t *rootfs.Tree) error { return t.Add(rootfs.File("/bin/x", 0o755, []byte("y\nx\n"))) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a file"},
		{"a link", func(t *rootfs.Tree) error { return t.Add(rootfs.Symlink("/bin/x", "y").For(other)) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a link to y (added for other)"},
		{"a folder", func(t *rootfs.Tree) error { return t.Add(rootfs.Dir("/bin/x", 0o755).For(other)) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a folder (added for other)"},
		{"something below a file", func(t *rootfs.Tree) error { return t.Add(rootfs.File("/bin/x/y/z", 0o755, nil)) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a folder (folder for /bin/x/y/z)"},
		{"something right below a file", func(t *rootfs.Tree) error { return t.AddHostAs(host, "/b/x", "/bin/x/y", forTest) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a folder (folder for /bin/x/y)"},
		{"a file where a folder is", func(t *rootfs.Tree) error { return t.AddHostAs(host, "/b/x", "/bin", forTest) },
			"two inputs for /bin: a folder (folder for /bin/x) and a file from /b/x (added for test)"},
		{"a link where a folder is", func(t *rootfs.Tree) error { return t.Add(rootfs.Symlink("/bin", "usr/bin")) },
			"two inputs for /bin: a folder (folder for /bin/x) and a link to usr/bin"},
		{"a file for the root", func(t *rootfs.Tree) error { return t.AddHostAs(host, "/b/x", "/", forTest) },
			"two inputs for /: a folder and a file from /b/x (added for test)"},
		{"a folder over a file", func(t *rootfs.Tree) error { return t.AddHostTree(host, "/b", "/bin", forTest) },
			"two inputs for /bin/x: a file from /a/x (program for --bin /a/x:/bin/x) and a file from /b/x (added for test)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := &rootfs.Tree{}
			must(t, tree.AddHostAs(host, "/a/x", "/bin/x", program))
			before := listing(tree)
			err := tt.add(tree)
			wantError(t, err, tt.want)
			var conflict *rootfs.ConflictError
			if !errors.As(err, &conflict) {
				t.Errorf("got a %T", err)
			}
			same(t, listing(tree), before)
		})
	}
}

func TestALinkAndAFolderOfTheHostConflict(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/x  file 0755 1
		/bin        link usr/bin
	`)
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Dir("/bin", 0o755).For(other)))
	wantError(t, tree.AddHost(host, "/bin/x", forTest),
		"two inputs for /bin: a folder (added for other) and a link to usr/bin (link for /bin/x)")
}

func TestEqualInputTwiceIsFine(t *testing.T) {
	host := hostOf(t, `
		/a/x  file 0755 4
		/b/x  file 0755 4
		/hard hardlink /a/x
	`)
	tree := &rootfs.Tree{}
	for range 2 {
		must(t, tree.AddHostAs(host, "/a/x", "/bin/x", forTest))
		must(t, tree.AddHostAs(host, "/hard", "/bin/x", other))
		must(t, tree.AddHostAs(host, "/b/x", "/bin/x", rootfs.Reason{Kind: "copy"}))
		generated := rootfs.File("/bin/x", 0o755, []byte("x\nx\n")).For(rootfs.Reason{Kind: "generated"})
		generated.UID, generated.GID = os.Geteuid(), os.Getegid()
		must(t, tree.Add(generated))
		must(t, tree.Add(rootfs.Symlink("/lib", "usr/lib")))
		must(t, tree.Add(rootfs.File("/etc/group", 0o644, []byte("root"))))
		must(t, tree.Add(rootfs.Dir("/tmp", fs.ModeSticky|0o777)))
	}
	same(t, listing(tree), `
		/bin        dir 0755
		/bin/x      file 0755 4
		/etc        dir 0755
		/etc/group  file 0644 4
		/lib        link usr/lib
		/tmp        dir 1777
	`)
	e := tree.Entry("/bin/x")
	if got := len(e.Why); got != 4 || e.Source != "/a/x" {
		t.Errorf("/bin/x is from %s for %v", e.Source, e.Why)
	}
}
