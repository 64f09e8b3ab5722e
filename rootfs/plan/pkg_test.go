package plan_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// shop is a root with packages. Package tool has programs under several names,
// what they load, what they read, and what no image needs.
const shop = `
	/bin   -> usr/bin
	/lib   -> usr/lib
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib/:/usr/lib/
	/usr/bin/sh       elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/tool     elf interp=/lib64/ld-linux-x86-64.so.2 needed=libown.so
	/usr/bin/tool5.1  hard /usr/bin/tool
	/usr/bin/toolctl  text "#!/bin/sh\n" mode=0755
	/usr/bin/notes    text "words" mode=0755
	/usr/bin/ed       -> /etc/alternatives/ed
	/etc/alternatives/ed       -> /bin/tool
	/etc/alternatives/ed.1.gz  -> /usr/share/man/man1/tool.1.gz
	/etc/alternatives/libed    -> /usr/lib/tool/plugin.so
	/usr/lib/libed.so          -> /etc/alternatives/libed
	/usr/bin/local    -> tool
	/usr/bin/shell    -> sh
	/usr/bin/other    elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/wrapped  text "#!/bin/sh" mode=0755
	/usr/bin/wrapped.real  elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/lib/libown.so       elf soname=libown.so
	/usr/lib/libplug.so      elf soname=libplug.so
	/usr/lib/tool/plugin.so  elf needed=libplug.so mode=0644
	/usr/lib/tool/broken.so  elf needed=libgone.so
	/usr/lib/tool/rom        elf machine=s390x
	/usr/lib/tool/crt.o      elf
	/usr/lib/tool/helper     text "#!/usr/bin/awk -f\n" mode=0755
	/usr/lib/tool/helpless   text "#!/usr/bin/gone\n" mode=0755
	/usr/bin/awk      elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/share/tool/example  text "#!/usr/bin/other\n" mode=0755
	/usr/lib/tool/compiled.go  elf machine=0
	/usr/lib/tool/gone       -> /var/run/gone
	/usr/lib/libtool.a       text "archive"
	/usr/include/tool.h      text "header"
	/usr/share/tool/data     text "data"
	/usr/share/tool/conf     -> /etc/tool/tool.conf
	/usr/share/tool/people   -> /etc/passwd
	/usr/share/man/man1/tool.1.gz     text "manual"
	/usr/share/doc/tool/copyright     text "licence"
	/usr/share/doc/tool/README        text "words"
	/usr/share/doc/tool-doc           -> tool
	/usr/share/locale/nb/tool.mo      text "ord"
	/usr/share/bash-completion/completions/tool  text "completion"
	/etc/init.d/tool         text "#!/bin/sh" mode=0755
	/etc/tool/tool.conf      text "user web;\n"
	/etc/tool/key.pem        text "-----BEGIN PRIVATE KEY-----" mode=0600
	/var/lib/tool            dir mode=0700
	/var/lib/tool/state      text "what the tool has left"
	/etc/passwd  text "root:x:0:0:root:/root:/bin/sh\nweb:!secret:33:33:Web Person,,,:/var/www:/x\nmail:x:8:8::/:/x\n"
	/etc/group   text "root:x:0:\nweb:hush:33:me,you\n"
	/etc/shadow  text "root:$6$secret:1::::::\n" mode=0600
	/var/lib/dpkg/alternatives/ed  text "auto\n/usr/bin/ed\ned.1.gz\n/usr/share/man/man1/ed.1.gz\nlibed\n/usr/lib/libed.so\n\n/bin/tool\n10\n/usr/share/man/man1/tool.1.gz\n"
	/var/lib/dpkg/diversions  text "/usr/bin/wrapped\n/usr/bin/wrapped.real\nwrapper\n"
	/var/lib/dpkg/status text "` +
	`Package: tool\nStatus: install ok installed\nVersion: 5.1-1\nArchitecture: amd64\nDepends: libc6, libown\nConffiles:\n /etc/tool/tool.conf d41d8cd98f00b204e9800998ecf8427e\n /etc/tool/removed.conf d41d8cd98f00b204e9800998ecf8427e\n\n` +
	`Package: tool-dev\nStatus: install ok installed\nVersion: 5.1-1\nArchitecture: amd64\n\n` +
	`Package: tool-doc\nStatus: install ok installed\nVersion: 5.1-1\nArchitecture: all\nDepends: tool, tool | other\n\n` +
	`Package: other\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n` +
	`Package: wrapper\nStatus: install ok installed\nVersion: 3\nArchitecture: all\n\n` +
	`Package: base\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n` +
	`Package: both\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n` +
	`Package: both\nStatus: install ok installed\nVersion: 1\nArchitecture: i386\n\n"
	/var/lib/dpkg/info/tool.list  text "/.\n/bin\n/bin/tool\n/bin/tool5.1\n/bin/toolctl\n/bin/notes\n/lib/tool/plugin.so\n/lib/tool/broken.so\n/lib/tool/rom\n/lib/tool/crt.o\n/lib/tool/helper\n/lib/tool/helpless\n/lib/tool/compiled.go\n/usr/share/tool/example\n/lib/tool/gone\n` +
	`/usr/share/tool\n/usr/share/tool/data\n/usr/share/tool/lost\n/usr/share/tool/conf\n/usr/share/tool/people\n/usr/share/man/man1/tool.1.gz\n/usr/share/doc/tool/copyright\n/usr/share/doc/tool/README\n` +
	`/usr/share/locale/nb/tool.mo\n/usr/share/bash-completion/completions/tool\n/etc/init.d/tool\n/etc/tool\n/etc/tool/tool.conf\n/etc/tool/removed.conf\n/etc/tool/key.pem\n/var/lib/tool\n"
	/var/lib/dpkg/info/tool-dev.list  text "/usr/include/tool.h\n/usr/lib/libtool.a\n/bin/toolctl\n"
	/var/lib/dpkg/info/tool-doc.list  text "/usr/share/doc/tool-doc\n"
	/var/lib/dpkg/info/other.list     text "/usr/bin/other\n/usr/bin/wrapped\n"
	/var/lib/dpkg/info/wrapper.list   text "/usr/share/tool/wrapper\n"
	/var/lib/dpkg/info/base.list      text "/usr/bin/sh\n/etc/passwd\n/etc/shadow\n/usr/../etc/shadow\n/usr/lib/../../../../etc/../etc/passwd\n/lib64/ld-linux-x86-64.so.2\n"
`

// things are the parts of a listing that are not of a skeleton.
func things(p *plan.Plan) string {
	return below(listing(p), "/usr/bin/", "/usr/lib/", "/usr/share", "/usr/include", "/etc/alternatives", "/etc/tool", "/etc/init.d", "/etc/shadow", "/var/lib")
}

func TestAPackageComesWholeWithoutWhatImagesSpare(t *testing.T) {
	host := onDisk(t, shop)
	for _, do := range []error{
		os.Remove(filepath.Join(host.Dir(), "usr/bin/tool5.1")),
		os.Link(filepath.Join(host.Dir(), "usr/bin/tool"), filepath.Join(host.Dir(), "usr/bin/tool5.1")),
	} {
		if do != nil {
			t.Fatal(do)
		}
	}
	p := makePlan(t, host, "--pkg tool")
	same(t, things(p), `
		/etc/alternatives dir 0755
		/etc/alternatives/ed -> /bin/tool
		/etc/alternatives/libed -> /usr/lib/tool/plugin.so
		/etc/tool dir 0755
		/etc/tool/tool.conf file 0644
		/usr/bin/awk file 0755
		/usr/bin/ed -> /etc/alternatives/ed
		/usr/bin/local -> tool
		/usr/bin/notes file 0755
		/usr/bin/sh file 0755
		/usr/bin/tool file 0755
		/usr/bin/tool5.1 hard /usr/bin/tool
		/usr/bin/toolctl file 0755
		/usr/lib/libed.so -> /etc/alternatives/libed
		/usr/lib/libown.so file 0755
		/usr/lib/libplug.so file 0755
		/usr/lib/tool dir 0755
		/usr/lib/tool/compiled.go file 0755
		/usr/lib/tool/crt.o file 0755
		/usr/lib/tool/gone -> /var/run/gone
		/usr/lib/tool/helper file 0755
		/usr/lib/tool/helpless file 0755
		/usr/lib/tool/plugin.so file 0644
		/usr/lib/tool/rom file 0755
		/usr/share dir 0755
		/usr/share/doc dir 0755
		/usr/share/doc/tool dir 0755
		/usr/share/doc/tool/copyright file 0644
		/usr/share/tool dir 0755
		/usr/share/tool/conf -> /etc/tool/tool.conf
		/usr/share/tool/data file 0644
		/usr/share/tool/example file 0755
		/var/lib dir 0755
		/var/lib/tool dir 0700`)
	if want := []string{"/bin/tool", "/bin/tool5.1", "/bin/toolctl", "/usr/bin/ed", "/usr/bin/local"}; !slices.Equal(p.Programs, want) || p.Main != "/bin/tool" {
		t.Errorf("programs %q, of which it is for %s", p.Programs, p.Main)
	}
	same(t, strings.Join(p.Notes, "\n"), `
		/lib/tool/broken.so is left out: it needs libgone.so, which is not here
		--pkg tool: /usr/share/tool/lost is not there, though the package has it
		--pkg tool: /etc/tool/key.pem is left out: it may be a secret, or cannot be read`)
	s := p.Shipments[0]
	same(t, fmt.Sprintf("%d %s %s %s %s %d %d", len(p.Shipments), s.By, s.Name, s.Version, s.Arch, s.Paths, s.LeftOut), "1 --pkg tool tool 5.1-1 amd64 19 6")
	same(t, below(read(t, p.Tree, "etc/passwd"), "web", "mail"), "web:x:33:33:Web Person,,,:/var/www:/x") // its configuration names web
	same(t, below(read(t, p.Tree, "etc/group"), "web"), "web:x:33:")
	for _, dir := range []string{"bin", "usr/bin"} {
		if info, err := p.Tree.Stat(dir + "/ed"); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s/ed: %v", dir, err)
		}
	}
}

func TestOtherWaysToNameAPackage(t *testing.T) {
	host := onDisk(t, shop)
	for line, want := range map[string]string{
		"--pkg tool:amd64 --exclude /usr/lib/tool --exclude libed.so --exclude /usr/share --exclude toolctl --exclude ed --exclude tool5.1": `
			/etc/tool dir 0755
			/etc/tool/tool.conf file 0644
			/usr/bin/local -> tool
			/usr/bin/notes file 0755
			/usr/bin/tool file 0755
			/usr/lib/libown.so file 0755
			/var/lib dir 0755
			/var/lib/tool dir 0700`,
		"--pkg tool-dev": `
			/usr/bin/sh file 0755
			/usr/bin/toolctl file 0755
			/usr/include dir 0755
			/usr/include/tool.h file 0644
			/usr/lib/libtool.a file 0644`,
		// The diverted program is other's.
		"--pkg other": `
			/usr/bin/other file 0755
			/usr/bin/wrapped.real file 0755`,
		// Never passwd or shadow, though a package lists them.
		"--pkg base": `
			/usr/bin/sh file 0755
			/usr/bin/shell -> sh`,
		"--pkg base --bare": `
			/usr/bin/sh file 0755
			/usr/bin/shell -> sh`,
	} {
		p := makePlan(t, host, line)
		t.Log(line)
		same(t, things(p), want)
	}
}

// Of the programs of a package, the one that is meant comes; what they load and
// read comes all.
func TestThePackageOfAProgram(t *testing.T) {
	host := onDisk(t, shop)
	p := makePlan(t, host, "--bin other --pkg-of tool")
	got := things(p)
	same(t, below(got, "/usr/bin/"), `
		/usr/bin/awk file 0755
		/usr/bin/ed -> /etc/alternatives/ed
		/usr/bin/local -> tool
		/usr/bin/other file 0755
		/usr/bin/tool file 0755`)
	for _, want := range []string{"/usr/share/tool/data", "/usr/lib/tool/plugin.so", "/usr/lib/tool/helper", "/etc/tool/tool.conf"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if p.Main != "/usr/bin/other" || !slices.Contains(p.Programs, "/usr/bin/tool") {
		t.Errorf("main %s, programs %q", p.Main, p.Programs)
	}
	if p := makePlan(t, host, "--pkg-of /usr/bin/ed --pkg other"); p.Main != "/usr/bin/ed" {
		t.Errorf("main %s", p.Main)
	}
}

func TestPackagesThatAreNot(t *testing.T) {
	host := onDisk(t, shop)
	for line, want := range map[string]string{
		"--pkg tol":                             "--pkg tol: no package of this name is installed",
		"--pkg tool:i386":                       "--pkg tool:i386: the package is installed for amd64",
		"--pkg both":                            "--pkg both: the package is installed for amd64 and i386",
		"--pkg tool-doc":                        "--pkg tool-doc: the package has nothing to ship but documentation and the like; what it depends on is not followed: tool, other",
		"--pkg both:i386":                       "--pkg both:i386: the package has nothing to ship",
		"--pkg-of /lib/libown.so":               "--pkg-of /lib/libown.so: it is of no package",
		"--pkg-of nope":                         "no program nope in " + strings.Join(plan.SearchPath, ", "),
		"--bin other --pkg x --pkg y":           "--pkg x: no package of this name is installed\n--pkg y: no package of this name is installed",
		"--pkg wrapper":                         "--pkg wrapper: the package has nothing to ship",
		"--pkg tool-dev --exclude /bin/sh":      "--exclude /bin/sh: /usr/bin/sh is needed (interpreter /bin/sh by #! for /bin/toolctl)",
		"--pkg tool-dev --exclude /bin/toolctl": "--pkg tool-dev: no program is in there, and none is named",
	} {
		_, err := plan.Make(context.Background(), host, spec(t, line))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", line, err, want)
		}
	}
	_, err := plan.Make(context.Background(), onDisk(t, merged), spec(t, "--pkg bash"))
	if want := "--pkg bash: this root has no database of packages, of dpkg, rpm, apk or pacman"; err == nil || err.Error() != want {
		t.Error(err)
	}
	damaged := onDisk(t, shop+"\n/var/lib/apk dir\n/lib/apk/db/installed text \"P\\n\"")
	if _, err := plan.Make(context.Background(), damaged, spec(t, "--pkg tool")); err == nil || !strings.Contains(err.Error(), "apk/db/installed:1") {
		t.Error(err)
	}
}

// A script of a package that nothing starts is an error as any other program's,
// and can be left out.
func TestAScriptOfAPackageWithoutItsInterpreter(t *testing.T) {
	host := onDisk(t, strings.Replace(shop, `/usr/bin/toolctl  text "#!/bin/sh\n"`, `/usr/bin/toolctl  text "#!/bin/gone\n"`, 1))
	if _, err := plan.Make(context.Background(), host, spec(t, "--pkg tool")); err == nil || !strings.Contains(err.Error(), "/bin/gone") {
		t.Error(err)
	}
	makePlan(t, host, "--pkg tool --exclude /usr/bin/toolctl")
}

// Packages of apk, with the second names of busybox that no package lists, and of
// pacman.
func TestPackagesOfOtherManagers(t *testing.T) {
	box := `
		/bin/busybox  elf static
		/bin/sh  -> /bin/busybox
		/bin/ls  -> /bin/busybox
		/usr/bin/awk -> ../../bin/busybox
		/usr/bin/odd -> /bin/other
		/bin/other   elf static
		/etc/securetty  text "tty1"
	`
	for manager, more := range map[string]string{
		"apk":    `/lib/apk/db/installed  text "P:busybox\nV:1.36-r0\nA:x86_64\nF:bin\nR:busybox\nF:etc\nR:securetty\n\nP:busybox-binsh\nV:1\nA:x86_64\nF:bin\nR:sh\n\n"`,
		"pacman": "/var/lib/pacman/local/busybox-1-1/desc  text \"%NAME%\\nbusybox\\n\\n%VERSION%\\n1-1\\n\"\n/var/lib/pacman/local/busybox-1-1/files  text \"%FILES%\\nbin/\\nbin/busybox\\nbin/sh\\netc/\\netc/securetty\\n\"",
	} {
		t.Run(manager, func(t *testing.T) {
			p := makePlan(t, onDisk(t, box+more), "--pkg busybox")
			got := below(listing(p), "/bin/", "/usr/bin/", "/etc/s")
			sh := "\n/bin/sh -> /bin/busybox"
			if manager == "apk" { // of a package of its own
				sh = ""
			}
			same(t, got, `
				/bin/busybox file 0755
				/bin/ls -> /bin/busybox`+sh+`
				/etc/securetty file 0644
				/usr/bin/awk -> ../../bin/busybox`)
			if p.Main != "/bin/busybox" {
				t.Errorf("main %q of %q", p.Main, p.Programs)
			}
		})
	}
}

// What a package brings replaces what a base has of it, and a note counts that.
func TestAPackageUponABase(t *testing.T) {
	old := strings.NewReplacer(`text "data"`, `text "older"`, `text "licence"`, `text "older"`).Replace(shop)
	base := makePlan(t, onDisk(t, old), "--pkg tool")
	s := spec(t, "--pkg tool")
	s.Base = base.Tree
	p, err := plan.Make(context.Background(), onDisk(t, shop), s)
	if err != nil {
		t.Fatal(err)
	}
	same(t, below(listing(p), "/usr/share/", "/usr/bin/t"), `
		/usr/share/doc dir 0755
		/usr/share/doc/tool dir 0755
		/usr/share/doc/tool/copyright file 0644
		/usr/share/tool dir 0755
		/usr/share/tool/data file 0644`)
	if want := "--pkg tool: 2 of the paths are the base's, too, and are replaced"; !slices.Contains(p.Notes, want) {
		t.Errorf("notes %q", p.Notes)
	}
}

// No line of the host's passwd or group is in an image that nothing there asks
// for, and no password is, whatever the image has.
func TestNothingOfTheHostsAccountsLeaks(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("files of other owners need root")
	}
	text := strings.Replace(shop, "web:!secret:33:33:Web Person,,,:/var/www:/x", "web:!secret:33:33:Web,,,:/var/www:/x\\nsimen:$6$secret:1000:1000:Simen Secret,Room 1:/home/simen:/bin/sh\\nkari:x:1001:1001:Kari:/:/x", 1)
	text = strings.Replace(text, "web:hush:33:me,you", "web:hush:33:me,simen\\nsimen:$1$hush:1000:kari\\nadm:x:4:simen,kari", 1)
	host := onDisk(t, text)
	if err := os.Chown(filepath.Join(host.Dir(), "usr/share/tool/data"), 1000, 4); err != nil {
		t.Fatal(err)
	}
	for line, asked := range map[string]string{
		"--bin tool":                                          "",
		"--bin tool --add /usr/share/tool/data":               "simen adm",
		"--bin tool --add /usr/share/tool/data -u web":        "simen adm web",
		"--pkg tool":                                          "simen adm web",
		"--bin tool -u :adm":                                  "adm",
		"--bin tool -u simen:web":                             "simen web",
		"--bin tool --add /usr/share/tool/data --layout flat": "simen adm",
	} {
		for _, recipes := range []plan.Recipes{{}, {Book: book(t, "about: nothing"), Auto: true, Without: []string{plan.Own}}} {
			s := spec(t, line)
			s.Recipes = recipes
			p, err := plan.Make(context.Background(), host, s)
			if err != nil {
				t.Fatal(line, err)
			}
			allowed := append(strings.Fields(asked), "root", "nobody", "nogroup", "nonroot")
			found := make(map[string]bool)
			for _, file := range []string{"etc/passwd", "etc/group"} {
				for _, l := range strings.Split(strings.TrimSpace(read(t, p.Tree, file)), "\n") {
					f := strings.Split(l, ":")
					found[f[0]] = true
					if !slices.Contains(allowed, f[0]) || f[1] != "x" || strings.Contains(l, "ecret") != (strings.Contains(line, "-u simen") && f[0] == "simen" && file == "etc/passwd") ||
						strings.Contains(l, "kari") || strings.Contains(l, "me,") {
						t.Errorf("%s (recipes: %v): /%s has %s", line, recipes.Auto, file, l)
					}
				}
			}
			for _, name := range allowed {
				if !found[name] {
					t.Errorf("%s (recipes: %v): no line for %s", line, recipes.Auto, name)
				}
			}
			if p.Tree.Entry("/etc/shadow") != nil {
				t.Errorf("%s ships shadow", line)
			}
		}
	}
	p := makePlan(t, host, "--bin tool --add /usr/share/tool/data --bare")
	if p.Tree.Entry("/etc/passwd") != nil {
		t.Error("a bare image has accounts")
	}
}

// A base's files are for the base to name: the numbers of the host mean others.
func TestTheHostNamesNoOwnersOfABase(t *testing.T) {
	base := &rootfs.Tree{}
	passwd := rootfs.File("/etc/passwd", 0o644, []byte("root:x:0:0::/:/x\n"))
	owned := rootfs.File("/srv/file", 0o644, nil)
	owned.UID, owned.GID = 8, 33
	for _, e := range []*rootfs.Entry{passwd, owned} {
		if err := base.Add(e.For(rootfs.Reason{Kind: "base"})); err != nil {
			t.Fatal(err)
		}
	}
	s := spec(t, "--bin other")
	s.Base = base
	p, err := plan.Make(context.Background(), onDisk(t, shop), s)
	if err != nil {
		t.Fatal(err)
	}
	same(t, read(t, p.Root, "etc/passwd"), "root:x:0:0::/:/x")
}

func TestUsersAreMadeUp(t *testing.T) {
	host := onDisk(t, shop)
	make := func(line string, accounts ...plan.Account) (*plan.Plan, error) {
		s := spec(t, "--bin other "+line)
		s.Accounts = accounts
		return plan.Make(context.Background(), host, s)
	}
	app := plan.Account{Name: "app", UID: 10000, GID: 10000}
	p, err := make("-u app", app, plan.Account{Name: "web", Host: true}, plan.Account{Name: "nonroot", Host: true}, app,
		plan.Account{Name: "job", UID: 10001, GID: 33, Home: "/home/job", Shell: "/bin/sh"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, read(t, p.Tree, "etc/passwd"), fixedUsers+`
		app:x:10000:10000::/nonexistent:/usr/sbin/nologin
		web:x:33:33:Web Person,,,:/var/www:/x
		job:x:10001:33::/home/job:/bin/sh`)
	same(t, read(t, p.Tree, "etc/group"), fixedGroups+`
		app:x:10000:
		web:x:33:`)
	if e := p.Tree.Entry("/home/job"); e == nil || e.UID != 10001 || e.GID != 33 || e.Mode.Perm() != 0o700 {
		t.Errorf("home %v", e)
	}
	for _, tt := range []struct {
		line    string
		account plan.Account
		want    string
	}{
		{"", plan.Account{Name: "nonroot", UID: 5, GID: 5}, "--user-entry nonroot:5:5: the image's /etc/passwd has nonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin"},
		{"", plan.Account{Name: "me", UID: 65534, GID: 5}, "--user-entry me:65534:5: the image's /etc/passwd has nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"},
		{"", plan.Account{Name: "nogroup", UID: 7, GID: 7}, "--user-entry nogroup:7:7: the image's /etc/group has nogroup:x:65534:"},
		{"", plan.Account{Name: "who", Host: true}, `nobody in /etc/passwd is called "who"`},
		{"--bare", app, `nobody in the image's /etc/passwd is called "app"`},
		{"--add /etc/passwd", app, `nobody in the image's /etc/passwd is called "app"`},
		{"--add /bin/notes:/home/job", plan.Account{Name: "job", UID: 9, GID: 9, Home: "/home/job/x"}, "two inputs for /home/job: "},
	} {
		_, err := make(tt.line, tt.account)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s %v\n got %v\nwant %s", tt.line, tt.account, err, tt.want)
		}
	}
	var conflict *plan.AccountError
	if _, err := make("", plan.Account{Name: "root", UID: 1, GID: 1}); !errors.As(err, &conflict) || conflict.File != "/etc/passwd" {
		t.Error(err)
	}
}

// Of the packages of this machine, each path that is there is in the tree, as it is
// on the host, or among what the documentation says is left out.
func TestPackagesOfThisMachineAreComplete(t *testing.T) {
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	db, err := owner.Open(host)
	if err != nil || len(db.Packages()) == 0 {
		t.Skipf("no packages: %v", err)
	}
	all := db.Packages()
	spared := regexp.MustCompile(`^/usr/share/(doc|man|info|locale|help|gtk-doc|bash-completion|zsh/(vendor-completions|site-functions)|fish/vendor_completions.d|` +
		`doc-base|lintian|linda|bug|apport|menu|applications|icons|pixmaps|metainfo|appdata|aclocal|pkgconfig)(/|$)|` +
		`^/usr/(include|src|lib/debug)(/|$)|pkgconfig(/|$)|\.l?a$|^/etc/(init\.d|bash_completion\.d|logrotate\.d|apparmor\.d|cron\.[a-z]+|systemd/system|rc\.d)(/|$)|` +
		`^(/usr)?/lib/systemd/(system|user|[a-z]+-preset)(/|$)|^/usr/lib/(tmpfiles|sysusers)\.d(/|$)|` +
		`^/(root|home|proc|sys|dev|run|tmp|boot)(/|$)|^/etc/(hosts|resolv\.conf|hostname|ssl/private)(/|$)`)
	checked := 0
	for i := 0; i < len(all) && checked < 40; i += len(all)/60 + 1 {
		s := plan.Spec{Programs: []plan.Input{{Source: "/bin/sh"}}, Packages: []string{all[i].Name + ":" + all[i].Arch}, Bare: true}
		p, err := plan.Make(context.Background(), host, s)
		if empty := (*plan.EmptyPackageError)(nil); errors.As(err, &empty) {
			continue
		}
		if err != nil {
			t.Logf("%s: %v", all[i].Name, err) // it does not work on the host either
			continue
		}
		checked++
		files, err := all[i].Files()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			have, err := host.Lstat(f.Path[1:])
			if err != nil || spared.MatchString(f.Path) && !strings.HasSuffix(f.Path, "/copyright") {
				continue
			}
			got, err := p.Tree.Lstat(f.Path[1:])
			switch {
			case err != nil && !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasPrefix(n, f.Path+" is left out") }):
				t.Errorf("%s: %s: %v", all[i].Name, f.Path, err)
			case err == nil && (got.Mode() != have.Mode() || got.Size() != have.Size() && got.Mode().IsRegular()):
				t.Errorf("%s: %s is %v of %d bytes, on the host %v of %d", all[i].Name, f.Path, got.Mode(), got.Size(), have.Mode(), have.Size())
			}
		}
		for e := range p.Tree.All() {
			if spared.MatchString(e.Path) && e.Mode.IsRegular() && path.Base(e.Path) != "copyright" && !strings.HasSuffix(all[i].Name, "-dev") {
				t.Errorf("%s brings %s", all[i].Name, e.Path)
			}
		}
	}
	t.Logf("%d packages", checked)
}

// Who may not read what a package has gets an image without it, and is told.
func TestWhatCannotBeReadOfAPackageIsNoted(t *testing.T) {
	host := onDisk(t, shop)
	if err := os.Chmod(filepath.Join(host.Dir(), "etc/tool/tool.conf"), 0); err != nil {
		t.Fatal(err)
	}
	if f, err := host.Open("etc/tool/tool.conf"); err == nil {
		f.Close()
		t.Skip("root reads everything")
	}
	p := makePlan(t, host, "--pkg tool")
	if want := "--pkg tool: /usr/share/tool/conf, /etc/tool/tool.conf, /etc/tool/key.pem are left out: they may be secrets, or cannot be read"; !slices.Contains(p.Notes, want) {
		t.Errorf("notes %q", p.Notes)
	}
}
