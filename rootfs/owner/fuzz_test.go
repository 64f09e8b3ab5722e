package owner_test

import (
	"errors"
	"path"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs/owner"
)

// sound checks that what a damaged root gives is an ErrDamaged or is right: what
// Files lists, Of finds.
func sound(t *testing.T, fsys fstest.MapFS) {
	t.Helper()
	db, err := owner.Open(fsys)
	if err != nil {
		if !errors.Is(err, owner.ErrDamaged) {
			t.Errorf("damage is not called so: %v", err)
		}
		return
	}
	for _, p := range db.Packages() {
		files, err := p.Files()
		if err != nil {
			if !errors.Is(err, owner.ErrDamaged) {
				t.Errorf("damage is not called so: %v", err)
			}
			return
		}
		for _, f := range files {
			owners, err := db.Of(f.Path)
			if errors.Is(err, owner.ErrDamaged) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := fsys.Stat(path.Clean(f.Path)[1:])
			if isFolder := err == nil && info.IsDir(); path.Clean(f.Path) == f.Path && owners[f.Path].Package == nil && !isFolder {
				t.Errorf("%s of %s is nobody's", f.Path, p.Name)
			}
		}
	}
}

func FuzzDpkg(f *testing.F) {
	fsys := root(f, "dpkg.txtar")
	data := func(name string) []byte { return fsys["var/lib/dpkg/"+name].Data }
	f.Add(data("status"), data("diversions"), data("info/tool.list"), data("info/tool.md5sums"))
	f.Add([]byte("Package: tool\nConffiles:\n /a b\n"), []byte("/a\n/b\n:\n"), []byte("/a\n/b/../a\n/b\n"), []byte(`\`))
	f.Fuzz(func(t *testing.T, status, diversions, list, sums []byte) {
		sound(t, fstest.MapFS{
			"var/lib/dpkg/status":                {Data: status},
			"var/lib/dpkg/diversions":            {Data: diversions},
			"var/lib/dpkg/info/tool.list":        {Data: list},
			"var/lib/dpkg/info/tool.md5sums":     {Data: sums},
			"var/lib/dpkg/status.d/tool":         {Data: status},
			"var/lib/dpkg/status.d/tool.md5sums": {Data: sums},
			"var/lib/dpkg/info/tool:amd64.list":  {Data: list},
		})
	})
}

func FuzzAPK(f *testing.F) {
	f.Add(root(f, "apk.txtar")["lib/apk/db/installed"].Data)
	f.Add([]byte("P:a\nR:b\nF:\nR:c\nF:/\nZ:Q1\n\nP:a\nF:x\n"))
	f.Fuzz(func(t *testing.T, installed []byte) {
		sound(t, fstest.MapFS{"lib/apk/db/installed": {Data: installed}})
	})
}

func FuzzPacman(f *testing.F) {
	fsys := root(f, "pacman.txtar")
	const tool = "var/lib/pacman/local/tool-2:1.5-3/"
	f.Add(fsys[tool+"desc"].Data, fsys[tool+"files"].Data, fsys[tool+"mtree"].Data)
	f.Fuzz(func(t *testing.T, desc, files, mtree []byte) {
		const a = "var/lib/pacman/local/a/"
		sound(t, fstest.MapFS{a + "desc": {Data: desc}, a + "files": {Data: files}, a + "mtree": {Data: mtree}})
	})
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte("ID=debian\nVERSION_ID=\"1\\2\"\nPRETTY_NAME='"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sound(t, fstest.MapFS{"etc/os-release": {Data: text}})
	})
}
