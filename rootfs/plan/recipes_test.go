package plan_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// pantry is a root with programs that need more than libraries. Package tool has
// a program and, with tool-data, what it names; libown needs own-data, and not
// own-extra.
const pantry = `
	/bin   -> usr/bin
	/lib   -> usr/lib
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib/:/usr/lib/
	/usr/bin/sh      elf interp=/lib64/ld-linux-x86-64.so.2
	/usr/bin/curl    elf interp=/lib64/ld-linux-x86-64.so.2 needed=libtls.so text="\x00/etc/ssl/certs/ca-certificates.crt\x00"
	/usr/bin/zoned   elf interp=/lib64/ld-linux-x86-64.so.2 import=tzset needed=libtls.so
	/usr/bin/tool    elf interp=/lib64/ld-linux-x86-64.so.2 needed=libown.so import=getpwnam text="\x00/usr/share/tool\x00/etc/tool/tool.conf\x00/usr/lib/tool/helper\x00/var/lib/tool/cache/x\x00/usr/share/doc/tool\x00/usr/share/other/file\x00/lib64/ld-linux-x86-64.so.2\x00/usr/share/shared\x00"
	/usr/lib/libtls.so  elf soname=libtls.so
	/usr/lib/libown.so  elf soname=libown.so text="\x00/usr/share/own\x00/usr/share/own-extra\x00"
	/usr/lib/libplug.so elf soname=libplug.so
	/usr/share/tool/data       text "data"
	/usr/share/tool/plugin.so  elf needed=libplug.so
	/usr/share/tool/broken.so  elf needed=libgone.so
	/usr/share/tool/sub/link   -> /etc/tool/extra
	/usr/share/tool/lib.a      text "archive"
	/usr/share/doc/tool/README text "doc"
	/usr/share/other/file      text "other"
	/usr/share/shared/tool     text "tool's"
	/usr/share/shared/other    text "other's"
	/usr/share/own/data        text "own"
	/usr/share/own-extra/data  text "extra"
	/usr/lib/tool/helper  elf interp=/lib64/ld-linux-x86-64.so.2 text="\x00/usr/share/tool/sub\x00"
	/etc/tool/tool.conf   text "user www;\n"
	/etc/tool/extra       text "extra"
	/etc/tool/key         text "-----BEGIN PRIVATE KEY-----" mode=0600
	/var/lib/tool/cache/x text "cached"
	/etc/ssl/certs/ca-certificates.crt  text "certificates"
	/usr/share/zoneinfo/UTC  text "zone"
	/opt/jvm/bin/java   elf interp=/lib64/ld-linux-x86-64.so.2
	/opt/jvm/lib/libjvm.so   elf soname=libjvm.so
	/opt/jvm/lib/libnet.so   elf needed=libjvm.so
	/opt/jvm/man/java.1      text "manual"
	/etc/passwd  text "root:x:0:0:root:/root:/bin/sh\ntool:x:8:9::/:/x\nwww:x:33:34::/var/www:/x\n"
	/etc/group   text "root:x:0:\ntool:x:9:me\nweb:x:34:\n"
	/var/lib/dpkg/status text "` +
	`Package: tool\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nDepends: tool-data\n\n` +
	`Package: tool-data\nStatus: install ok installed\nSource: tool\nVersion: 1\nArchitecture: all\n\n` +
	`Package: libown\nStatus: install ok installed\nSource: own\nVersion: 1\nArchitecture: all\nDepends: own-data (>= 1)\n\n` +
	`Package: own-data\nStatus: install ok installed\nSource: own\nVersion: 1\nArchitecture: all\n\n` +
	`Package: own-extra\nStatus: install ok installed\nSource: own\nVersion: 1\nArchitecture: all\n\n` +
	`Package: other\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n` +
	`Package: more\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n` +
	`Package: most\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
	/var/lib/dpkg/info/tool.list       text "/usr/bin/tool\n/etc/tool\n/etc/tool/tool.conf\n/usr/lib/tool/helper\n/var/lib/tool\n/usr/share/shared\n/usr/share/shared/tool\n"
	/var/lib/dpkg/info/tool-data.list  text "/usr/share/tool\n/usr/share/tool/data\n"
	/var/lib/dpkg/info/libown.list     text "/usr/lib/libown.so\n"
	/var/lib/dpkg/info/own-data.list   text "/usr/share/own\n"
	/var/lib/dpkg/info/own-extra.list  text "/usr/share/own-extra\n"
	/var/lib/dpkg/info/other.list      text "/usr/share/other/file\n/usr/share/shared\n/usr/share/shared/other\n"
	/var/lib/dpkg/info/more.list       text "/usr/share/shared\n"
	/var/lib/dpkg/info/most.list       text "/usr/share/shared\n"
`

// book returns the recipes of the package, one more, and others by their names.
func book(t testing.TB, more string, others ...string) *recipe.Book {
	t.Helper()
	dir := fstest.MapFS{"more.yaml": {Data: []byte(more)}}
	for i := 0; i < len(others); i += 2 {
		dir[others[i]+".yaml"] = &fstest.MapFile{Data: []byte(others[i+1])}
	}
	b, err := recipe.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stocked makes a plan with recipes.
func stocked(t testing.TB, host *rootfs.Host, line string, r plan.Recipes) *plan.Plan {
	t.Helper()
	s := spec(t, line)
	if r.Book == nil {
		r.Book = book(t, "about: nothing")
	}
	s.Recipes = r
	p, err := plan.Make(context.Background(), host, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decisions returns what was decided, a line each.
func decisions(p *plan.Plan) string {
	var b strings.Builder
	for _, d := range p.Decisions {
		if d.Added {
			fmt.Fprintf(&b, "%s %d: %s\n", d.Recipe, d.Paths, d.Why)
		} else {
			fmt.Fprintf(&b, "%s?: %s\n", d.Recipe, d.Why)
		}
	}
	return b.String()
}

func TestStrongEvidenceBringsDataAndWeakEvidenceAHint(t *testing.T) {
	host := onDisk(t, pantry)
	p := stocked(t, host, "--bin curl --bin zoned", plan.Recipes{Auto: true})
	same(t, decisions(p), `
		certs 1: curl names /etc/ssl/certs/ca-certificates.crt
		tz?: zoned calls tzset`)
	same(t, below(listing(p), "/etc/ssl", "/usr/share"), `
		/etc/ssl dir 0755
		/etc/ssl/certs dir 0755
		/etc/ssl/certs/ca-certificates.crt file 0644`)
	for _, r := range []plan.Recipes{
		{}, {Auto: true, Without: []string{"certs", "tz"}},
	} {
		p := stocked(t, host, "--bin curl --bin zoned", r)
		if got := decisions(p) + below(listing(p), "/etc/ssl"); got != "" {
			t.Errorf("%v: %s", r, got)
		}
	}
	p = stocked(t, host, "--bin curl --bin zoned", plan.Recipes{With: []string{"tz"}})
	same(t, decisions(p), "tz 1: --with tz")
	p = stocked(t, host, "--bin sh", plan.Recipes{Auto: true, Env: []string{"TZ"}})
	same(t, decisions(p), "tz 1: TZ is set")
	p = stocked(t, host, "--bin curl --bare", plan.Recipes{Auto: true})
	same(t, decisions(p), "")
}

func TestWhatAProgramNamesAndItsPackageHas(t *testing.T) {
	p := stocked(t, onDisk(t, pantry), "--bin tool", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/usr/share/", "/etc/tool", "/usr/lib/", "/var/lib/"), `
		/etc/tool dir 0755
		/etc/tool/extra file 0644
		/etc/tool/tool.conf file 0644
		/usr/lib/libown.so file 0755
		/usr/lib/libplug.so file 0755
		/usr/lib/tool dir 0755
		/usr/lib/tool/helper file 0755
		/usr/share/own dir 0755
		/usr/share/own/data file 0644
		/usr/share/shared dir 0755
		/usr/share/shared/tool file 0644
		/usr/share/tool dir 0755
		/usr/share/tool/data file 0644
		/usr/share/tool/plugin.so file 0755
		/usr/share/tool/sub dir 0755
		/usr/share/tool/sub/link -> /etc/tool/extra
		/var/lib/tool dir 0755
		/var/lib/tool/cache dir 0755`)
	if want := "/usr/share/tool/broken.so is left out: it needs libgone.so, which is not here"; !slices.Contains(p.Notes, want) {
		t.Errorf("notes %q lack %q", p.Notes, want)
	}
	for file, want := range map[string]string{"etc/passwd": "\ntool:x:8:9::/:/x\nwww:x:33:34:", "etc/group": "\ntool:x:9:\nweb:x:34:\n"} {
		if got := read(t, p.Tree, file); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", file, got)
		}
	}
	if !slices.Equal(p.Programs, []string{"/usr/bin/tool"}) {
		t.Errorf("programs %q", p.Programs)
	}
}

// A library that needs one that its program has loaded before is good for that
// program, though not by itself.
func TestAProgramInAFolderOfItsOwn(t *testing.T) {
	p := stocked(t, onDisk(t, pantry), "--bin /opt/jvm/bin/java", plan.Recipes{Auto: true})
	same(t, below(listing(p), "/opt"), `
		/opt dir 0755
		/opt/jvm dir 0755
		/opt/jvm/bin dir 0755
		/opt/jvm/bin/java file 0755
		/opt/jvm/lib dir 0755
		/opt/jvm/lib/libjvm.so file 0755
		/opt/jvm/lib/libnet.so file 0755`)
	same(t, decisions(p), "own 2: java is installed in /opt/jvm")
	if len(p.Notes) > 0 {
		t.Errorf("notes %q", p.Notes)
	}
}

func TestARecipeBringsAllThatItSays(t *testing.T) {
	b := book(t, `
about: all kinds of things
when: [{program: sh}]
with: [certs]
add: ["/usr/share/{name}*/*", "{prefix}/share/tool", "/no/such"]
except: [sub, /usr/share/tool/data]
programs: [/usr/bin/zoned]
folders: [{path: /var/spool/mine, mode: 01777}]
users: [www]
shadow: true
env: {MINE: yes}
note: Mind the step.
`)
	p := stocked(t, onDisk(t, pantry), "--bin sh", plan.Recipes{Book: b, Auto: true})
	same(t, below(listing(p), "/usr/share", "/usr/bin", "/var/spool", "/etc/s"), `
		/etc/shadow file 0640
		/etc/ssl dir 0755
		/etc/ssl/certs dir 0755
		/etc/ssl/certs/ca-certificates.crt file 0644
		/usr/bin dir 0755
		/usr/bin/sh file 0755
		/usr/bin/zoned file 0755
		/usr/share dir 0755
		/usr/share/shared dir 0755
		/usr/share/shared/other file 0644
		/usr/share/shared/tool file 0644
		/usr/share/tool dir 0755
		/usr/share/tool/plugin.so file 0755
		/var/spool dir 0755
		/var/spool/mine dir 1777`)
	if got := read(t, p.Tree, "etc/shadow"); !strings.Contains(got, "\nwww:*:") {
		t.Errorf("shadow:\n%s", got)
	}
	if p.Env["MINE"] != "yes" || !slices.Contains(p.Notes, "Mind the step.") {
		t.Errorf("environment %v, notes %q", p.Env, p.Notes)
	}
}

func TestRecipesThatAreNot(t *testing.T) {
	host := onDisk(t, pantry)
	make := func(r plan.Recipes) error {
		s := spec(t, "--bin sh")
		s.Recipes = r
		_, err := plan.Make(context.Background(), host, s)
		return err
	}
	b := book(t, "about: nothing")
	var unknown *plan.UnknownRecipeError
	if err := make(plan.Recipes{Book: b, Without: []string{"cert"}}); !errors.As(err, &unknown) || unknown.Name != "cert" {
		t.Error(err)
	}
	var nothing *plan.NothingError
	if err := make(plan.Recipes{Book: b, With: []string{"magic"}}); !errors.As(err, &nothing) || !slices.Contains(nothing.Sought, "/etc/magic") {
		t.Error(err)
	}
	b = book(t, "about: a program\nprograms: [/usr/bin/gone]")
	if err := make(plan.Recipes{Book: b, With: []string{"more"}}); !errors.As(err, &nothing) || !slices.Contains(nothing.Sought, "/usr/bin/gone") {
		t.Error(err)
	}
	// What a package has brought before is not nothing.
	b = book(t, "about: own data\nadd: [/usr/share/own-extra]")
	s := spec(t, "--bin sh --pkg own-extra")
	s.Recipes = plan.Recipes{Book: b, With: []string{"more"}}
	if _, err := plan.Make(t.Context(), host, s); err != nil {
		t.Error(err)
	}
}

func TestWhatIsExcludedIsNotBrought(t *testing.T) {
	host := onDisk(t, pantry)
	exclude := func(patterns ...string) (*plan.Plan, error) {
		s := spec(t, "--bin tool --bin curl")
		s.Recipes = plan.Recipes{Auto: true, Book: book(t, "about: nothing")}
		s.Exclude = patterns
		return plan.Make(t.Context(), host, s)
	}
	// Without the plug-in and the helper, nothing needs what they need.
	p, err := exclude("plugin.so", "/lib/tool/helper", "/etc/ssl/**", "/usr/share/tool/sub")
	if err != nil {
		t.Fatal(err)
	}
	same(t, below(listing(p), "/usr/share/tool", "/usr/lib/", "/etc/ssl"), `
		/usr/lib/libown.so file 0755
		/usr/lib/libtls.so file 0755
		/usr/share/tool dir 0755
		/usr/share/tool/data file 0644`)
	if len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "broken.so") || !strings.Contains(p.Notes[1], "/etc/tool/key") {
		t.Errorf("notes %q", p.Notes)
	}
	var needed *plan.ExcludeError
	if _, err := exclude("libplug.so"); !errors.As(err, &needed) || needed.Entry.Path != "/usr/lib/libplug.so" {
		t.Errorf("what a plug-in needs is left out: %v", err)
	}
}
