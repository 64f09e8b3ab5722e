package rootfs_test

import (
	"errors"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

// baseOf is a tree with what the lines say, as an image's layers would have it.
func baseOf(t *testing.T, lines string) *rootfs.Tree {
	t.Helper()
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, lines), "/", "/", rootfs.Reason{Kind: "base"}))
	return tree
}

// Contents repeat the name of a file, so files of one name and size are copies.
func TestUponShipsOnlyWhatTheBaseLacks(t *testing.T) {
	base := baseOf(t, `
		/tmp          dir 1777
		/lib/libc.so  file 0755 20
		/etc/passwd   file 0600 9
	`)
	host := hostOf(t, `
		/lib/libc.so  file 0644 20
		/lib/libz.so  file 0644 7
		/tmp/x        file 0644 3
		/etc/passwd   file 0644 8
	`)
	tree := rootfs.Upon(base)
	for _, name := range []string{"/lib/libc.so", "/lib/libz.so", "/tmp/x"} {
		must(t, tree.AddHost(host, name, forTest))
	}
	same(t, listing(tree.Added()), `
		/lib dir 0755
		/lib/libz.so file 0644 7
		/tmp dir 1777
		/tmp/x file 0644 3
	`)
	same(t, listing(tree), `
		/etc dir 0755
		/etc/passwd file 0600 9
		/lib dir 0755
		/lib/libc.so file 0755 20
		/lib/libz.so file 0644 7
		/tmp dir 1777
		/tmp/x file 0644 3
	`)
	if !tree.InBase("/lib/libc.so") || tree.InBase("/lib/libz.so") || tree.InBase("/no") {
		t.Error("InBase says what is not so")
	}

	err := tree.AddHost(host, "/etc/passwd", forTest)
	var conflict *rootfs.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("a different file: %v", err)
	}
	tree.Replace = func(base, by *rootfs.Entry) bool {
		return base.Path == "/etc/passwd" && base.Size == 9 && by.Size == 8
	}
	must(t, tree.AddHost(host, "/etc/passwd", forTest))
	same(t, listing(tree.Added()), `
		/etc dir 0755
		/etc/passwd file 0644 8
		/lib dir 0755
		/lib/libz.so file 0644 7
		/tmp dir 1777
		/tmp/x file 0644 3
	`)
	same(t, listing(base), `
		/etc dir 0755
		/etc/passwd file 0600 9
		/lib dir 0755
		/lib/libc.so file 0755 20
		/tmp dir 1777
	`)
}

// A link of the base to a folder is never replaced by a folder, whatever the host
// has, nor the other way round.
func TestUponGoesWhereTheLinksOfTheBaseLead(t *testing.T) {
	const merged = `
		/bin  link usr/bin
		/lib  link /usr/lib
		/usr/bin/sh    file 0755 5
		/usr/lib/gnu/libc.so    link libc.so.6
		/usr/lib/gnu/libc.so.6  file 0644 9
	`
	const split = `
		/bin/sh         file 0755 5
		/lib/gnu/libc.so    link libc.so.6
		/lib/gnu/libc.so.6  file 0644 9
		/usr/bin        dir 0755
	`
	for _, tt := range []struct{ name, base, host, want string }{
		{"merged upon merged", merged, merged + "/usr/bin/new file 0755 3\n/usr/lib/gnu/libx.so link libx.so.1\n/usr/lib/gnu/libx.so.1 file 0644 4", `
			/usr dir 0755
			/usr/bin dir 0755
			/usr/bin/new file 0755 3
			/usr/lib dir 0755
			/usr/lib/gnu dir 0755
			/usr/lib/gnu/libx.so link libx.so.1
			/usr/lib/gnu/libx.so.1 file 0644 4`},
		{"split upon merged", merged, split + "/bin/new file 0755 3\n/lib/gnu/libx.so link libx.so.1\n/lib/gnu/libx.so.1 file 0644 4", `
			/usr dir 0755
			/usr/bin dir 0755
			/usr/bin/new file 0755 3
			/usr/lib dir 0755
			/usr/lib/gnu dir 0755
			/usr/lib/gnu/libx.so link libx.so.1
			/usr/lib/gnu/libx.so.1 file 0644 4`},
		{"merged upon split", split, merged + "/usr/bin/new file 0755 3\n/usr/lib/gnu/libx.so link libx.so.1\n/usr/lib/gnu/libx.so.1 file 0644 4", `
			/bin dir 0755
			/bin/new file 0755 3
			/lib dir 0755
			/lib/gnu dir 0755
			/lib/gnu/libx.so link libx.so.1
			/lib/gnu/libx.so.1 file 0644 4`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, host := rootfs.Upon(baseOf(t, tt.base)), hostOf(t, tt.host)
			for _, name := range []string{"/bin/sh", "/bin/new", "/lib/gnu/libc.so", "/lib/gnu/libx.so"} {
				must(t, tree.AddHost(host, name, forTest))
				if _, err := tree.Stat(name[1:]); err != nil {
					t.Errorf("%s leads to nothing: %v", name, err)
				}
			}
			same(t, listing(tree.Added()), tt.want)
		})
	}
}

// A file of the base serves under the name that it has there, be it a link on one
// side and a file on the other.
func TestUponTakesLinksForWhatTheyLeadTo(t *testing.T) {
	for _, tt := range []struct{ name, base, host, want string }{
		{"the base has a file where the host has a link",
			"/lib/libz.so.1 file 0644 8", "/lib/libz.so.1 link sub/libz.so.1\n/lib/sub/libz.so.1 file 0644 8", ""},
		{"the base has a link to a file of another name",
			"/lib/libz.so.1 link old/libz.so.1\n/lib/old/libz.so.1 file 0644 8", "/lib/libz.so.1 link new/libz.so.1\n/lib/new/libz.so.1 file 0644 8", ""},
		{"the base's link leads to a different file",
			"/lib/libz.so.1 link old/libz.so.1\n/lib/old/libz.so.1 file 0644 9", "/lib/libz.so.1 link new/libz.so.1\n/lib/new/libz.so.1 file 0644 8",
			"two inputs for /lib/old/libz.so.1: a file (base) and a file from /lib/new/libz.so.1 (added for test)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := rootfs.Upon(baseOf(t, tt.base))
			wantError(t, tree.AddHost(hostOf(t, tt.host), "/lib/libz.so.1", forTest), tt.want)
			same(t, listing(tree.Added()), "")
		})
	}
}

// What is added by other names, or in whole folders, goes there too.
func TestUponTakesInputsUnderNamesOfTheirOwn(t *testing.T) {
	tree := rootfs.Upon(baseOf(t, `
		/bin  link usr/bin
		/usr/bin/sh  file 0755 5
		/srv  dir 0700
	`))
	host := hostOf(t, `
		/app       file 0755 4
		/www/bin/x file 0644 2
	`)
	must(t, tree.AddHostAs(host, "/app", "/bin/app", forTest))
	must(t, tree.AddHostTree(host, "/www", "/srv", forTest))
	must(t, tree.AddHostTree(host, "/www", "/", forTest))
	must(t, tree.Add(rootfs.File("/bin/made", 0o644, []byte("up")).For(forTest)))
	same(t, listing(tree.Added()), `
		/srv dir 0700
		/srv/bin dir 0755
		/srv/bin/x file 0644 2
		/usr dir 0755
		/usr/bin dir 0755
		/usr/bin/app file 0755 4
		/usr/bin/made file 0644 2
		/usr/bin/x hardlink /srv/bin/x
	`)
}
