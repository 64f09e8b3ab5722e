package plan_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

// pkg is a paragraph of dpkg's status.
func pkg(name string, fields ...string) string {
	return "Package: " + name + `\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n` + strings.Join(append(fields, ""), `\n`) + `\n`
}

// service is a root with a server that has accounts, plug-ins and folders, a shell
// script, a script with modules, and programs that start each other.
var service = `
	/bin   -> usr/bin
	/lib   -> usr/lib
	/var/run -> /run
	/run   dir
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib/:/usr/lib/ text="\x00/etc/ssl/certs/ca-certificates.crt\x00"
	/usr/lib/libc.so.6  elf soname=libc.so.6 verdef=GLIBC_2.2.5,GLIBC_PRIVATE text="\x00/etc/ssl/certs/ca-certificates.crt\x00/etc/server/server.conf\x00"
	/lib/ld-musl-x86_64.so.1  elf soname=libc.musl-x86_64.so.1 musl=x86_64 text="\x00/etc/ssl/certs/ca-certificates.crt\x00"
	/etc/ssl/certs/ca-certificates.crt text "certificates"
	/usr/bin/plain   elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/usr/bin/small   elf interp=/lib/ld-musl-x86_64.so.1
	/usr/bin/sh      elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/snake   elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/mkdir   elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/id      elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/systemctl elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/sbin/server elf interp=/lib64/ld-linux-x86-64.so.2 import=setgroups text="\x00/usr/lib/mods\x00/var/run/server.pid\x00"
	/usr/lib/mods/a.so   elf soname=a.so
	/usr/lib/mods/b.so   elf soname=b.so
	/usr/lib/mods/c.so   elf soname=c.so
	/usr/lib/server/code elf machine=0
	/usr/lib/server/unlinked.o elf type=1
	/etc/server/server.conf text "# load /usr/share/unasked/file\nload mods/b.so;\nroot /srv/site;\ntypes /usr/share/media/types;\n"
	/srv/site/index         text "welcome"
	/usr/share/unasked/file text "unasked"
	/usr/share/media/types  text "types"
	/usr/lib/tmpfiles.d/server.conf text "d /run/server 2750 srv web -\nd /run/%m 0755\nf /run/file 0644\n"
	/lib/systemd/system/server.service text "[Service]\nUser=srv\nRuntimeDirectory=other\n"
	/usr/sbin/serverctl  text "#!/bin/sh\nhelp() { id; }\nSERVER=${SERVER:-/usr/sbin/server}\n[ -d /x ] || exec mkdir /x\nhelp; systemctl stop x; missing; $SERVER\n" mode=0755
	/usr/bin/tale        text "#!/usr/bin/snake\nimport story\n" mode=0755
	/usr/lib/snakes/story.sn   text "story"
	/usr/lib/snakes/words.sn   text "words"
	/usr/lib/snakes/unused.sn  text "unused"
	/usr/lib/db/bin/begin   elf interp=/lib64/ld-linux-x86-64.so.2 import=popen text="\x00/usr/lib/db/bin\x00base\x00tell\x00"
	/usr/lib/db/bin/base    elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/lib/db/bin/other   elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/lib/db/bin/tell    elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/agent          elf interp=/lib64/ld-linux-x86-64.so.2 import=execv text="\x00/usr/bin\x00start/agent-keeper\x00/usr/share/agent\x00"
	/usr/bin/agent-keeper   elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/share/agent/data   text "data"
	/etc/passwd  text "root:x:0:0:root:/root:/bin/sh\nsrv:x:8:9::/:/x\nserver:x:10:9::/:/x\nme:x:1000:1000::/home/me:/bin/sh\n"
	/etc/group   text "root:x:0:\nweb:x:9:me\n"
	/var/lib/dpkg/status text "` +
	pkg("server", "Depends: media", "Section: net") + pkg("server-b", "Depends: server") + pkg("server-c") + pkg("server-d") + pkg("server-e") +
	pkg("media") + pkg("unasked") + pkg("tale", "Depends: story") + pkg("story", "Depends: wording") + pkg("words", "Provides: wording, more (= 1)") + pkg("unused") +
	pkg("db-client", "Source: db") + pkg("db", "Depends: db-client") + pkg("agent") + pkg("keeper", "Source: agent") + `"
	/var/lib/dpkg/info/server.list   text "/usr/sbin/server\n/usr/sbin/serverctl\n/etc/server\n/etc/server/server.conf\n/usr/lib/server\n/usr/lib/mods\n/usr/lib/mods/a.so\n/usr/lib/tmpfiles.d/server.conf\n/lib/systemd/system/server.service\n"
	/var/lib/dpkg/info/server-b.list text "/usr/lib/mods\n/usr/lib/mods/b.so\n"
	/var/lib/dpkg/info/server-c.list text "/usr/lib/mods\n/usr/lib/mods/c.so\n"
	/var/lib/dpkg/info/server-d.list text "/usr/lib/mods\n"
	/var/lib/dpkg/info/server-e.list text "/usr/lib/mods\n"
	/var/lib/dpkg/info/media.list    text "/usr/share/media\n/usr/share/media/types\n"
	/var/lib/dpkg/info/unasked.list  text "/usr/share/unasked\n/usr/share/unasked/file\n"
	/var/lib/dpkg/info/tale.list     text "/usr/bin/tale\n"
	/var/lib/dpkg/info/story.list    text "/usr/lib/snakes/story.sn\n"
	/var/lib/dpkg/info/words.list    text "/usr/lib/snakes/words.sn\n"
	/var/lib/dpkg/info/unused.list   text "/usr/lib/snakes/unused.sn\n"
	/var/lib/dpkg/info/db.list        text "/usr/lib/db/bin/begin\n/usr/lib/db/bin/base\n/usr/lib/db/bin/other\n"
	/var/lib/dpkg/info/db-client.list text "/usr/lib/db/bin/tell\n"
	/var/lib/dpkg/info/agent.list     text "/usr/bin/agent\n/usr/share/agent\n"
	/var/lib/dpkg/info/keeper.list    text "/usr/bin/agent-keeper\n"
`

// snakes is a recipe for the scripts of [service].
const snakes = "about: snakes\nwhen: [{program: snake}]\nmodules: [/usr/lib/snakes]\n"

func TestWhatAServerNeeds(t *testing.T) {
	p := stocked(t, onDisk(t, service), "--bin server", plan.Recipes{Auto: true})
	// Of the folder that many packages have a part of, a.so is its own, and b.so is named by its configuration.
	same(t, below(listing(p), "/usr/lib/", "/usr/share", "/etc/server", "/run", "/srv", "/var/run"), `
		/etc/server dir 0755
		/etc/server/server.conf file 0644
		/run dir 0755
		/run/other dir 0755
		/run/server dir 2750
		/srv dir 0755
		/srv/site dir 0755
		/srv/site/index file 0644
		/usr/lib/mods dir 0755
		/usr/lib/mods/a.so file 0755
		/usr/lib/mods/b.so file 0755
		/usr/lib/server dir 0755
		/usr/lib/server/code file 0755
		/usr/lib/server/unlinked.o file 0755
		/usr/share dir 0755
		/usr/share/media dir 0755
		/usr/share/media/types file 0644
		/var/run -> /run`)
	users := read(t, p.Tree, "etc/passwd")
	if !strings.Contains(users, "\nsrv:x:8:9:") || !strings.Contains(users, "\nserver:x:10:9:") || strings.Contains(users, "\nme:") {
		t.Errorf("passwd:\n%s", users)
	}
	if e := p.Tree.Entry("/run/server"); e == nil || e.UID != 8 || e.GID != 9 {
		t.Errorf("/run/server: %v", e)
	}
}

func TestNothingIsBroughtWithoutOwn(t *testing.T) {
	p := stocked(t, onDisk(t, service), "--bin server --bin serverctl --bin tale",
		plan.Recipes{Auto: true, Without: []string{plan.Own, plan.Scripts}, Book: book(t, snakes)})
	same(t, decisions(p), "")
	if got := below(listing(p), "/etc/server", "/usr/lib/mods", "/usr/lib/snakes", "/usr/bin/mkdir"); got != "" {
		t.Error(got)
	}
}

func TestWhatScriptsStartAndAreMadeOf(t *testing.T) {
	host := onDisk(t, service)
	p := stocked(t, host, "--bin serverctl", plan.Recipes{Auto: true, Without: []string{plan.Own}})
	same(t, decisions(p), "scripts 3: serverctl starts id, mkdir, /usr/sbin/server")
	if path := p.Path(); !slices.Contains(path, "/usr/bin") {
		t.Errorf("mkdir is not found in %q", path)
	}
	p = stocked(t, host, "--bin tale", plan.Recipes{Auto: true, Book: book(t, snakes)})
	same(t, below(listing(p), "/usr/lib/snakes"), `
		/usr/lib/snakes dir 0755
		/usr/lib/snakes/story.sn file 0644
		/usr/lib/snakes/words.sn file 0644`)
	same(t, decisions(p), "scripts 2: tale is a script of tale")
	p = stocked(t, host, "--bin tale", plan.Recipes{Auto: true, Book: book(t, snakes, "welcome", "about: a page\nwhen: [{package: words}]\nadd: [/srv/site]\n")})
	same(t, decisions(p), `
		scripts 2: tale is a script of tale
		welcome 1: tale needs the package words`)
}

func TestProgramsThatAreStartedByTheirNames(t *testing.T) {
	host := onDisk(t, service)
	p := stocked(t, host, "--bin /usr/lib/db/bin/begin", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/usr/lib/db/", "/usr/bin/"), `
		/usr/bin/sh file 0755
		/usr/lib/db/bin dir 0755
		/usr/lib/db/bin/base file 0755
		/usr/lib/db/bin/begin file 0755`)
	p = stocked(t, host, "--bin agent", plan.Recipes{Auto: true})
	same(t, decisions(p), "own 2: agent names agent-keeper, /usr/share/agent")
}

// All paths stand in a libc, and in its loader.
func TestALibcIsNoEvidence(t *testing.T) {
	host := onDisk(t, service)
	for _, program := range []string{"plain", "small"} {
		p := stocked(t, host, "--bin "+program, plan.Recipes{Auto: true})
		same(t, decisions(p), "")
	}
}

func TestPackagesThatCannotBeRead(t *testing.T) {
	host := onDisk(t, strings.Replace(service, "Section: net", `no field\n`, 1))
	s := spec(t, "--bin server")
	s.Recipes = plan.Recipes{Book: book(t, snakes), Auto: true}
	_, err := plan.Make(context.Background(), host, s)
	var damaged *plan.PackagesError
	if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "/var/lib/dpkg/status") {
		t.Fatal(err)
	}
	s.Recipes.Without = []string{plan.Own, plan.Scripts}
	if _, err := plan.Make(context.Background(), host, s); err != nil {
		t.Error(err)
	}
}

// What the many lists of packages say is not asked where nothing leads to it.
func TestProgramsThatNameNothingNeedNoPackages(t *testing.T) {
	host := onDisk(t, strings.Replace(service, "Section: net", `no field\n`, 1))
	p := stocked(t, host, "--bin plain --bin sh", plan.Recipes{Auto: true})
	same(t, decisions(p), "")
}

func TestLongEvidenceIsCutShort(t *testing.T) {
	var texts, files strings.Builder
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		texts.WriteString(`\x00/usr/share/many/` + name + `/x`)
		files.WriteString("\n/usr/share/many/" + name + "/x text \"x\"")
	}
	host := onDisk(t, `
		/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib/:/usr/lib/
		/usr/bin/many  elf interp=/lib64/ld-linux-x86-64.so.2 text="`+texts.String()+`\x00"`+files.String())
	p := stocked(t, host, "--bin many", plan.Recipes{Auto: true})
	same(t, decisions(p), "own 5: many names /usr/share/many/a/x, /usr/share/many/b/x, /usr/share/many/c/x and 2 more")
}

// A folder that is brought as a whole can hold what must never be in an image.
func TestSecretsStay(t *testing.T) {
	const key = `-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n`
	secrets := strings.NewReplacer(
		`/srv/site/index `, `/etc/server/key-for-all   text "`+key+`" mode=0644
		/etc/server/key             text "`+key+`" mode=0640
		/etc/server/knows-keys      text "-----BEGIN PRIVATE KEY----- is how they begin\n" mode=0644
		/etc/server/of-no-package   text "anything" mode=0640
		/etc/server/as-shipped      text "password = change-me\n" mode=0640
		/etc/server/with-password   text "# mine\ndb_password = hunter2\n" mode=0640
		/etc/server/with-address    text "db = x://me:hunter2@db/\n" mode=0640
		/etc/server/changed         text "# password = none\nport = 1\n" mode=0640
		/etc/server/store.jks       text "store" mode=0644
		/etc/server/.aws/x          text "cloud" mode=0644
		/etc/server/account.json    text "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIE\"}" mode=0644
		/etc/server/cluster.yaml    text "users:\n  client-key-data: LS0t\n" mode=0644
		/etc/server/server.conf~    text "user old;" mode=0644
		/etc/server/large           text "`+strings.Repeat("x", 1<<16)+`" mode=0600
		/srv/site/index `,
		"Section: net", `Conffiles:\n /etc/server/as-shipped f4d727f64240317f2a31c6b0e1ce17dd\n /etc/server/changed 00000000000000000000000000000000`,
		`/etc/server/server.conf\n`, `/etc/server/server.conf\n/etc/server/as-shipped\n/etc/server/with-password\n/etc/server/with-address\n/etc/server/changed\n`,
	).Replace(service)
	p := stocked(t, onDisk(t, secrets), "--bin server", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/etc/server", "/etc/shadow"), `
		/etc/server dir 0755
		/etc/server/as-shipped file 0640
		/etc/server/changed file 0640
		/etc/server/knows-keys file 0644
		/etc/server/server.conf file 0644`)
	const want = "/etc/server/.aws, /etc/server/account.json, /etc/server/cluster.yaml and 7 more are left out: they may be secrets, or cannot be read; --add ships what it is told"
	if !slices.Contains(p.Notes, want) {
		t.Errorf("notes %q", p.Notes)
	}
	// With no package to ask, only what a private file holds can tell.
	alone := strings.ReplaceAll(strings.ReplaceAll(secrets, "/var/lib/dpkg", "/var/lib/none"), `/usr/lib/mods\x00`, `/usr/lib/mods\x00/etc/server/x\x00/etc/server\x00`)
	p = stocked(t, onDisk(t, alone), "--bin server", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/etc/server"), `
		/etc/server dir 0755
		/etc/server/changed file 0640
		/etc/server/knows-keys file 0644
		/etc/server/large file 0600
		/etc/server/of-no-package file 0640
		/etc/server/server.conf file 0644`)
}

// --bare is the closure, the links and folders that lead to it, the index of
// libraries and /dev, whatever recipes there are.
func TestBareIsThePureClosure(t *testing.T) {
	host := onDisk(t, service)
	p := stocked(t, host, "--bin server --bin plain --bin serverctl --bare", plan.Recipes{Auto: true})
	files := make(map[string]bool)
	for program := range p.Closure.All() {
		for _, o := range program.Objects {
			real, err := host.RealPath(o.Path)
			if err != nil {
				t.Fatal(err)
			}
			files[real] = true
		}
	}
	for e := range p.Tree.All() {
		switch {
		case e.Mode.IsRegular() && !files[e.Path] && e.Path != "/etc/ld.so.cache":
			t.Errorf("%s is not of the closure", e.Path)
		case e.Mode.IsDir() && e.Path != "/dev" && e.Path != "/" && !strings.HasPrefix(e.Path, "/etc"):
			below := func(name string) bool { return strings.HasPrefix(name, e.Path+"/") }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), below) {
				t.Errorf("nothing of the closure is in %s", e.Path)
			}
		}
		delete(files, e.Path)
	}
	for name := range files {
		t.Errorf("%s is missing", name)
	}
	if p.Tree.Entry("/dev") == nil || len(p.Decisions) > 0 {
		t.Errorf("no /dev, or decisions: %v", p.Decisions)
	}
}

// A library that its program has loaded before is nothing that lacks, whatever the
// processor is.
func TestBroughtLibrariesOfBetterProcessors(t *testing.T) {
	host := onDisk(t, strings.Replace(pantry, "/usr/lib/libplug.so ", "/usr/lib/glibc-hwcaps/x86-64-v3/libplug.so elf soname=libplug.so\n\t/usr/lib/libplug.so ", 1))
	p := stocked(t, host, "--bin /opt/jvm/bin/java --bin tool --all-hwcaps", plan.Recipes{Auto: true})
	for _, note := range p.Notes {
		if strings.Contains(note, "better processors") {
			t.Error(note)
		}
	}
	if p.Tree.Entry("/usr/lib/glibc-hwcaps/x86-64-v3/libplug.so") == nil {
		t.Error("the library for better processors is missing")
	}
}

// What an image has, from wherever, needs no hint.
func TestNoHintAtWhatIsThere(t *testing.T) {
	host := onDisk(t, pantry)
	p := stocked(t, host, "--bin zoned", plan.Recipes{Auto: true})
	same(t, decisions(p), "tz?: zoned calls tzset")
	base := stocked(t, host, "--bin sh --add /usr/share/zoneinfo", plan.Recipes{})
	s := spec(t, "--bin zoned")
	s.Base, s.Recipes = base.Tree, plan.Recipes{Book: book(t, "about: nothing"), Auto: true}
	p, err := plan.Make(context.Background(), host, s)
	if err != nil {
		t.Fatal(err)
	}
	same(t, decisions(p), "")
}

// A folder with many programs is no program's own to the last of them: what it
// starts there it names. Headers are not for those who run it.
func TestAProgramInAFolderWithMany(t *testing.T) {
	host := onDisk(t, `
		/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib/:/usr/lib/
		/usr/bin/dump            -> ../lib/many/bin/dump
		/usr/lib/many/bin/dump   elf interp=/lib64/ld-linux-x86-64.so.2 text="\x00/usr/lib/many\x00"
		/usr/lib/many/bin/other  elf interp=/lib64/ld-linux-x86-64.so.2
		/usr/lib/many/bin/boot   text "code"
		/usr/lib/many/exec/run   elf interp=/lib64/ld-linux-x86-64.so.2
		/usr/lib/many/more/x     text "more"
		/usr/lib/many/include/h  text "header"
		/var/lib/dpkg/status text "`+pkg("many")+pkg("many-more", "Source: many")+pkg("many-dev", "Source: many")+`"
		/var/lib/dpkg/info/many.list      text "/usr/bin/dump\n/usr/lib/many\n/usr/lib/many/bin/dump\n/usr/lib/many/bin/other\n/usr/lib/many/bin/boot\n/usr/lib/many/exec/run\n"
		/var/lib/dpkg/info/many-more.list text "/usr/lib/many\n/usr/lib/many/more/x\n"
		/var/lib/dpkg/info/many-dev.list  text "/usr/lib/many\n/usr/lib/many/include/h\n"`)
	p := stocked(t, host, "--bin dump", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/usr/lib/many"), `
		/usr/lib/many dir 0755
		/usr/lib/many/bin dir 0755
		/usr/lib/many/bin/boot file 0644
		/usr/lib/many/bin/dump file 0755
		/usr/lib/many/exec dir 0755
		/usr/lib/many/exec/run file 0755
		/usr/lib/many/more dir 0755
		/usr/lib/many/more/x file 0644`)
}
