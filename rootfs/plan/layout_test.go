package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

func TestMirrorKeepsTheHostsPaths(t *testing.T) {
	p := makePlan(t, onDisk(t, merged), "--bin /bin/sh --bare")
	same(t, listing(p), `
		/bin -> usr/bin
		/dev dir 0755
		/etc dir 0755
		/etc/ld.so.cache file 0644
		/lib -> usr/lib
		/lib64 -> usr/lib64
		/usr dir 0755
		/usr/bin dir 0755
		/usr/bin/bash file 0755
		/usr/bin/sh -> bash
		/usr/lib dir 0755
		/usr/lib/gnu dir 0755
		/usr/lib/gnu/ld.so.2 file 0755
		/usr/lib/gnu/libc.so.6 file 0755
		/usr/lib/gnu/libtinfo.so.6 -> libtinfo.so.6.4
		/usr/lib/gnu/libtinfo.so.6.4 file 0755
		/usr/lib64 dir 0755
		/usr/lib64/ld.so -> ../lib/gnu/ld.so.2
	`)
	same(t, strings.Join(p.Programs, " "), "/bin/sh")
}

func TestEveryEntrySaysWhyItIsThere(t *testing.T) {
	p := makePlan(t, onDisk(t, merged), "--bin bash --bare")
	var got string
	for e := range p.Tree.All() {
		got += fmt.Sprintln(e.Path, "is", e.Why[0])
	}
	same(t, got, `
		/dev is skeleton
		/etc is folder for /etc/ld.so.cache
		/etc/ld.so.cache is generated index of libraries for /lib64/ld.so
		/lib is link for /lib/gnu/libtinfo.so.6
		/lib64 is link for /lib64/ld.so
		/usr is folder for /usr/bin/bash
		/usr/bin is folder for /usr/bin/bash
		/usr/bin/bash is program for --bin /usr/bin/bash
		/usr/lib is folder for /lib64/ld.so
		/usr/lib/gnu is folder for /lib64/ld.so
		/usr/lib/gnu/ld.so.2 is loader PT_INTERP for /usr/bin/bash
		/usr/lib/gnu/libc.so.6 is library libc.so.6 by ld.so.cache for /usr/bin/bash
		/usr/lib/gnu/libtinfo.so.6 is link for /lib/gnu/libtinfo.so.6
		/usr/lib/gnu/libtinfo.so.6.4 is library libtinfo.so.6 by ld.so.cache for /usr/bin/bash
		/usr/lib64 is folder for /lib64/ld.so
		/usr/lib64/ld.so is link for /lib64/ld.so
	`)
}

func TestFlatIsThePictureOfTutorials(t *testing.T) {
	host := onDisk(t, merged)
	p := makePlan(t, host, "--bin /bin/sh --bin echo --layout flat --bare")
	same(t, listing(p), `
		/bin dir 0755
		/bin/echo file 0755
		/bin/sh file 0755
		/dev dir 0755
		/etc dir 0755
		/etc/ld.so.cache file 0644
		/lib64 dir 0755
		/lib64/ld.so file 0755
		/lib64/libc.so.6 file 0755
		/lib64/libtinfo.so.6 file 0755
	`)
	same(t, strings.Join(p.Programs, " "), "/bin/sh /bin/echo")
	same(t, cacheOf(t, p), "libtinfo.so.6 /lib64/libtinfo.so.6\nlibc.so.6 /lib64/libc.so.6\nld.so /lib64/ld.so")

	p = makePlan(t, host, "--bin bash --layout flat")
	same(t, below(listing(p), "/bin", "/lib", "/usr", "/etc/"), `
		/bin dir 0755
		/bin/bash file 0755
		/etc/group file 0644
		/etc/ld.so.cache file 0644
		/etc/ld.so.conf file 0644
		/etc/nsswitch.conf file 0644
		/etc/os-release file 0644
		/etc/passwd file 0644
		/lib -> lib64
		/lib64 dir 0755
		/lib64/ld.so file 0755
		/lib64/libc.so.6 file 0755
		/lib64/libtinfo.so.6 file 0755
		/usr dir 0755
		/usr/lib -> ../lib64
		/usr/lib64 -> ../lib64
	`)
	same(t, read(t, p.Tree, "etc/ld.so.conf"), "/lib64\n")
}

func TestFlatKeepsTheInterpreterWhereTheKernelOpensIt(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/opt/app       elf interp=/lib/ld-2.so needed=liba.so,ld-2.so
		/lib/ld-2.so   elf soname=ld-2.so glibc=/lib/:/usr/lib/
		/lib/liba.so   elf soname=liba.so
	`), "--bin /opt/app --layout flat")
	same(t, below(listing(p), "/bin", "/lib", "/usr"), `
		/bin dir 0755
		/bin/app file 0755
		/lib dir 0755
		/lib/ld-2.so file 0755
		/lib64 dir 0755
		/lib64/liba.so file 0755
		/usr dir 0755
		/usr/lib -> ../lib64
		/usr/lib64 -> ../lib64
	`)
}

func TestAProgramGoesWhereItIsWanted(t *testing.T) {
	host := onDisk(t, merged)
	p := makePlan(t, host, "--bin sh:/bin/shell --bin echo:/opt/tools/say --bare")
	same(t, below(listing(p), "/bin", "/opt", "/usr/bin"), `
		/bin -> usr/bin
		/opt dir 0755
		/opt/tools dir 0755
		/opt/tools/say file 0755
		/usr/bin dir 0755
		/usr/bin/shell file 0755
	`)
	same(t, strings.Join(p.Programs, " "), "/bin/shell /opt/tools/say")

	p = makePlan(t, host, "--bin sh:/shell --layout flat --bare")
	same(t, below(listing(p), "/bin", "/shell"), "/shell file 0755")
	same(t, strings.Join(p.Programs, " "), "/shell")
}

// An auxiliary library is loaded before the program that names it.
func TestWhatIsLoadedBeforeTheProgramIsNotTakenForIt(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/app        elf interp=/lib64/ld.so auxiliary=libopt.so needed=libc.so.6 runpath=/opt/lib
		/opt/lib/libopt.so  elf soname=libopt.so
	`)
	p := makePlan(t, host, "--bin app:/app --bare")
	same(t, below(listing(p), "/app", "/opt", "/usr/bin"), `
		/app file 0755
		/opt dir 0755
		/opt/lib dir 0755
		/opt/lib/libopt.so file 0755
	`)
	p = makePlan(t, host, "--bin app --layout flat --bare")
	same(t, below(listing(p), "/bin", "/lib64/libo"), `
		/bin dir 0755
		/bin/app file 0755
		/lib64/libopt.so file 0755
	`)
}

func TestBothSpellingsOfAMergedUsrWork(t *testing.T) {
	host := onDisk(t, merged)
	for _, program := range []string{"/bin/bash", "/usr/bin/bash", "bash"} {
		p := makePlan(t, host, "--bin "+program)
		for _, name := range []string{"bin/bash", "usr/bin/bash", "lib64/ld.so", "lib/gnu/libc.so.6", "usr/lib/gnu/libc.so.6"} {
			if _, err := p.Tree.Stat(name); err != nil {
				t.Errorf("--bin %s: %v", program, err)
			}
		}
	}
}

func TestTheKernelAloneStartsStaticPrograms(t *testing.T) {
	host := onDisk(t, `
		/bin/static     elf type=exec static
		/bin/staticpie  elf flags1=0x8000001
	`)
	for _, layout := range []string{"host", "flat"} {
		p := makePlan(t, host, "--bin static --bin staticpie --bare --layout "+layout)
		same(t, listing(p), `
			/bin dir 0755
			/bin/static file 0755
			/bin/staticpie file 0755
			/dev dir 0755
		`)
	}
}

func TestAddedFilesKeepTheirPaths(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/share/doc/a/one  text 1
		/usr/share/doc/a/two  -> one
		/usr/share/doc/gone   -> /nowhere
		/usr/share/doc/far    -> ../../lib/gnu/libunused.so
		/doc                  -> usr/share/doc
		/srv/data             text 2
	`)
	p := makePlan(t, host, "--bin echo --add /doc --add /lib/gnu/libunused.so --add /usr/share/doc/a/two")
	same(t, below(listing(p), "/doc", "/usr/share", "/usr/lib/gnu/libu"), `
		/doc -> usr/share/doc
		/usr/lib/gnu/libunused.so file 0755
		/usr/share dir 0755
		/usr/share/doc dir 0755
		/usr/share/doc/a dir 0755
		/usr/share/doc/a/one file 0644
		/usr/share/doc/a/two -> one
		/usr/share/doc/far -> ../../lib/gnu/libunused.so
		/usr/share/doc/gone -> /nowhere
	`)
	same(t, strings.Join(p.Notes, "\n"), "")

	p = makePlan(t, host, "--bin echo --add /doc:/opt/doc --add /doc/a/two:/opt/file --add /srv/data")
	same(t, below(listing(p), "/opt", "/srv"), `
		/opt dir 0755
		/opt/doc dir 0755
		/opt/doc/a dir 0755
		/opt/doc/a/one file 0644
		/opt/doc/a/two -> one
		/opt/doc/far -> ../../lib/gnu/libunused.so
		/opt/doc/gone -> /nowhere
		/opt/file hard /opt/doc/a/one
		/srv dir 0755
		/srv/data file 0644
	`)
	same(t, strings.Join(p.Notes, "\n"),
		"/opt/doc/far is a link to ../../lib/gnu/libunused.so, which is not in the image; --add it too if it is wanted")
}

func TestAddedFoldersMerge(t *testing.T) {
	host := onDisk(t, merged+`
		/site/etc/motd        text hello
		/site/usr/bin/tool    text x
		/site/lib/gnu/conf    text x
		/more/etc/hosts.allow text x
	`)
	for _, layout := range []string{"host", "flat"} {
		p := makePlan(t, host, "--bin bash --add /site:/ --add /more/etc:/etc --layout "+layout)
		for _, name := range []string{"etc/motd", "etc/hosts.allow", "etc/passwd", "usr/bin/tool", "lib/gnu/conf", "bin/bash"} {
			if _, err := p.Tree.Stat(name); err != nil {
				t.Errorf("layout %s: %v", layout, err)
			}
		}
	}
}

// A flat image has folders of its own where the host has links.
func TestFlatTakesFilesFromBelowTheHostsLinks(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/script    text x
		/usr/lib/app/data  text x
	`)
	p := makePlan(t, host, "--bin bash --add /bin/script --add /lib/app --layout flat")
	same(t, below(listing(p), "/bin", "/lib/", "/lib ", "/usr/lib"), `
		/bin dir 0755
		/bin/bash file 0755
		/bin/script file 0644
		/lib -> usr/lib
		/usr/lib dir 0755
		/usr/lib/app dir 0755
		/usr/lib/app/data file 0644
		/usr/lib64 -> ../lib64
	`)
}

func TestHardLinksStayHardLinks(t *testing.T) {
	host := onDisk(t, plainRoot)
	if err := os.Link(filepath.Join(host.Dir(), "bin/app"), filepath.Join(host.Dir(), "bin/app-1.0")); err != nil {
		t.Fatal(err)
	}
	p := makePlan(t, host, "--bin app --bin app-1.0 --bare")
	same(t, below(listing(p), "/bin/"), "/bin/app file 0755\n/bin/app-1.0 hard /bin/app")
}

func TestUnknownLayoutIsAnError(t *testing.T) {
	err := makeError(t, onDisk(t, plainRoot), "--bin app --layout round")
	same(t, err.Error(), `unknown layout "round": there are host and flat`)
}

func TestInputsReadAsTheyWereGiven(t *testing.T) {
	same(t, fmt.Sprintln(plan.Input{Source: "a"}, plan.Input{Source: "/a", Dest: "/b"}), "a /a:/b")
}
