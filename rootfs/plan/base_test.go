package plan_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// splitBase has the folders of old, where the root merged has links, and other
// programs of the same libc.
const splitBase = `
	/bin/ls        elf interp=/lib64/ld.so needed=libls.so,libc.so.6
	/lib64/ld.so              -> ../lib/gnu/ld.so.2
	/lib/gnu/ld.so.2          elf soname=ld.so glibc=/lib/gnu/:/usr/lib/gnu/
	/lib/gnu/libc.so.6        elf soname=libc.so.6 needed=ld.so
	/usr/lib/gnu/libls.so     elf soname=libls.so
	/etc/ld.so.cache  cache libls.so=/usr/lib/gnu/libls.so libc.so.6=/lib/gnu/libc.so.6
	/etc/passwd       text "root:x:0:0::/:/bin/sh\nours:x:7:7::/:/\n"
	/etc/group        text "root:x:0:\n"
	/etc/os-release   text "ID=base\n"
	/root             dir mode=0750
	/tmp              dir mode=1777
`

// planUpon makes a plan for a command line upon a base.
func planUpon(t *testing.T, base, root, line string) (*plan.Plan, error) {
	t.Helper()
	s := spec(t, line)
	s.Base = &rootfs.Tree{}
	if err := s.Base.AddHostTree(onDisk(t, base), "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
		t.Fatal(err)
	}
	return plan.Make(context.Background(), onDisk(t, root), s)
}

func TestABaseIsNotShippedAgain(t *testing.T) {
	p, err := planUpon(t, splitBase, merged, "--bin /bin/bash")
	if err != nil {
		t.Fatal(err)
	}
	same(t, listing(p), `
		/bin dir 0755
		/bin/bash file 0755
		/dev dir 0755
		/etc dir 0755
		/etc/ld.so.cache file 0644
		/etc/nsswitch.conf file 0644
		/lib dir 0755
		/lib/gnu dir 0755
		/lib/gnu/libtinfo.so.6 -> libtinfo.so.6.4
		/lib/gnu/libtinfo.so.6.4 file 0755
		/proc dir 0755
		/run dir 0755
		/sys dir 0755
		/var dir 0755
		/var/tmp dir 1777
	`)
	same(t, cacheOf(t, p), `
		libtinfo.so.6 /lib/gnu/libtinfo.so.6
		libls.so /usr/lib/gnu/libls.so
		libc.so.6 /lib/gnu/libc.so.6
	`)
	same(t, strings.Join(p.Programs, " "), "/bin/bash")
}

func TestAnotherLibcThanTheBasesIsRefused(t *testing.T) {
	_, err := planUpon(t, strings.ReplaceAll(splitBase, "soname=libc.so.6", "soname=libc.so.6 text=other"), merged, "--bin /bin/bash")
	var base *plan.BaseError
	if !errors.As(err, &base) {
		t.Fatalf("got %v", err)
	}
	same(t, err.Error(), "the base has another /lib/gnu/libc.so.6, which its own programs need; "+
		"library libc.so.6 by ld.so.cache for /bin/bash would take its place")
}

// What the user names replaces what the base has, and says so.
func TestWhatIsNamedReplacesWhatTheBaseHas(t *testing.T) {
	p, err := planUpon(t, splitBase+"/bin/bash elf static\n/srv/x text old\n/srv/y text old", merged+"/data/x text new", "--bin /bin/bash --add /data:/srv")
	if err != nil {
		t.Fatal(err)
	}
	same(t, below(listing(p), "/bin", "/srv"), `
		/bin dir 0755
		/bin/bash file 0755
		/srv dir 0755
		/srv/x file 0644
	`)
	same(t, strings.Join(p.Notes, "\n"), "/bin/bash replaces that of the base\n/srv/x replaces that of the base")
}

// A copy of what the user names stands for it only if it allows as much.
func TestACopyInTheBaseDoesNotTakePrivilegesAway(t *testing.T) {
	const shell = "/usr/bin/tool elf interp=/lib64/ld.so mode="
	for _, test := range []struct{ name, base, root, line, want string }{
		{"not executable", "0644", "0755", "--bin /usr/bin/tool", "/usr/bin/tool replaces that of the base"},
		{"not readable", "0750", "0755", "--bin init --add /usr/bin/tool", "/usr/bin/tool replaces that of the base"},
		{"not setuid", "0755", "04755", "--bin /usr/bin/tool", "/usr/bin/tool replaces that of the base"},
		{"the same", "0755", "0755", "--bin /usr/bin/tool", ""},
		{"more than is asked for", "04755", "0755", "--bin /usr/bin/tool", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := planUpon(t, splitBase+shell+test.base, merged+shell+test.root, test.line)
			if err != nil {
				t.Fatal(err)
			}
			same(t, strings.Join(p.Notes, "\n"), test.want)
			if shipped := p.Tree.Entry("/usr/bin/tool") != nil; shipped != (test.want != "") {
				t.Errorf("shipped: %v", shipped)
			}
		})
	}
}

// Permissions of a link mean nothing, and tools write different ones.
func TestALinkOfTheBaseIsTheSameWhateverItsMode(t *testing.T) {
	s := spec(t, "--bin init --bare --add /srv")
	s.Base = &rootfs.Tree{}
	link := rootfs.Symlink("/srv/l", "x")
	link.Mode = fs.ModeSymlink | 0o644
	if err := s.Base.Add(link); err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(context.Background(), onDisk(t, merged+"/srv/l -> x"), s)
	if err != nil {
		t.Fatal(err)
	}
	same(t, strings.Join(p.Notes, "\n"), "")
}

// A user whom the base does not know is added to its own lines.
func TestTheUserIsAddedToTheAccountsOfTheBase(t *testing.T) {
	for user, want := range map[string]string{
		"www":  "root:x:0:0::/:/bin/sh\nours:x:7:7::/:/\nwww:x:33:34::/var/www:/x\n",
		"ours": "",
		"7":    "",
	} {
		p, err := planUpon(t, splitBase, merged, "--bin echo -u "+user)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if e := p.Tree.Entry("/etc/passwd"); e != nil {
			got = read(t, p.Tree, "etc/passwd")
		}
		same(t, got, want)
	}
	_, err := planUpon(t, splitBase, merged, "--bin echo -u nobodyknows")
	same(t, err.Error(), `nobody in /etc/passwd is called "nobodyknows"`)
}

// An index that would hide a library of the base from its own programs is not
// written.
func TestTheCacheDoesNotHideLibrariesOfTheBase(t *testing.T) {
	root := strings.ReplaceAll(merged, "libunused.so=/lib/gnu/libunused.so", "libunused.so=/opt/libunused.so") + `
		/opt/libunused.so elf soname=libunused.so text=other
		/usr/bin/new elf interp=/lib64/ld.so needed=libunused.so`
	_, err := planUpon(t, splitBase+"/lib/gnu/libunused.so elf soname=libunused.so", root, "--bin new")
	same(t, err.Error(), "the base's programs find libunused.so as /lib/gnu/libunused.so, and would then find /opt/libunused.so")
	if _, err := planUpon(t, splitBase, root, "--bin new"); err != nil {
		t.Error(err)
	}
}

func TestAStaticProgramNeedsNothingOfItsBase(t *testing.T) {
	p, err := planUpon(t, splitBase, merged, "--bin init --bare")
	if err != nil {
		t.Fatal(err)
	}
	same(t, listing(p), `
		/dev dir 0755
		/usr dir 0755
		/usr/sbin dir 0755
		/usr/sbin/init file 0755
	`)
}

func TestFlatNeedsAnEmptyBase(t *testing.T) {
	_, err := planUpon(t, splitBase, merged, "--bin /bin/bash --layout flat")
	same(t, err.Error(), "the layout flat has folders of its own, which a base would have too")
}

// A base has folders and a distribution of its own, wherever it says so.
func TestABaseGetsNoDistribution(t *testing.T) {
	for name, base := range map[string]string{
		"another file":  strings.Replace(splitBase, "/etc/os-release ", "/usr/lib/os-release ", 1),
		"a bare folder": "/bin/busybox elf static\n/lib dir\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, err := planUpon(t, base, merged, "--bin init")
			if err != nil {
				t.Fatal(err)
			}
			same(t, below(listing(p), "/etc/os", "/usr", "/sbin", "/lib"), `
				/usr dir 0755
				/usr/sbin dir 0755
				/usr/sbin/init file 0755
			`)
		})
	}
}

// Where the base has a folder, or a link to one, that is where things go, and
// nothing takes its place.
func TestFoldersOfTheBaseStayOnes(t *testing.T) {
	const data = "\n/data/x text new\n/data/d/y text 2\n/data/l -> nowhere"
	for _, test := range []struct{ name, base, line, want string }{
		{"a file for a link to a folder", merged, "--add /data/x:/bin",
			"two inputs for /bin: a link to usr/bin (base) and a file from /data/x (added for --add /data/x:/bin)"},
		{"a file for a folder", splitBase, "--add /data/x:/bin",
			"two inputs for /bin: a folder (base) and a file from /data/x (added for --add /data/x:/bin)"},
		{"a link for a folder", splitBase + "/srv/l dir", "--add /data:/srv",
			"two inputs for /srv/l: a folder (base) and a link to nowhere (added for --add /data:/srv)"},
		{"a folder for a file", splitBase + "/srv/d text x", "--add /data:/srv",
			"two inputs for /srv/d: a file (base) and a folder from /data/d (added for --add /data:/srv)"},
		{"a file on the way to a program", splitBase + "/usr/sbin text x", "",
			"two inputs for /usr/sbin: a file (base) and a folder (folder for /usr/sbin/init)"},
		{"a folder for a link to one", splitBase + "/srv/other dir\n/srv/d -> other", "--add /data/d:/srv/d",
			"/srv dir 0755\n/srv/other dir 0755\n/srv/other/y file 0644"},
		{"a link to nothing on the way to a program", splitBase + "/usr/sbin -> ../srv/sbin", "",
			"/srv dir 0755\n/srv/sbin dir 0755\n/srv/sbin/init file 0755"},
		{"a link to nothing on the way to a file", splitBase + "/data -> srv/data", "--add /data/x",
			"/srv dir 0755\n/srv/data dir 0755\n/srv/data/x file 0644\n/usr dir 0755\n/usr/sbin dir 0755\n/usr/sbin/init file 0755"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := planUpon(t, test.base, merged+data, "--bin init --bare "+test.line)
			if err != nil {
				same(t, err.Error(), test.want)
				return
			}
			got := strings.Replace(listing(p), "/dev dir 0755\n", "", 1)
			if strings.Contains(test.line, ":") {
				got = below(got, "/srv")
			}
			same(t, got, test.want)
		})
	}
}

// What is put upon a base does not change what its own programs load, by none of
// the rules of their loader.
func TestProgramsOfTheBaseLoadWhatTheyDid(t *testing.T) {
	const loader = "elf interp=/lib64/ld.so "
	for _, test := range []struct{ name, base, root, line, want string }{
		{"a folder that is searched before", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/lib/gnu/libz.so elf soname=libz.so text=other\n/usr/bin/new " + loader + "needed=libz.so", "",
			"the base's /bin/zip finds libz.so as /usr/lib/gnu/libz.so, and would then find /lib/gnu/libz.so"},
		{"what several programs need", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so\n/bin/unzip " + loader + "needed=libz.so",
			"/lib/gnu/libz.so elf soname=libz.so text=other\n/usr/bin/new " + loader + "needed=libz.so", "",
			"the base's /bin/unzip and 1 more find libz.so as /usr/lib/gnu/libz.so, and would then find /lib/gnu/libz.so"},
		{"a folder of DT_RUNPATH", "/usr/lib/q/libq.so elf soname=libq.so\n/bin/app " + loader + "needed=libq.so runpath=$ORIGIN/../opt/q:/usr/lib/q",
			"/opt/q/libq.so elf soname=libq.so text=other\n/usr/bin/new " + loader + "needed=libq.so runpath=/opt/q", "",
			"the base's /bin/app finds libq.so as /usr/lib/q/libq.so, and would then find /bin/../opt/q/libq.so"},
		{"a folder of DT_RUNPATH of a library", "/usr/lib/q/libq.so elf soname=libq.so\n/usr/lib/plugin.so elf needed=libq.so runpath=/opt/q:/usr/lib/q",
			"/opt/q/libq.so elf soname=libq.so text=other\n/usr/bin/new " + loader + "needed=libq.so runpath=/opt/q", "",
			"the base's /usr/lib/plugin.so finds libq.so as /usr/lib/q/libq.so, and would then find /opt/q/libq.so"},
		{"a link to a folder", "/usr/lib/q/libq.so elf soname=libq.so\n/bin/app " + loader + "needed=libq.so runpath=/opt/q:/usr/lib/q",
			"/data/q -> ../srv/q\n/srv/q/libq.so elf text=other", "--add /data:/opt --add /srv/q",
			"the base's /bin/app finds libq.so as /usr/lib/q/libq.so, and would then find /opt/q/libq.so"},
		{"a file that is added", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/data/libz.so text nonsense", "--add /data/libz.so:/lib/gnu/libz.so",
			"the base's /bin/zip finds libz.so as /usr/lib/gnu/libz.so, and would then not find it"},
		{"a library for better processors", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/usr/lib/gnu/libz.so elf soname=libz.so\n/usr/lib/gnu/glibc-hwcaps/x86-64-v3/libz.so elf soname=libz.so text=better\n/usr/bin/new " + loader + "needed=libz.so", "--all-hwcaps",
			"the base's /bin/zip finds libz.so as /usr/lib/gnu/libz.so, and would then find /lib/gnu/glibc-hwcaps/x86-64-v3/libz.so on x86-64-v3"},
		{"a library of the base's for better processors", "/usr/lib/gnu/glibc-hwcaps/x86-64-v3/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so runpath=/opt/q",
			"/opt/q/libz.so elf soname=libz.so text=other\n/usr/bin/new " + loader + "needed=libz.so runpath=/opt/q", "",
			"the base's /bin/zip finds libz.so as /usr/lib/gnu/glibc-hwcaps/x86-64-v3/libz.so, and would then find /opt/q/libz.so on x86-64-v3"},
		{"a name that only dlopen asks for", "/usr/lib/gnu/libz.so elf soname=libz.so",
			"/lib/gnu/libz.so elf soname=libz.so text=other\n/usr/bin/new " + loader + "needed=libz.so", "",
			"the base's programs find libz.so as /usr/lib/gnu/libz.so, and would then find /lib/gnu/libz.so"},
		{"a library that is replaced, and lacks a version", "/usr/lib/gnu/libz.so elf soname=libz.so verdef=libz.so,Z_1\n/bin/zip " + loader + "needed=libz.so verneed=libz.so:Z_1",
			"/data/libz.so elf soname=libz.so verdef=libz.so,Z_2", "--add /data/libz.so:/usr/lib/gnu/libz.so",
			"the base's /bin/zip finds versions Z_1 of libz.so as /usr/lib/gnu/libz.so, and would then not find it"},
		{"a library that is replaced", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/data/libz.so elf soname=libz.so text=other", "--add /data/libz.so:/usr/lib/gnu/libz.so", ""},
		{"a copy", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/lib/gnu/libz.so elf soname=libz.so\n/usr/bin/new " + loader + "needed=libz.so", "", ""},
		{"what the base lacked", "/bin/zip " + loader + "needed=libz.so",
			"/lib/gnu/libz.so elf soname=libz.so\n/usr/bin/new " + loader + "needed=libz.so", "", ""},
		{"a library of its own folder", "/usr/lib/gnu/libz.so elf soname=libz.so\n/bin/zip " + loader + "needed=libz.so",
			"/opt/q/libz.so elf soname=libz.so text=other\n/usr/bin/new " + loader + "needed=libz.so runpath=/opt/q", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			bin := "init"
			if strings.Contains(test.root, "/usr/bin/new") {
				bin = "new"
			}
			base := strings.Replace(splitBase, "/etc/ld.so.cache  cache libls.so=/usr/lib/gnu/libls.so libc.so.6=/lib/gnu/libc.so.6\n", "", 1)
			_, err := planUpon(t, base+test.base, merged+test.root, "--bin "+bin+" "+test.line)
			got := ""
			if err != nil {
				got = err.Error()
			}
			same(t, got, test.want)
		})
	}
}

// A base's libraries for better processors are found by what comes, too: they must
// be what the host has, for every processor or for that one.
func TestLibrariesOfTheBaseForBetterProcessorsAreHeldToTheLaw(t *testing.T) {
	const better = "/opt/q/glibc-hwcaps/x86-64-v3/libz.so elf soname=libz.so"
	const program = "/usr/bin/new elf interp=/lib64/ld.so needed=libz.so runpath=/opt/q\n/opt/q/libz.so elf soname=libz.so\n"
	for _, test := range []struct{ name, base, root, want string }{
		{"another", better + " text=other", "",
			"in the image on x86-64-v3 /usr/bin/new would load /opt/q/glibc-hwcaps/x86-64-v3/libz.so as libz.so instead of the host's /opt/q/libz.so"},
		{"the host's for all", better, "", ""},
		{"the host's for these", better + " text=other", better + " text=other", ""},
	} {
		_, err := planUpon(t, splitBase+test.base, merged+program+test.root, "--bin new")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// Nothing of the base is read if no loader looks at what is put upon it.
func TestAStaticProgramReadsNothingOfItsBase(t *testing.T) {
	s := spec(t, "--bin init --bare --add /etc/os-release")
	s.Base = &rootfs.Tree{}
	for _, e := range []*rootfs.Entry{
		rootfs.FileFrom("/usr/bin/ls", 0o755, 100, unreadable{}),
		rootfs.FileFrom("/usr/lib/libc.so.6", 0o644, 100, unreadable{}),
	} {
		if err := s.Base.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := plan.Make(context.Background(), onDisk(t, merged), s); err != nil {
		t.Error(err)
	}
}

type unreadable struct{}

func (unreadable) Open() (fs.File, error) { return nil, fs.ErrPermission }

// The library path that a base sets is what programs upon it have, too.
func TestTheLibraryPathOfTheBaseIsPartOfTheLaw(t *testing.T) {
	s := spec(t, "--bin bash")
	s.Base, s.BasePath, s.ImagePath = &rootfs.Tree{}, []string{"/opt/lib"}, []string{"/opt/lib"}
	base := splitBase + "/opt/lib/libtinfo.so.6 elf soname=libtinfo.so.6 text=other needed=libc.so.6\n"
	if err := s.Base.AddHostTree(onDisk(t, base), "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
		t.Fatal(err)
	}
	_, err := plan.Make(context.Background(), onDisk(t, merged), s)
	if err == nil {
		t.Fatal("no error")
	}
	same(t, err.Error(), "in the image /usr/bin/bash would load /opt/lib/libtinfo.so.6 as libtinfo.so.6 instead of the host's /lib/gnu/libtinfo.so.6")
}

// A library path that the image gets counts for programs that come, and for those
// of a base, which had another.
func TestTheLibraryPathOfTheImageIsPartOfTheLaw(t *testing.T) {
	const other = "/opt/lib/libtinfo.so.6 elf soname=libtinfo.so.6 text=other needed=libc.so.6\n"
	const more = "/bin/sh elf interp=/lib64/ld.so needed=libtinfo.so.6\n/lib/gnu/libtinfo.so.6 elf soname=libtinfo.so.6\n"
	for _, test := range []struct{ name, base, line, was, is, want string }{
		{"of a program", "", "--bin bash --add /opt/lib", "", "/opt/lib",
			"in the image /usr/bin/bash would load /opt/lib/libtinfo.so.6 as libtinfo.so.6 instead of the host's /lib/gnu/libtinfo.so.6"},
		{"of the base's, when it comes", splitBase + more + other, "--bin init", "", "/opt/lib",
			"the base's /bin/sh finds libtinfo.so.6 as /lib/gnu/libtinfo.so.6, and would then find /opt/lib/libtinfo.so.6"},
		{"of the base's, when it goes", splitBase + more + other, "--bin init", "/opt/lib", "",
			"the base's /bin/sh finds libtinfo.so.6 as /opt/lib/libtinfo.so.6, and would then find /lib/gnu/libtinfo.so.6"},
		{"a folder of nothing", splitBase + more, "--bin init", "", "/opt/lib", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := spec(t, test.line)
			if test.base != "" {
				s.Base = &rootfs.Tree{}
				if err := s.Base.AddHostTree(onDisk(t, test.base), "/", "/", rootfs.Reason{Kind: "added"}); err != nil {
					t.Fatal(err)
				}
			}
			s.BasePath, s.ImagePath = strings.Fields(test.was), strings.Fields(test.is)
			_, err := plan.Make(context.Background(), onDisk(t, merged+other), s)
			got := ""
			if err != nil {
				got = err.Error()
			}
			same(t, got, test.want)
		})
	}
}

func TestPreloadedLibrariesAreNoted(t *testing.T) {
	const preload = "\n/etc/ld.so.preload text \"/opt/x.so\\n\"\n"
	const theirs = "/etc/ld.so.preload makes all programs of the image load /opt/x.so"
	for _, test := range []struct{ name, base, root, line, want string }{
		{"the base's", splitBase + preload, merged, "", theirs},
		{"added", splitBase, merged + preload, "--add /etc/ld.so.preload", theirs},
		{"the host's", splitBase, merged + preload, "", "/etc/ld.so.preload makes this root's programs load /opt/x.so; the image has no such file"},
	} {
		p, err := planUpon(t, test.base, test.root, "--bin bash "+test.line)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		same(t, strings.Join(p.Notes, "\n"), test.want)
	}
}
