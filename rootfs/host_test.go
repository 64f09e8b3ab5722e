package rootfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestHostFollowsLinksAsUnderChroot(t *testing.T) {
	var chain strings.Builder
	for i := range 41 {
		fmt.Fprintf(&chain, "/chain/%d link %d\n", i+1, i)
	}
	host := hostOf(t, chain.String()+`
		/chain/0          file 0644 1
		/usr/bin/bash     file 0755 4
		/bin              link usr/bin
		/sh               link /bin/bash
		/usr/up           link ../../../../usr/bin/bash
		/usr/escape       link ../../../../../../../../etc/passwd
		/etc/passwd       file 0644 5
		/etc/abs          link /etc/../../../etc/passwd
		/etc/slash        link passwd/
		/etc/dirslash     link ../usr/bin/
		/dangling         link /gone/one
		/gone/one         link two
		/gone/two         link ../three
		/loop/a           link b
		/loop/b           link /loop/a
		/loop/self        link self/x
		/run/pipe         pipe 0600
	`)
	tests := []struct{ name, want string }{
		{"/", "/"},
		{"/..", "/"},
		{"../../usr", "/usr"},
		{"/bin/bash", "/usr/bin/bash"},
		{"/bin/../bin/./bash", "/usr/bin/bash"},
		{"/bin/../../etc", "/etc"},
		{"//sh", "/usr/bin/bash"},
		{"/usr/up", "/usr/bin/bash"},
		{"/usr/escape", "/etc/passwd"},
		{"/etc/abs", "/etc/passwd"},
		{"/etc/dirslash/bash", "/usr/bin/bash"},
		{"/etc/dirslash/", "/usr/bin"},
		{"/run/pipe", "/run/pipe"},
		{"/chain/40", "/chain/0"},
		{"/etc/nothing", "open /etc/nothing: no such file or directory"},
		{"/etc/nothing/at/all", "open /etc/nothing/at/all: no such file or directory"},
		{"/dangling", "open /dangling -> /gone/one -> /gone/two -> /three: no such file or directory"},
		{"/dangling/x", "open /dangling/x -> /gone/one/x -> /gone/two/x -> /three/x: no such file or directory"},
		{"/loop/a", "open /loop/a -> /loop/b -> /loop/a: too many levels of symbolic links"},
		{"/etc/passwd/x", "open /etc/passwd/x: not a directory"},
		{"/etc/passwd/", "open /etc/passwd/: not a directory"},
		{"/etc/passwd/..", "open /etc/passwd/..: not a directory"},
		{"/etc/slash", "open /etc/slash -> /etc/passwd: not a directory"},
		{"/sh/x", "open /sh/x -> /bin/bash/x -> /usr/bin/bash/x: not a directory"},
		{"/run/pipe/x", "open /run/pipe/x: not a directory"},
	}
	for _, tt := range tests {
		got, err := host.RealPath(tt.name)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	for _, name := range []string{"/chain/41", "/loop/self"} {
		if _, err := host.RealPath(name); err == nil || !strings.HasSuffix(err.Error(), ": too many levels of symbolic links") {
			t.Errorf("%s: got %v, want too many links", name, err)
		}
	}
}

func TestHostIsAFileSystem(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/bash  file 0755 4
		/usr/lib       dir 0755
		/bin           link usr/bin
		/sh            link /bin/bash
		/etc/group     file 0600 7
		/etc/hard      hardlink /etc/group
		/tmp           dir 1777
	`)
	if err := fstest.TestFS(host, "usr/bin/bash", "sh", "bin", "etc/hard", "tmp"); err != nil {
		t.Error(err)
	}
}

func TestHostTellsLinksFromWhatTheyLeadTo(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/bash  file 0755 4
		/bin           link usr/bin
		/usr/bin/sh    link /bin/bash
	`)
	stat, err := host.Stat("bin/sh")
	must(t, err)
	lstat, err := host.Lstat("bin/sh")
	must(t, err)
	link, err := host.ReadLink("bin/sh")
	must(t, err)
	same(t, fmt.Sprintln(stat.Mode(), lstat.Mode().Type(), link), "-rwxr-xr-x L--------- /bin/bash")
	_, err = host.ReadLink("bin/bash")
	wantError(t, err, "readlink bin/bash: invalid argument")
	for _, name := range []string{"/bin", "../bin", "bin/", ""} {
		_, serr := host.Stat(name)
		_, lerr := host.ReadLink(name)
		_, oerr := host.Open(name)
		_, derr := host.ReadDir(name)
		for _, err := range []error{serr, lerr, oerr, derr} {
			if err == nil || !strings.HasSuffix(err.Error(), "invalid argument") {
				t.Errorf("%q: got %v, want invalid argument", name, err)
			}
		}
	}
}

// Opening a pipe waits for its other end, so a test that fails here hangs.
func TestHostNeverOpensWhatMayBlockOrAct(t *testing.T) {
	host := hostOf(t, `
		/run/pipe  pipe 0600
		/run/link  link pipe
	`)
	for _, name := range []string{"run/pipe", "run/link"} {
		_, err := host.Open(name)
		wantError(t, err, "open "+name+": is a pipe")
	}
	system := openHost(t, "/")
	_, err := system.Open("dev/null")
	wantError(t, err, "open dev/null: is a device")
}

func TestHostDoesNotWaitForAPipeThatTookAFilesPlace(t *testing.T) {
	dir := onDisk(t, "/etc/passwd file 0644 5")
	host := openHost(t, dir)
	_, err := host.Stat("etc/passwd")
	must(t, err)
	name := filepath.Join(dir, "etc/passwd")
	must(t, os.Remove(name))
	must(t, makeFile(dir, name, []string{"pipe"}))
	f, err := host.Open("etc/passwd")
	must(t, err)
	must(t, f.Close())
}

func TestHostDoesNotFollowALinkThatTookAFilesPlace(t *testing.T) {
	dir := onDisk(t, "/etc/passwd file 0644 5")
	host := openHost(t, dir)
	_, err := host.Stat("etc/passwd")
	must(t, err)
	name := filepath.Join(dir, "etc/passwd")
	must(t, os.Remove(name))
	must(t, os.Symlink("/etc/passwd", name)) // of the whole system
	_, err = host.Open("etc/passwd")
	wantError(t, err, "open /etc/passwd: too many levels of symbolic links")
}

func TestOpenHostWantsAFolder(t *testing.T) {
	dir := onDisk(t, `
		/root/etc/passwd  file 0644 5
		/link             link root
		/file             file 0644 5
		/dangling         link gone
	`)
	t.Chdir(dir)
	tests := []struct{ dir, want string }{
		{dir + "/root", ""},
		{"root", ""},
		{"./link/.", ""},
		{"link", ""},
		{dir + "/link", ""},
		{"", "stat : no such file or directory"},
		{"file", "open file: not a directory"},
		{"gone", "stat gone: no such file or directory"},
		{"dangling", "stat dangling: no such file or directory"},
	}
	for _, tt := range tests {
		host, err := rootfs.OpenHost(tt.dir)
		wantError(t, err, tt.want)
		if err != nil {
			continue
		}
		data, err := fs.ReadFile(host, "etc/passwd")
		if err != nil || string(data) != "passw" {
			t.Errorf("%s: reading etc/passwd: %q, %v", tt.dir, data, err)
		}
		list, err := host.ReadDir(".")
		if err != nil || len(list) != 1 {
			t.Errorf("%s: listing: %v, %v", tt.dir, list, err)
		}
		if !filepath.IsAbs(host.Dir()) {
			t.Errorf("%s: Dir is %s", tt.dir, host.Dir())
		}
	}
}

func TestHostStaysWhereItWasOpened(t *testing.T) {
	dir := onDisk(t, "/root/etc/passwd file 0644 5")
	t.Chdir(dir)
	host := openHost(t, "root")
	t.Chdir("/")
	_, err := fs.ReadFile(host, "etc/passwd")
	must(t, err)
}

func TestHostEntryHasWhatStatKnows(t *testing.T) {
	needRoot(t)
	host := hostOf(t, `
		/usr/bin/su    file 4755 8 0:42
		/usr/bin/wall  file 2755 2
		/srv           dir 2775 33:44
		/bin           link usr/bin
		/run/pipe      pipe 0600 5:6
	`)
	for name, want := range map[string]string{
		"/bin":           "link usr/bin",
		"/bin/su":        "file 4755 8 0:42",
		"/usr/bin/wall":  "file 2755 2",
		"srv":            "dir 2775 33:44",
		"/run/pipe":      "pipe 0600 5:6",
		"/run/../bin/su": "file 4755 8 0:42",
	} {
		e, err := host.Entry(name)
		must(t, err)
		if e.String() != want {
			t.Errorf("%s: got %s, want %s", name, e, want)
		}
		if e.Mode.IsRegular() && !e.ModTime.Equal(epoch) {
			t.Errorf("%s: mtime %v", name, e.ModTime)
		}
	}
	e, err := openHost(t, "/").Entry("/dev/null")
	must(t, err)
	same(t, e.String(), "device 0666 1,3")
}

func TestHostMayBeReadConcurrently(t *testing.T) {
	host := hostOf(t, `
		/usr/bin/bash  file 0755 4
		/bin           link usr/bin
		/sh            link /bin/bash
	`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range []string{"sh", "bin/bash", "usr/bin/bash"} {
				if data, err := fs.ReadFile(host, name); err != nil || string(data) != "bash" {
					t.Errorf("%s: %q, %v", name, data, err)
				}
			}
		})
	}
	wg.Wait()
}
