package rootfs_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestAddHostReproducesEveryStepOfAPath(t *testing.T) {
	needRoot(t)
	host := hostOf(t, `
		/usr                         dir 0711
		/usr/lib/jvm/bin/java        file 0755 4
		/usr/lib/jvm                 dir 2755 7:8
		/usr/bin/java                link /etc/alternatives/java
		/etc/alternatives/java       link ../../usr/lib/./jvm/bin/java
		/bin                         link usr/bin
		/usr/lib64/ld.so             file 0755 5
		/lib64                       link usr/lib64
		/opt/other                   file 0644 1
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHost(host, "/bin/java", forTest))
	must(t, tree.AddHost(host, "bin/java", forTest))
	must(t, tree.AddHost(host, "/lib64/ld.so", forTest))
	same(t, listing(tree), `
		/bin                    link usr/bin
		/etc                    dir 0755
		/etc/alternatives       dir 0755
		/etc/alternatives/java  link ../../usr/lib/./jvm/bin/java
		/lib64                  link usr/lib64
		/usr                    dir 0711
		/usr/bin                dir 0755
		/usr/bin/java           link /etc/alternatives/java
		/usr/lib                dir 0755
		/usr/lib/jvm            dir 2755 7:8
		/usr/lib/jvm/bin        dir 0755
		/usr/lib/jvm/bin/java   file 0755 4
		/usr/lib64              dir 0755
		/usr/lib64/ld.so        file 0755 5
	`)
}

func TestAddHostSaysWhyForEveryStep(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/bash  file 0755 4
		/bin           link usr/bin
		/bin/sh        link bash
	`)
	tree := &rootfs.Tree{}
	why := rootfs.Reason{Kind: "program", From: "--bin sh", Text: "first"}
	must(t, tree.AddHost(host, "/bin/sh", why))
	must(t, tree.AddHost(host, "/bin/bash", other))
	must(t, tree.AddHost(host, "/bin/bash", other))
	got := ""
	for e := range tree.All() {
		got += fmt.Sprintln(e.Path, e.Why)
	}
	same(t, got, `
		/bin           [link for /bin/sh link for /bin/bash]
		/usr           [folder for /bin/sh]
		/usr/bin       [folder for /bin/sh]
		/usr/bin/bash  [program first for --bin sh added for other]
		/usr/bin/sh    [link for /bin/sh]
	`)
}

func TestAddHostNamesEveryLinkOfAPathThatLeadsNowhere(t *testing.T) {
	host := hostOf(t, `
		/bin   link usr/bin
		/usr/bin/vi  link /etc/vi
		/etc/vi      link ../opt/vi
		/loop        link loop
	`)
	tests := []struct{ name, want string }{
		{"/bin/vi", "open /bin/vi -> /usr/bin/vi -> /etc/vi -> /opt/vi: no such file or directory"},
		{"/loop", "open /loop -> /loop: too many levels of symbolic links"},
		{"/nothing", "open /nothing: no such file or directory"},
	}
	for _, tt := range tests {
		wantError(t, new(rootfs.Tree).AddHost(host, tt.name, forTest), tt.want)
		wantError(t, new(rootfs.Tree).AddHostAs(host, tt.name, "/x", forTest), tt.want)
		wantError(t, new(rootfs.Tree).AddHostTree(host, tt.name, "/x", forTest), tt.want)
	}
}

func TestAddHostAsFollowsLinksOfTheSourceAndKeepsTheHostsFolders(t *testing.T) {
	needRoot(t)
	host := hostOf(t, `
		/usr/bin        dir 0711 1:2
		/usr/bin/vim    file 4755 3
		/bin            link usr/bin
		/bin/vi         link vim
		/opt            dir 0700
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostAs(host, "/bin/vi", "/bin/editor", forTest))
	must(t, tree.AddHostAs(host, "/bin/vi", "/opt/new/ed", forTest))
	must(t, tree.AddHostAs(host, "/bin", "/srv/bin", forTest))
	same(t, listing(tree), `
		/bin             link usr/bin
		/opt             dir 0700
		/opt/new         dir 0755
		/opt/new/ed      file 4755 3
		/srv             dir 0755
		/srv/bin         dir 0711 1:2
		/usr             dir 0755
		/usr/bin         dir 0711 1:2
		/usr/bin/editor  hardlink /opt/new/ed
	`)
}

func TestAddFollowsLinksOfTheTree(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Symlink("/bin", "usr/bin")))
	must(t, tree.Add(rootfs.Symlink("/out", "../../../../outside")))
	must(t, tree.Add(rootfs.Symlink("/usr/bin/more", "/opt/./more/")))
	must(t, tree.Add(rootfs.File("/bin/sh", 0o755, []byte("sh"))))
	must(t, tree.Add(rootfs.File("/out/file", 0o644, nil)))
	must(t, tree.Add(rootfs.File("bin/more/file", 0o644, nil)))
	must(t, tree.Add(rootfs.Dir("/bin", 0o700)))
	same(t, listing(tree), `
		/bin           link usr/bin
		/opt           dir 0755
		/opt/more      dir 0755
		/opt/more/file file 0644 0
		/out           link ../../../../outside
		/outside       dir 0755
		/outside/file  file 0644 0
		/usr           dir 0755
		/usr/bin       dir 0755
		/usr/bin/more  link /opt/./more/
		/usr/bin/sh    file 0755 2
	`)
	must(t, tree.Add(rootfs.Symlink("/loop", "loop")))
	wantError(t, tree.Add(rootfs.File("/loop/x", 0o644, nil)),
		"adding /loop/x: open /loop -> /loop: too many levels of symbolic links")
}

func TestARealFolderReplacesAnImpliedOne(t *testing.T) {
	host := hostOf(t, `
		/var/tmp   dir 1777
		/var/tmp/x file 0644 1
	`)
	tests := []struct {
		name string
		add  func(*rootfs.Tree) error
		want string
	}{
		{"by a skeleton", func(t *rootfs.Tree) error { return t.Add(rootfs.Dir("/var/tmp", fs.ModeSticky|0o777)) }, "dir 1777"},
		{"by a host", func(t *rootfs.Tree) error { return t.AddHost(host, "/var/tmp/x", forTest) }, "dir 1777"},
		{"by a host's tree", func(t *rootfs.Tree) error { return t.AddHostTree(host, "/var/tmp", "/var/tmp", forTest) }, "dir 1777"},
		{"by nobody", func(t *rootfs.Tree) error { return t.Add(rootfs.File("/var/tmp/z", 0o644, nil)) }, "dir 0755"},
	}
	for _, tt := range tests {
		tree := &rootfs.Tree{}
		must(t, tree.Add(rootfs.File("/var/tmp/y", 0o644, nil)))
		must(t, tt.add(tree))
		t.Log(tt.name)
		same(t, tree.Entry("/var/tmp").String(), tt.want)
	}
}

func TestTheFirstFolderThatWasAskedForKeepsItsAttributes(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.Add(rootfs.Dir("/srv", 0o700)))
	must(t, tree.Add(rootfs.Dir("/srv", 0o755)))
	same(t, listing(tree), "/srv dir 0700")
}

func TestHardLinksHaveTheFirstNameForTheirContents(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/perl      file 0755 100
		/usr/bin/perl5.36  hardlink /usr/bin/perl
		/opt/perl          hardlink /usr/bin/perl
		/opt/twin          file 0755 50
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(host, "/usr", "/usr", forTest))
	same(t, listing(tree), `
		/usr               dir 0755
		/usr/bin           dir 0755
		/usr/bin/perl      file 0755 100
		/usr/bin/perl5.36  hardlink /usr/bin/perl
	`)
	if got := tree.Size(); got != 100 {
		t.Errorf("size %d", got)
	}
	must(t, tree.AddHostTree(host, "/opt", "/opt", forTest))
	must(t, tree.AddHostAs(host, "/opt/twin", "/opt/double", forTest))
	if got := tree.Entry("/usr/bin/perl").String(); got != "hardlink /opt/perl" {
		t.Errorf("after a name that sorts first: %s", got)
	}
	same(t, listing(tree), `
		/opt               dir 0755
		/opt/double        file 0755 50
		/opt/perl          file 0755 100
		/opt/twin          hardlink /opt/double
		/usr               dir 0755
		/usr/bin           dir 0755
		/usr/bin/perl      hardlink /opt/perl
		/usr/bin/perl5.36  hardlink /opt/perl
	`)
	if got := tree.Size(); got != 150 {
		t.Errorf("size %d", got)
	}
	data, err := fs.ReadFile(tree, "usr/bin/perl")
	if err != nil || len(data) != 100 {
		t.Errorf("a hard link reads %d bytes, %v", len(data), err)
	}
}

func TestTheOrderOfAddingDoesNotShow(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/perl      file 0755 100
		/usr/bin/perl5.36  hardlink /usr/bin/perl
		/usr/bin/a-b       file 0755 1
		/usr/bin/a/b       file 0755 1
		/usr/bin.x         file 0755 1
		/bin               link usr/bin
	`)
	adds := []func(*rootfs.Tree) error{
		func(t *rootfs.Tree) error { return t.AddHost(host, "/bin/perl", forTest) },
		func(t *rootfs.Tree) error { return t.AddHost(host, "/usr/bin/perl5.36", forTest) },
		func(t *rootfs.Tree) error { return t.AddHost(host, "/usr/bin/a-b", forTest) },
		func(t *rootfs.Tree) error { return t.AddHost(host, "/bin/a/b", forTest) },
		func(t *rootfs.Tree) error { return t.AddHost(host, "/usr/bin.x", forTest) },
		func(t *rootfs.Tree) error { return t.Add(rootfs.File("/etc/passwd", 0o644, []byte("root"))) },
		func(t *rootfs.Tree) error { return t.Add(rootfs.Dir("/tmp", fs.ModeSticky|0o777)) },
	}
	for range 20 {
		rand.Shuffle(len(adds), func(i, j int) { adds[i], adds[j] = adds[j], adds[i] })
		tree := &rootfs.Tree{}
		for _, add := range adds {
			must(t, add(tree))
		}
		same(t, listing(tree), `
			/bin               link usr/bin
			/etc               dir 0755
			/etc/passwd        file 0644 4
			/tmp               dir 1777
			/usr               dir 0755
			/usr/bin           dir 0755
			/usr/bin.x         file 0755 1
			/usr/bin/a         dir 0755
			/usr/bin/a-b       file 0755 1
			/usr/bin/a/b       file 0755 1
			/usr/bin/perl      file 0755 100
			/usr/bin/perl5.36  hardlink /usr/bin/perl
		`)
	}
}

func TestTreeIsAFileSystem(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/perl      file 0755 100
		/usr/bin/perl5.36  hardlink /usr/bin/perl
		/bin               link usr/bin
		/usr/bin/vi        link /etc/vi
		/etc/vi            link /bin/perl
	`)
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(host, "/", "/", forTest))
	must(t, tree.Add(rootfs.File("/bin/mem", 0o600, []byte("in memory"))))
	must(t, tree.Add(rootfs.Dir("/proc", 0o555)))
	if err := fstest.TestFS(tree, "usr/bin/perl", "usr/bin/perl5.36", "bin", "etc/vi", "usr/bin/mem", "proc"); err != nil {
		t.Error(err)
	}
	if err := fstest.TestFS(&rootfs.Tree{}); err != nil {
		t.Error("empty:", err)
	}
}

func TestTreeMayBeReadConcurrently(t *testing.T) {
	tree := &rootfs.Tree{}
	must(t, tree.AddHostTree(hostOf(t, "/a/b file 0644 3\n/a/c hardlink /a/b"), "/", "/", forTest))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			same(t, listing(tree), "/a dir 0755\n/a/b file 0644 3\n/a/c hardlink /a/b")
			if _, err := tree.Stat("a/c"); err != nil || tree.Entry("/a/c").Hardlink != "/a/b" || tree.Size() != 3 {
				t.Errorf("a/c: %v, %v", tree.Entry("/a/c"), err)
			}
		})
	}
	wg.Wait()
}
