package owner_test

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/klauspost/compress/zstd"
)

// rpmRoot returns a root with one of the databases of rpmdb's testdata.
func rpmRoot(t testing.TB, database, dir string) fstest.MapFS {
	t.Helper()
	f, err := os.Open("rpmdb/testdata/databases.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	fsys := fstest.MapFS{"etc/os-release": {Data: []byte("ID=fedora\nVERSION_ID=40\n")}}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fsys
		}
		if err != nil {
			t.Fatal(err)
		}
		if base, ok := strings.CutPrefix(h.Name, database+"/"); ok && base != "" {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			fsys[dir+"/"+base] = &fstest.MapFile{Data: data}
		}
	}
}

// README was left out when the package was installed, with --excludedocs.
func TestRPM(t *testing.T) {
	for database, dir := range map[string]string{
		"sqlite": "usr/lib/sysimage/rpm", "wal": "var/lib/rpm", "bdb": "var/lib/rpm", "bdb-big": "usr/share/rpm",
	} {
		t.Run(database, func(t *testing.T) {
			fsys := rpmRoot(t, database, dir)
			add(fsys, "bin -> usr/bin", "lib64 -> usr/lib64", "usr/share/tool/shared", "usr/lib64/libtool.so -> libtool.so.1")
			db := open(t, fsys)
			var packages []string
			for line := range strings.Lines(packagesText(db)) {
				if !strings.Contains(line, "tool-lang-") || strings.Contains(line, "tool-lang-7") {
					packages = append(packages, line)
				}
			}
			equal(t, "packages", strings.Join(packages, ""), `
{fedora 40 }
rpm tool 2:1.5-3 noarch of tool 1.5-3 by "Example", ["MIT AND Zlib"]
rpm tool-lang-7 2:1.5-3 noarch of tool 1.5-3 by "Example", ["MIT AND Zlib"]
rpm tool-libs 2:7-3 noarch of tool 1.5-3 by "Example", ["MIT AND Zlib"]
`)
			var files []string
			for line := range strings.Lines(filesText(t, db)) {
				if !strings.Contains(line, "data-") || strings.Contains(line, "data-60") {
					files = append(files, line)
				}
			}
			equal(t, "files", strings.Join(files, ""), `
tool /etc/tool.conf config sha256:8d0d/64
tool /etc/tool.d
tool /usr/bin/t
tool /usr/bin/tool sha256:6794/64
tool /usr/share/tool/data-60 sha256:95cf/64
tool /usr/share/tool/shared sha256:f6df/64
tool /var/lib/tool/state
tool-libs /usr/lib64/libtool.so.1
tool-libs /usr/lib64/libtool.so.1.0 sha256:a325/64
tool-libs /usr/share/tool/shared sha256:f6df/64
`)
			equal(t, "owners", ownersText(t, db, "/bin/tool", "/bin/t", "/lib64/libtool.so.1.0", "/lib64/libtool.so",
				"/usr/share/tool/shared", "/usr/share/tool", "/etc/tool.d", "/usr/share/doc/tool/README"), `
/bin/tool: tool as /usr/bin/tool
/bin/t: tool as /usr/bin/t
/lib64/libtool.so.1.0: tool-libs as /usr/lib64/libtool.so.1.0
/lib64/libtool.so: a link to /usr/lib64/libtool.so.1 of tool-libs
/usr/share/tool/shared: tool as /usr/share/tool/shared
/usr/share/tool: nobody
/etc/tool.d: tool as /etc/tool.d
/usr/share/doc/tool/README: nobody
`)
		})
	}
}

// A file of io/fs need not be readable at any place: those of an archive are not.
func TestRPMFromAFileThatIsAStream(t *testing.T) {
	fsys := rpmRoot(t, "wal", "var/lib/rpm")
	equal(t, "packages", packagesText(open(t, streams{fsys})), packagesText(open(t, fsys)))
}

type streams struct{ fs.FS }

func (s streams) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	return struct{ fs.File }{f}, err
}

func TestDamagedRPMDatabaseIsNamed(t *testing.T) {
	fsys := rpmRoot(t, "sqlite", "var/lib/rpm")
	file := fsys["var/lib/rpm/rpmdb.sqlite"]
	file.Data = file.Data[:3*4096]
	_, err := owner.Open(fsys)
	if !errors.Is(err, owner.ErrDamaged) || !strings.HasPrefix(err.Error(), "reading /var/lib/rpm/rpmdb.sqlite: ") {
		t.Errorf("got %v", err)
	}
}
