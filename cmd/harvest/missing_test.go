package main

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
)

// What is told of a trace is what the host has and an image should have, and the
// flag for it.
func TestMissingFilesAreToldWithTheirFlags(t *testing.T) {
	index, err := (&ldcache.Cache{Entries: []ldcache.Entry{
		{Flags: 0x303, Name: "libc.so.6", Path: "/usr/lib/libc.so.6"},
		{Flags: 0x3, Name: "libapart.so.1", Path: "/usr/lib/lang/a.py"}, // of another architecture
		{Flags: 0x303, Name: "libapart.so.1", Path: "/usr/local/lib/libapart.so.1"},
	}}).Append(nil, binary.NativeEndian)
	if err != nil {
		t.Fatal(err)
	}
	host := hostOf(t, map[string]string{
		"usr/share/vim/vim90/defaults.vim": "", "usr/share/vim/vim90/filetype.vim": "", "usr/share/vim/vimrc": "",
		"usr/lib/lang/a.py": "", "usr/lib/lang/b.py": "", "usr/lib/lang/c/d.py": "",
		"usr/bin/tool": "", "opt/app/bin/helper": "", "etc/app.conf": "", "etc/shadow": "secret", "root/.toolrc": "", "tmp/x": "",
		"usr/lib/glibc-hwcaps/x86-64-v3/lib.so": "", "etc/shared/one": "", "etc/zones/here": "", "etc/certs/all": "", "etc/shared/two": "",
		"etc/certs/link": "", "etc/certs/printed": "", "usr/share/locale/printed": "", "etc/localtime": "", "usr/share/locale/locale.alias": "",
		"usr/lib/libc.so.6": "", "usr/local/lib/libapart.so.1": "", "etc/ld.so.cache": string(index),
		"var/lib/dpkg/status": "Package: vim-runtime\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n" +
			"Package: vim-common\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		"var/lib/dpkg/info/vim-runtime.list": "/.\n/usr\n/usr/share\n/usr/share/vim\n/usr/share/vim/vim90\n/usr/share/vim/vim90/defaults.vim\n",
		"var/lib/dpkg/info/vim-common.list":  "/.\n/usr\n/usr/share\n/usr/share/vim\n/usr/share/vim/vimrc\n",
	})
	tree := &rootfs.Tree{}
	for _, e := range []*rootfs.Entry{rootfs.File("/usr/lib/libc.so.6", 0o644, nil), rootfs.Dir("/etc", 0o755), rootfs.Symlink("/lib", "usr/lib"), rootfs.File("/usr/lib/there.so", 0o644, nil)} {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	output := []string{"tool: /etc/certs/printed: none", "and no /usr/share/locale/printed"}
	for _, test := range []struct{ asked, want string }{
		{"/usr/share/vim/vim90/defaults.vim", "missing /usr/share/vim/vim90/defaults.vim: --add /usr/share/vim/vim90 (package vim-runtime)"},
		{"/usr/share/vim/vim90/defaults.vim /usr/share/vim/vim90/filetype.vim", "missing /usr/share/vim/vim90/defaults.vim: --add /usr/share/vim/vim90 (package vim-runtime)"},
		{"/usr/share/vim/vimrc", "missing /usr/share/vim/vimrc: --add /usr/share/vim/vimrc (package vim-common)"},
		{"/usr/lib/lang/a.py /usr/lib/lang/b.py /usr/lib/lang/c/d.py", "missing /usr/lib/lang/a.py: --add /usr/lib/lang"},
		{"/usr/lib/lang/a.py", "missing /usr/lib/lang/a.py: --add /usr/lib/lang/a.py"},
		{"/usr/bin/tool /opt/app/bin/helper", "missing /opt/app/bin/helper: --bin /opt/app/bin/helper\nmissing /usr/bin/tool: --bin /usr/bin/tool"},
		{"/etc/app.conf", "missing /etc/app.conf: --add /etc/app.conf"},
		{"/etc/zones/here /etc/certs/all", "missing /etc/certs/all: --without certs leaves it out\nmissing /etc/zones/here: --with zones"},
		{"/usr/share/locale/locale.alias /etc/zones/here /usr/bin/tool /etc/app.conf /etc/localtime", "missing /etc/zones/here: --with zones\n" +
			"missing /etc/app.conf: --add /etc/app.conf\nmissing /usr/bin/tool: --bin /usr/bin/tool\n" +
			"missing /etc/localtime: --add /etc/localtime\nmissing /usr/share/locale/locale.alias: --add /usr/share/locale/locale.alias"},
		{"/etc/certs/link /etc/certs/all", "missing /etc/certs/link: --without certs leaves it out"},
		{"/etc/certs/link /etc/certs/printed /etc/certs/all", "missing /etc/certs/printed: --without certs leaves it out"},
		{"/etc/zones/here /usr/share/locale/printed", "missing /usr/share/locale/printed: --add /usr/share/locale/printed\nmissing /etc/zones/here: --with zones"},
		{"/lib/libapart.so.1 /usr/lib/libapart.so.1", "missing /usr/local/lib/libapart.so.1: --add /usr/local/lib/libapart.so.1"},
		{"/none /etc/none", ""},                        // the host has neither
		{"/lib/there.so", ""},                          // the image has it
		{"/etc/shadow /root/.toolrc", ""},              // nobody's business
		{"/tmp/x /usr /proc/none", ""},                 // no part of an image
		{"/usr/lib/glibc-hwcaps/x86-64-v3/lib.so", ""}, // a loader tries it first
	} {
		log := &trace.Log{}
		for name := range strings.FieldsSeq(test.asked) {
			log.Accesses = append(log.Accesses, trace.Access{Path: name, Use: trace.Missing})
		}
		recipe := func(name string) string {
			if strings.HasPrefix(name, "/etc/certs/") {
				return "certs"
			}
			return map[string]string{"/etc/zones/here": "zones"}[name]
		}
		list, err := absentee{host: host, tree: tree, recipe: recipe, without: []string{"certs"}, output: output}.of(log)
		if got := strings.Join(missingLines(list), "\n"); err != nil || got != test.want {
			t.Errorf("%s:\ngot:\n%s\n%v\nwant:\n%s", test.asked, got, err, test.want)
		}
	}
}

// hostOf returns a host of files; those in a folder bin are executable.
func hostOf(t *testing.T, files map[string]string) *rootfs.Host {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, mode := filepath.Join(dir, name), os.FileMode(0o644)
		if strings.Contains(name, "bin/") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[name]), mode); err != nil {
			t.Fatal(err)
		}
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	return host
}
