package plan_test

import (
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

const (
	bookworm = "ID=debian\\nVERSION_ID=12\\n"

	// debRoot is a Debian with packages, and files of nobody's.
	debRoot = `
	/bin   -> usr/bin
	/lib   -> usr/lib
	/usr/bin/zip    elf interp=/lib/ld.so needed=libz.so.1,libc.so.6
	/usr/bin/own    elf interp=/lib/ld.so needed=libz.so.1,libc.so.6
	/usr/lib/ld.so      elf soname=ld.so glibc=/lib/:/usr/lib/
	/usr/lib/libc.so.6  elf soname=libc.so.6 needed=ld.so
	/usr/lib/libz.so.1  -> libz.so.1.3
	/usr/lib/libz.so.1.3  elf soname=libz.so.1
	/usr/share/zip/help text help
	/etc/os-release   text "` + bookworm + `"
	/var/lib/dpkg/status text "Package: zip\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3\nConffiles:\n /etc/zip.conf 00000000000000000000000000000000\nDescription: packs\n and unpacks\n\nPackage: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2.36\n\nPackage: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.3\n"
	/var/lib/dpkg/info/zip.list  text "/.\n/usr/bin/zip\n/usr/share/zip/help\n/etc/zip.conf\n"
	/var/lib/dpkg/info/libc6:amd64.list text "/.\n/lib/ld.so\n/lib/libc.so.6\n"
	/var/lib/dpkg/info/zlib1g.list text "/.\n/usr/lib/libz.so.1\n/usr/lib/libz.so.1.3\n"
`
	// debBase has the libc of debRoot, and dpkg's own database.
	debBase = `
	/bin   -> usr/bin
	/lib   -> usr/lib
	/usr/lib/ld.so      elf soname=ld.so glibc=/lib/:/usr/lib/
	/usr/lib/libc.so.6  elf soname=libc.so.6 needed=ld.so
	/etc/os-release   text "` + bookworm + `"
	/var/lib/dpkg/status text "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2.36\n"
	/var/lib/dpkg/info/libc6:amd64.list text "/.\n/lib/ld.so\n/lib/libc.so.6\n"
`
)

// recorded returns the packages of an image with the files that they claim, each
// of which is there and as it is said to be.
func recorded(t *testing.T, p *plan.Plan) string {
	t.Helper()
	db, err := owner.Open(p.Root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, pkg := range db.Packages() {
		files, err := pkg.Files()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(pkg.Name + " " + pkg.Version + ":")
		for _, f := range files {
			if _, err := p.Root.RealPath(f.Path); err != nil {
				t.Errorf("%s claims %s: %v", pkg.Name, f.Path, err)
			}
			b.WriteString(" " + f.Path)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestPackagesOfWhatIsAddedAreRecorded(t *testing.T) {
	for _, test := range []struct{ name, base, line, want, note string }{
		{"upon dpkg's status", debBase, "--bin zip", "libc6 2.36: /lib/ld.so /lib/libc.so.6\nzip 3: /usr/bin/zip\nzlib1g 1.3: /usr/lib/libz.so.1.3", ""},
		{"data, and a program elsewhere", debBase, "--bin zip:/opt/zip --add /usr/share/zip",
			"libc6 2.36: /lib/ld.so /lib/libc.so.6\nzip 3: /opt/zip /usr/share/zip/help\nzlib1g 1.3: /usr/lib/libz.so.1.3", ""},
		{"what is nobody's", debBase, "--bin own", "libc6 2.36: /lib/ld.so /lib/libc.so.6\nzlib1g 1.3: /usr/lib/libz.so.1.3", ""},
		{"none is wanted", debBase, "--bin zip --pkg-db none", "libc6 2.36: /lib/ld.so /lib/libc.so.6", ""},
		{"a bare image", debBase, "--bin zip --bare", "libc6 2.36: /lib/ld.so /lib/libc.so.6", ""},
		{"a base without records", strings.ReplaceAll(debBase, "/var/lib/dpkg", "/old"), "--bin zip", "", ""},
		{"a base without records, all the same", strings.ReplaceAll(debBase, "/var/lib/dpkg", "/old"), "--bin zip --pkg-db all", "zip 3: /usr/bin/zip\nzlib1g 1.3: /usr/lib/libz.so.1.3", ""},
		{"upon status.d, of which there is a part", strings.ReplaceAll(debBase, "/var/lib/dpkg", "/old") + `
			/var/lib/dpkg/status.d/zip text "Package: zip\nArchitecture: amd64\nVersion: 3\n"
			/var/lib/dpkg/status.d/zip.md5sums text "00000000000000000000000000000000  usr/bin/first\n"
			/usr/bin/first text ""`, "--bin zip", "zip 3: /usr/bin/first /usr/bin/zip\nzlib1g 1.3: /usr/lib/libz.so.1.3", ""},
		{"another version", debBase + `
			/var/lib/dpkg/status.d/zip text "Package: zip\nArchitecture: amd64\nVersion: 2\n"`, "--bin zip",
			"libc6 2.36: /lib/ld.so /lib/libc.so.6\nzip 2:\nzlib1g 1.3: /usr/lib/libz.so.1.3",
			"the base has zip 2, so its records do not say that files of 3 come upon it"},
		{"another release", strings.ReplaceAll(debBase, "VERSION_ID=12", "VERSION_ID=13"), "--bin zip", "libc6 2.36: /lib/ld.so /lib/libc.so.6",
			"the base is debian 13 and this root debian 12, so the base's records do not get the packages of what is added"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := planUpon(t, test.base, debRoot, test.line)
			if err != nil {
				t.Fatal(err)
			}
			same(t, recorded(t, p), test.want)
			same(t, strings.Join(p.Notes, "\n"), test.note)
		})
	}
}

// Without a base too, if that is wanted, and with nothing that is not there.
func TestRecordsSayWhatIsThere(t *testing.T) {
	p := makePlan(t, onDisk(t, debRoot), "--bin zip --pkg-db all")
	same(t, recorded(t, p), "libc6 2.36: /usr/lib/ld.so /usr/lib/libc.so.6\nzip 3: /usr/bin/zip\nzlib1g 1.3: /usr/lib/libz.so.1.3")
	same(t, read(t, p.Tree, "var/lib/dpkg/status.d/zip"), "Package: zip\nArchitecture: amd64\nVersion: 3\nDescription: packs\n and unpacks\n")
	if p := makePlan(t, onDisk(t, debRoot), "--bin zip"); p.Tree.Entry("/var/lib") != nil {
		t.Error("records that nobody asked for")
	}
}

func TestRecordsOfAPK(t *testing.T) {
	const alpine = `
	/lib/ld-musl-x86_64.so.1 elf musl=x86_64
	/etc/os-release text "ID=alpine\nVERSION_ID=3.22.1\n"
	/lib/apk/db/installed text "P:musl\nV:1.2\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n`
	const zip = `\nP:zip\nV:3\nA:x86_64\nF:etc\nR:zip.conf\nZ:Q1x\nF:usr\nF:usr/bin\nM:0:0:755\nR:zip\na:0:0:755\nZ:Q1y\nR:unzip\n`
	p, err := planUpon(t, alpine+"\"", alpine+zip+"\"\n/usr/bin/zip elf interp=/lib/ld-musl-x86_64.so.1", "--bin zip")
	if err != nil {
		t.Fatal(err)
	}
	same(t, recorded(t, p), "musl 1.2: /lib/ld-musl-x86_64.so.1\nzip 3: /usr/bin/zip")
	same(t, read(t, p.Tree, "lib/apk/db/installed"), "P:musl\nV:1.2\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\n"+
		"P:zip\nV:3\nA:x86_64\nF:usr/bin\nM:0:0:755\nR:zip\na:0:0:755\nZ:Q1y\n\n")
}

// Of a database that is no text, a note says that it is as it was.
func TestADatabaseThatCannotBeAddedToIsNoted(t *testing.T) {
	const arch = `
	/etc/os-release text "ID=arch\n"
	/usr/lib/ld.so      elf soname=ld.so glibc=/lib/:/usr/lib/
	/var/lib/pacman/local/glibc-2-1/desc text "%NAME%\nglibc\n\n%VERSION%\n2-1\n\n%ARCH%\nx86_64\n"
	/var/lib/pacman/local/glibc-2-1/files text "%FILES%\nusr/lib/ld.so\n"
	`
	p, err := planUpon(t, arch, arch+`
	/usr/bin/zip elf interp=/usr/lib/ld.so
	/var/lib/pacman/local/zip-3-1/desc text "%NAME%\nzip\n\n%VERSION%\n3-1\n\n%ARCH%\nx86_64\n"
	/var/lib/pacman/local/zip-3-1/files text "%FILES%\nusr/bin/zip\n"
	`, "--bin zip")
	if err != nil {
		t.Fatal(err)
	}
	same(t, strings.Join(p.Notes, "\n"), "the database of the alpm packages cannot be added to, so scanners do not see that files of zip are there")
}

// A database that is damaged is no reason to build nothing, unless it was asked for.
func TestADamagedDatabaseIsNoted(t *testing.T) {
	const text = "reading /var/lib/dpkg/status:1: damaged package database: no field: \"junk\""
	damaged := strings.Replace(debRoot, `/var/lib/dpkg/status text "Package: zip`, `/var/lib/dpkg/status text "junk\nPackage: zip`, 1)
	base := strings.Replace(debBase, `/var/lib/dpkg/status text "Package: libc6`, `/var/lib/dpkg/status text "junk\nPackage: libc6`, 1)
	for _, test := range []struct{ name, base, root, text string }{
		{"the host's", debBase, damaged, text},
		{"the base's", base, debRoot, "of the base: " + text},
	} {
		p, err := planUpon(t, test.base, test.root, "--bin zip")
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		same(t, strings.Join(p.Notes, "\n"), "no packages are recorded: "+test.text)
		if _, err = planUpon(t, test.base, test.root, "--bin zip --pkg-db all"); err == nil {
			t.Fatalf("%s: no error", test.name)
		}
		same(t, err.Error(), test.text)
	}
}
