package owner_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/rogpeppe/go-internal/txtar"
)

// root returns the files of a txtar of testdata, with links "path -> target" and
// empty files beside them.
func root(t testing.TB, archive string, more ...string) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + archive)
	if err != nil {
		t.Fatal(err)
	}
	fsys := make(fstest.MapFS)
	for _, f := range a.Files {
		data := f.Data
		if path.Base(f.Name) == "mtree" {
			data = packed(t, data)
		}
		fsys[f.Name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	add(fsys, more...)
	return fsys
}

func add(fsys fstest.MapFS, more ...string) {
	for _, name := range more {
		if name, target, ok := strings.Cut(name, " -> "); ok {
			fsys[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		} else {
			fsys[name] = &fstest.MapFile{Mode: 0o755}
		}
	}
}

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, fsys fs.FS) *owner.Database {
	t.Helper()
	db, err := owner.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// packagesText returns what a database says of its packages.
func packagesText(db *owner.Database) string {
	var b strings.Builder
	fmt.Fprintln(&b, db.Release)
	for _, p := range db.Packages() {
		fmt.Fprintf(&b, "%s %s %s %s of %s %s by %q, %q\n",
			p.Kind, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Maintainer, p.Licenses)
	}
	return b.String()
}

// filesText returns the files of packages that have some.
func filesText(t testing.TB, db *owner.Database) string {
	t.Helper()
	var b strings.Builder
	for _, p := range db.Packages() {
		files, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			fmt.Fprintf(&b, "%s %s", p.Name, f.Path)
			if f.Config {
				b.WriteString(" config")
			}
			if f.Digest != "" {
				algorithm, hex, _ := strings.Cut(f.Digest, ":")
				fmt.Fprintf(&b, " %s:%.4s/%d", algorithm, hex, len(hex))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// ownersText returns a line for each path: its owner, and where that lists it.
func ownersText(t testing.TB, db *owner.Database, paths ...string) string {
	t.Helper()
	owners, err := db.Of(paths...)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range paths {
		o, ok := owners[name]
		switch {
		case !ok:
			fmt.Fprintf(&b, "%s: nobody\n", name)
		case o.Link:
			fmt.Fprintf(&b, "%s: a link to %s of %s\n", name, o.Path, o.Name)
		default:
			fmt.Fprintf(&b, "%s: %s as %s\n", name, o.Name, o.Path)
		}
	}
	return b.String()
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if want = strings.TrimLeft(want, "\n"); got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestRootWithoutPackagesOwnsNothing(t *testing.T) {
	db := open(t, fstest.MapFS{"bin/sh": {}})
	if list := db.Packages(); len(list) != 0 {
		t.Errorf("%d packages", len(list))
	}
	equal(t, "owners", ownersText(t, db, "/bin/sh", "/nowhere"), "/bin/sh: nobody\n/nowhere: nobody\n")
}

func TestDpkg(t *testing.T) {
	fsys := root(t, "dpkg.txtar", "bin -> usr/bin", "usr/bin/tool", "usr/bin/tool.real", "usr/bin/t -> tool",
		"etc/alternatives/do -> /bin/tool.real", "usr/bin/do -> /etc/alternatives/do", "usr/bin/loop -> loop",
		"usr/lib/x86_64-linux-gnu/libtool.so.1 -> libtool.so.1.0", "usr/lib/x86_64-linux-gnu/libtool.so.1.0",
		"lib -> usr/lib", "etc/tool.conf", "etc/gone.conf", "usr/bin/mine", "opt/lib -> ../lib/x86_64-linux-gnu/")
	db := open(t, fsys)
	equal(t, "packages", packagesText(db), `
{debian 12 Debian GNU/Linux 12 (bookworm)}
deb libtool1 7-3 amd64 of tools 1:1.5-3 by "Maintainers <maintainers@example.org>", []
deb other 1 all of other 1 by "Maintainers <maintainers@example.org>", []
deb tool 1:1.5-3+b1 amd64 of tools 1:1.5-3 by "Maintainers <maintainers@example.org>", []
`)
	equal(t, "files", filesText(t, db), `
libtool1 /usr/lib/x86_64-linux-gnu/libtool.so.1.0 md5:7e65/32
libtool1 /usr/lib/x86_64-linux-gnu/libtool.so.1
other /bin/tool md5:ba77/32
tool /bin/tool.real md5:7cfb/32
tool /etc/tool.conf config md5:b9a7/32
tool /etc/tool.d
tool /usr/share/doc/tool/a\x2db c md5:401b/32
tool /usr/share/doc/tool/copyright md5:477d/32
tool /var/lib/tool
tool /bin/t
`)
	equal(t, "owners", ownersText(t, db,
		"/bin/tool", "/usr/bin/tool", "usr/bin/tool.real", "/bin/tool.real", // diverted
		"/usr/bin/t",                          // a link that is listed
		"/usr/bin/do", "/etc/alternatives/do", // and some that are not
		"/usr/bin/loop",
		"/lib/x86_64-linux-gnu/libtool.so.1", "/opt/lib/../lib/libtool.so.1", "/opt/lib/libtool.so.1.0",
		"/etc/tool.d/", "/usr/bin", "/bin", "/", "/usr/share/doc/tool", // folders
		"/usr/bin/mine", "/etc/gone.conf", "/etc/none",
	), `
/bin/tool: other as /bin/tool
/usr/bin/tool: other as /bin/tool
usr/bin/tool.real: tool as /bin/tool.real
/bin/tool.real: tool as /bin/tool.real
/usr/bin/t: tool as /bin/t
/usr/bin/do: a link to /bin/tool.real of tool
/etc/alternatives/do: a link to /bin/tool.real of tool
/usr/bin/loop: nobody
/lib/x86_64-linux-gnu/libtool.so.1: libtool1 as /usr/lib/x86_64-linux-gnu/libtool.so.1
/opt/lib/../lib/libtool.so.1: nobody
/opt/lib/libtool.so.1.0: libtool1 as /usr/lib/x86_64-linux-gnu/libtool.so.1.0
/etc/tool.d/: tool as /etc/tool.d
/usr/bin: nobody
/bin: nobody
/: nobody
/usr/share/doc/tool: tool as /usr/share/doc/tool
/usr/bin/mine: nobody
/etc/gone.conf: nobody
/etc/none: nobody
`)
}

func TestRecordIsTheParagraphAsItStands(t *testing.T) {
	for archive, want := range map[string]string{
		"dpkg.txtar":   "Package: tool\nStatus: install ok installed\n|\n It does\n .\n things.\n",
		"apk.txtar":    "C:Q1Yr1tvZbRjLK+/QU6OyrZRv7Lv9I=\n|\nZ:Q1Mm2QYmeIhqHqSSp5Rd7iOWdy78U=\n",
		"pacman.txtar": "%NAME%\ntool\n|%VALIDATION%\nnone\n\n",
	} {
		p := open(t, root(t, archive)).Named("tool")
		if len(p) != 1 {
			t.Fatalf("%s: %d packages of the name", archive, len(p))
		}
		begin, end, _ := strings.Cut(want, "|")
		if r := p[0].Record; !strings.HasPrefix(r, begin) || !strings.HasSuffix(r, end) {
			t.Errorf("%s: got\n%s", archive, r)
		}
	}
}

// What stands at a diverted path belongs to the package that diverted it, even
// if a script of that has put it there.
func TestDivertedPathBelongsToWhoDivertedIt(t *testing.T) {
	fsys := root(t, "dpkg.txtar")
	fsys["var/lib/dpkg/info/other.list"] = &fstest.MapFile{Data: []byte("/.\n")}
	equal(t, "owners", ownersText(t, open(t, fsys), "/bin/tool", "/bin/tool.real"),
		"/bin/tool: other as /bin/tool\n/bin/tool.real: tool as /bin/tool.real\n")

	fsys["var/lib/dpkg/diversions"] = &fstest.MapFile{Data: []byte("/bin/tool\n/bin/tool.mine\n:\n")}
	equal(t, "owners after a person's diversion", ownersText(t, open(t, fsys), "/bin/tool", "/bin/tool.mine"),
		"/bin/tool: nobody\n/bin/tool.mine: tool as /bin/tool.mine\n")
}

// Distroless images have no dpkg; the sums are the list.
func TestStatusFolderOfImagesWithoutDpkg(t *testing.T) {
	full := root(t, "dpkg.txtar")
	info := "var/lib/dpkg/info/"
	fsys := fstest.MapFS{
		"var/lib/dpkg/status.d/tool":             {Data: []byte(open(t, full).Named("tool")[0].Record)},
		"var/lib/dpkg/status.d/tool.md5sums":     full[info+"tool.md5sums"],
		"var/lib/dpkg/status.d/libtool1":         {Data: []byte("Package: libtool1\nVersion: 7-3\nArchitecture: amd64\n")},
		"var/lib/dpkg/status.d/libtool1.md5sums": full[info+"libtool1:amd64.md5sums"],
		"var/lib/dpkg/status.d/bare":             {Data: []byte("Package: bare\nVersion: 1\nArchitecture: all")},
	}
	add(fsys, "bin -> usr/bin", "lib -> usr/lib", "usr/lib/x86_64-linux-gnu/libtool.so.1 -> libtool.so.1.0")
	if _, err := owner.Open(fsys); !errors.Is(err, owner.ErrDamaged) {
		t.Errorf("a file that ends within a line: %v", err)
	}
	fsys["var/lib/dpkg/status.d/bare"].Data = append(fsys["var/lib/dpkg/status.d/bare"].Data, '\n')
	db := open(t, fsys)
	equal(t, "files", filesText(t, db), `
libtool1 /usr/lib/x86_64-linux-gnu/libtool.so.1.0 md5:7e65/32
tool /bin/tool md5:7cfb/32
tool /usr/share/doc/tool/a\x2db c md5:401b/32
tool /usr/share/doc/tool/copyright md5:477d/32
`)
	equal(t, "owners", ownersText(t, db, "/usr/bin/tool", "/lib/x86_64-linux-gnu/libtool.so.1"), `
/usr/bin/tool: tool as /bin/tool
/lib/x86_64-linux-gnu/libtool.so.1: a link to /usr/lib/x86_64-linux-gnu/libtool.so.1.0 of libtool1
`)
}

func TestAPK(t *testing.T) {
	fsys := root(t, "apk.txtar", "usr/bin/t -> tool", "sbin -> usr/bin")
	db := open(t, fsys)
	equal(t, "packages", packagesText(db), `
{alpine 3.14.0 Alpine Linux v3.14}
apk tool 1.5-r3 noarch of tool 1.5-r3 by "Maintainers <maintainers@example.org>", ["MIT AND Zlib"]
apk tool-libs 7-r3 noarch of tool 7-r3 by "", ["MIT"]
`)
	equal(t, "files", filesText(t, db), `
tool /etc/tool.conf sha1:340e/40
tool /etc/tool.d
tool /usr/bin/t sha1:1937/40
tool /usr/bin/tool sha1:326d/40
tool-libs /lib/libtool.so.1 sha1:f6dc/40
tool-libs /lib/libtool.so.1.0 sha1:3764/40
`)
	const want = `
/sbin/tool: tool as /usr/bin/tool
/usr/bin/t: tool as /usr/bin/t
/lib/libtool.so.1: tool-libs as /lib/libtool.so.1
/etc/tool.d: tool as /etc/tool.d
/tool: nobody
`
	paths := []string{"/sbin/tool", "/usr/bin/t", "/lib/libtool.so.1", "/etc/tool.d", "/tool"}
	equal(t, "owners", ownersText(t, db, paths...), want)

	fsys["usr/lib/apk/db/installed"] = fsys["lib/apk/db/installed"]
	delete(fsys, "lib/apk/db/installed")
	equal(t, "owners by /usr/lib/apk", ownersText(t, open(t, fsys), paths...), want)
}

func TestPacman(t *testing.T) {
	db := open(t, root(t, "pacman.txtar", "bin -> usr/bin", "lib64 -> usr/lib", "usr/bin/tool"))
	equal(t, "packages", packagesText(db), `
{arch  Arch Linux}
alpm tool 2:1.5-3 any of tool 2:1.5-3 by "Maintainers <maintainers@example.org>", ["MIT" "Zlib"]
alpm tool-libs 7-3 any of tool 7-3 by "", ["MIT"]
`)
	equal(t, "files", filesText(t, db), `
tool /etc/tool.conf config sha256:8d0d/64
tool /etc/tool.d
tool /usr/bin/t
tool /usr/bin/tool sha256:6794/64
tool /usr/share/tool/two words sha256:ff64/64
tool-libs /usr/lib/libtool.so.1
tool-libs /usr/lib/libtool.so.1.0 sha256:a325/64
`)
	equal(t, "owners", ownersText(t, db, "/bin/tool", "/lib64/libtool.so.1", "/etc/tool.d", "/etc", "/usr"), `
/bin/tool: tool as /usr/bin/tool
/lib64/libtool.so.1: tool-libs as /usr/lib/libtool.so.1
/etc/tool.d: tool as /etc/tool.d
/etc: tool as /etc
/usr: nobody
`)
}

func TestReleaseIsReadAsAShellWould(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\nVERSION_ID=\"12\"\n":                        `{debian 12 }`,
		"# ID=no\n\nID='a b'\nPRETTY_NAME=\"a \\\"b\\\" \\$c\"": `{a b  a "b" $c}`,
		"nonsense\nID=x": `{x  }`,
	} {
		fsys := fstest.MapFS{"usr/lib/os-release": {Data: []byte(text)}}
		if got := fmt.Sprint(open(t, fsys).Release); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
		add(fsys, "etc/os-release -> ../usr/lib/os-release")
		if got := fmt.Sprint(open(t, fsys).Release); got != want {
			t.Errorf("%q through a link: got %s, want %s", text, got, want)
		}
	}
}

func TestDamageIsNamedByFileAndLine(t *testing.T) {
	const dpkg, pacman = "var/lib/dpkg/", "var/lib/pacman/local/tool-2:1.5-3/"
	for _, test := range []struct{ archive, file, text, want string }{
		{"dpkg.txtar", dpkg + "status", "Package: a\n\nVersion: 1\n", "reading /var/lib/dpkg/status:3: damaged package database: a package without a name"},
		{"dpkg.txtar", dpkg + "status", "Package: ../a\n", "reading /var/lib/dpkg/status:1: damaged package database: a package without a name"},
		{"dpkg.txtar", dpkg + "status", "Package: a\nnonsense\n", `reading /var/lib/dpkg/status:2: damaged package database: no field: "nonsense"`},
		{"dpkg.txtar", dpkg + "status", "\n more\n", "reading /var/lib/dpkg/status:2: damaged package database: a paragraph begins with the rest of a field"},
		{"dpkg.txtar", dpkg + "status", "Package: a\nVers", "reading /var/lib/dpkg/status:2: damaged package database: the line has no end"},
		{"dpkg.txtar", dpkg + "diversions", "/a\n/b\n", "reading /var/lib/dpkg/diversions:3: damaged package database: a diversion is not complete"},
		{"dpkg.txtar", dpkg + "diversions", "/a\n/b\nc\n/d\ne\nf\n", "reading /var/lib/dpkg/diversions:4: damaged package database: a diversion of a path that does not begin with /"},
		{"dpkg.txtar", dpkg + "info/tool.list", "/.\nbin\n", `reading /var/lib/dpkg/info/tool.list:2: damaged package database: a path that does not begin with /: "bin"`},
		{"dpkg.txtar", dpkg + "info/tool.list", "/.\n/bin", "reading /var/lib/dpkg/info/tool.list:2: damaged package database: the line has no end"},
		{"dpkg.txtar", dpkg + "info/tool.md5sums", "abc bin/tool\n", `reading /var/lib/dpkg/info/tool.md5sums:1: damaged package database: no sum and path: "abc bin/tool"`},
		{"apk.txtar", "lib/apk/db/installed", "P:a\nversion: 1\n", `reading /lib/apk/db/installed:2: damaged package database: no letter and value: "version: 1\n"`},
		{"apk.txtar", "lib/apk/db/installed", "V:1\n", "reading /lib/apk/db/installed:1: damaged package database: a package without a name"},
		{"apk.txtar", "lib/apk/db/installed", "P:a\nF:b\nR:c/d\n", `reading /lib/apk/db/installed:3: damaged package database: a file without a name of its own: "c/d"`},
		{"pacman.txtar", pacman + "desc", "%NAME%\n", "reading /" + pacman + "desc:1: damaged package database: a package without a name"},
		{"pacman.txtar", pacman + "files", "\nusr\n", "reading /" + pacman + `files:2: damaged package database: no field: "usr"`},
		{"pacman.txtar", pacman + "mtree", "no gzip", "reading /" + pacman + "mtree: damaged package database: unexpected EOF"},
		{"pacman.txtar", pacman + "desc", "", "reading /" + pacman + "desc:1: damaged package database: a package without a name"},
	} {
		fsys := root(t, test.archive)
		fsys[test.file] = &fstest.MapFile{Data: []byte(test.text)}
		err := readAll(fsys)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s %q:\ngot  %v\nwant %s", test.file, test.text, err, test.want)
		}
		if !errors.Is(err, owner.ErrDamaged) {
			t.Errorf("%s %q: is no ErrDamaged", test.file, test.text)
		}
	}
}

// readAll reads all that there is of a root's packages.
func readAll(fsys fs.FS) error {
	db, err := owner.Open(fsys)
	if err != nil {
		return err
	}
	for _, p := range db.Packages() {
		if _, err := p.Files(); err != nil {
			return err
		}
	}
	_, err = db.Of("/bin/tool")
	return err
}

func TestDependsAndListing(t *testing.T) {
	db := open(t, root(t, "dpkg.txtar"))
	var got []string
	for _, p := range db.Packages() {
		for _, name := range p.Depends() {
			got = append(got, p.Name+" "+name)
		}
	}
	equal(t, "depends", strings.Join(got, "\n"), "tool libtool1")
	record := "Package: a\nVersion: 1\nArchitecture: all\nStatus: install ok installed\n" +
		"Depends: b (>= 1), c:any | d,\n e [x]\nSuggests: f,\n g\nPre-Depends: h\n"
	db = open(t, fstest.MapFS{
		"var/lib/dpkg/status":      {Data: []byte(record + "\n" + strings.Replace(record, ": a", ": z", 1))},
		"var/lib/dpkg/info/a.list": {Data: []byte("/usr/share/both\n/usr/share/both/a\n")},
		"var/lib/dpkg/info/z.list": {Data: []byte("/usr/share/both\n")},
	})
	equal(t, "depends", strings.Join(db.Named("a")[0].Depends(), " "), "b c d e h")
	for range 2 { // the second time, from memory
		listing, err := db.Listing("/usr/share/both", "/usr/share/both/a", "/usr/share/none")
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, name := range []string{"/usr/share/both", "/usr/share/both/a", "/usr/share/none"} {
			fmt.Fprint(&text, name)
			for _, p := range listing[name] {
				fmt.Fprint(&text, " ", p.Name)
			}
			fmt.Fprintln(&text)
		}
		equal(t, "listing", text.String(), "/usr/share/both a z\n/usr/share/both/a a\n/usr/share/none\n")
	}
}
