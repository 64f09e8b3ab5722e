package plan_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// Each fault changes what it is about, and nothing else.
func TestFaultsChangeWhatTheyAreAbout(t *testing.T) {
	const both = "--bin bash --bin echo"
	tests := []struct{ fault, args, want string }{
		{"loader", both, `
			- /usr/lib/gnu/ld.so.2 file 0755
			- /usr/lib64/ld.so -> ../lib/gnu/ld.so.2`},
		{"loader", "--bin bash --layout flat", `
			- /lib64/ld.so file 0755`},
		{"lib:libtinfo.so.6", both, `
			- /usr/lib/gnu/libtinfo.so.6 -> libtinfo.so.6.4
			- /usr/lib/gnu/libtinfo.so.6.4 file 0755`},
		{"lib:libtinfo", both, `
			- /usr/lib/gnu/libtinfo.so.6 -> libtinfo.so.6.4
			- /usr/lib/gnu/libtinfo.so.6.4 file 0755`},
		{"lib:libc", "--bin bash --layout flat", `
			- /lib64/libc.so.6 file 0755`},
		{"tmp", both, `
			- /tmp dir 1777
			- /var/tmp dir 1777`},
		{"passwd", both, `
			- /etc/passwd file 0644`},
		{"exec-bit", both, `
			- /usr/bin/bash file 0755
			- /usr/bin/echo file 0755
			+ /usr/bin/bash file 0644
			+ /usr/bin/echo file 0644`},
		{"exec-bit", "--bin /bin/sh", `
			- /usr/bin/bash file 0755
			+ /usr/bin/bash file 0644`},
		{"arch", "--bin /bin/sh", ``},
		{"arch", both, ``}, // but for two bytes each
	}
	host := onDisk(t, merged)
	for _, tt := range tests {
		t.Run(tt.fault+" "+tt.args, func(t *testing.T) {
			whole := listing(makePlan(t, host, tt.args))
			p := makePlan(t, host, tt.args+" --break "+tt.fault)
			same(t, changes(whole, listing(p)), tt.want)
			if p.Damage.Program != p.Programs[0] || p.Root != p.Tree {
				t.Errorf("damage %+v", p.Damage)
			}
			if sound := listing(&plan.Plan{Tree: p.Sound}); sound != whole {
				t.Errorf("sound is\n%s", sound)
			}
		})
	}
}

// Who needs the library is said by its path: musl's message names that.
func TestDamageKnowsWhoNeedsTheLibrary(t *testing.T) {
	host := onDisk(t, `
		/bin/app       elf interp=/lib/ld-musl-x86_64.so.1 needed=liba.so,libc.so
		/lib/liba.so   elf soname=liba.so needed=libb.so
		/lib/libb.so   elf soname=libb.so
		/lib/ld-musl-x86_64.so.1  elf soname=libc.so musl=x86_64
	`)
	d := makePlan(t, host, "--bin /bin/app --break lib:libb").Damage
	if got := fmt.Sprint(d.Program, " ", d.By, " ", d.Name, " ", d.Musl); got != "/bin/app /lib/liba.so libb.so true" {
		t.Errorf("got %s", got)
	}
}

// changes lists the lines that one text has and the other has not.
func changes(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	var list []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			list = append(list, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			list = append(list, "+ "+line)
		}
	}
	return strings.Join(list, "\n")
}

// A tree one folder too deep is otherwise the same.
func TestOtherRootMovesEverything(t *testing.T) {
	host := onDisk(t, merged)
	const args = "--bin bash --add /usr/lib/os-release"
	want := "/rootfs dir 0755\n"
	for line := range strings.Lines(listing(makePlan(t, host, args))) {
		want += "/rootfs" + line
	}
	same(t, listing(makePlan(t, host, args+" --break root-dir")), want)
}

// Of a program for another processor, two bytes differ, however it is read.
func TestOtherArchChangesTheMachineAlone(t *testing.T) {
	for machine, want := range map[string]string{
		"": "linux/arm64", "machine=aarch64": "linux/amd64", "machine=386": "linux/arm/v5", "machine=s390x": "linux/ppc64",
	} {
		t.Run(want, func(t *testing.T) {
			host := onDisk(t, "/bin/app elf static mode=0750 "+machine)
			sound := makePlan(t, host, "--bin /bin/app").Tree.Entry("/bin/app")
			p := makePlan(t, host, "--bin /bin/app --break arch")
			forged := p.Tree.Entry("/bin/app")
			if forged.String() != sound.String() || !forged.ModTime.Equal(sound.ModTime) {
				t.Errorf("the entry is %s, of %s", forged, forged.ModTime)
			}
			before, after := read(t, makePlan(t, host, "--bin /bin/app").Tree, "bin/app"), read(t, p.Tree, "bin/app")
			if before[:18] != after[:18] || before[18:20] == after[18:20] || before[20:] != after[20:] {
				t.Errorf("header\n%q became\n%q", before[:24], after[:24])
			}
			f, err := forged.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			file, err := elfdeps.Read(f.(io.ReaderAt), forged.Size)
			if err != nil || file.Arch.String() != want {
				t.Errorf("reads as %v, %v", file.Arch, err)
			}
			slow, err := io.ReadAll(iotest.OneByteReader(f))
			if err != nil || string(slow) != after {
				t.Errorf("read byte by byte it is %q, %v", slow, err)
			}
		})
	}
}

// What cannot be broken, or would break nothing, is an error.
func TestFaultsThatAreRefused(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/doubled  elf interp=/lib64/ld.so needed=libdouble.so
		/usr/bin/lone     elf interp=/lib64/ld.so
		/usr/lib/gnu/libdouble.so  elf soname=libdouble.so
		/lib64/gnu  text ""
		/tmp/file   text ""
	`)
	for args, want := range map[string]string{
		"--bin init --break loader":              "--break loader: no program has a loader: they are static",
		"--bin init --break lib:libc":            "--break lib:libc: no program needs a library",
		"--bin lone --break lib:libc":            "--break lib:libc: no program needs a library",
		"--bin bash --break lib:libz":            "--break lib:libz: no program needs it to start; there are libtinfo.so.6, libc.so.6",
		"--bin bash --break lib:ld.so":           "--break lib:ld.so: no program needs it to start; there are libtinfo.so.6, libc.so.6",
		"--bin bash --bare --break tmp":          "--break tmp: there is no /tmp in the image as it is",
		"--bin bash --add /tmp/file --break tmp": "--break tmp: /tmp/file lies in /tmp",
		"--bin bash --bare --break passwd":       "--break passwd: there is no /etc/passwd in the image as it is",
	} {
		err := makeError(t, host, args)
		var fault *plan.FaultError
		if !errors.As(err, &fault) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
	s := spec(t, "--bin bash --break loader")
	s.Base = makePlan(t, host, "--bin echo").Tree
	if _, err := plan.Make(t.Context(), host, s); err == nil || !strings.Contains(err.Error(), "not upon a base") {
		t.Errorf("upon a base: %v", err)
	}
}

// A library that is opened later, or that what is opened later needs, is not missed
// when a program starts, so it cannot be what breaks it.
func TestFaultThatNobodyNoticesAtTheStart(t *testing.T) {
	host := onDisk(t, `
		/bin/app      elf interp=/lib64/ld.so needed=liba.so dlopen='[{"soname":"libplug.so"}]'
		/lib64/ld.so  elf soname=ld.so glibc=/lib64/
		/lib64/liba.so     elf soname=liba.so needed=libdeep.so
		/lib64/libdeep.so  elf soname=libdeep.so
		/lib64/libplug.so  elf soname=libplug.so needed=libof.so
		/lib64/libof.so    elf soname=libof.so
	`)
	const args = "--bin /bin/app --dlopen recommended"
	for _, name := range []string{"libplug", "libof"} {
		if makePlan(t, host, args).Tree.Entry("/lib64/"+name+".so") == nil {
			t.Fatalf("%s is not in the image", name)
		}
		err := makeError(t, host, args+" --break lib:"+name)
		if want := "--break lib:" + name + ": no program needs it to start; there are liba.so, libdeep.so"; err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if d := makePlan(t, host, args+" --break lib:libdeep").Damage; d.By != "/lib64/liba.so" {
		t.Errorf("%s needs it", d.By)
	}
}

// A library that another of its name would stand in for is not missing.
func TestFaultThatAnotherLibraryHides(t *testing.T) {
	host := onDisk(t, `
		/bin/app       elf interp=/lib64/ld.so needed=liba.so runpath=/opt/first:/opt/second
		/lib64/ld.so   elf soname=ld.so glibc=/lib64/
		/opt/first/liba.so   elf soname=liba.so
		/opt/second/liba.so  elf soname=liba.so text=other
	`)
	err := makeError(t, host, "--bin /bin/app --add /opt/second/liba.so --break lib:liba")
	const want = "in the image /bin/app would load /opt/second/liba.so as liba.so instead of the host's /opt/first/liba.so"
	if err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestParseFault(t *testing.T) {
	for _, text := range []string{"loader", "lib:libc.so.6", "tmp", "passwd", "exec-bit", "arch", "root-dir"} {
		if f, err := plan.ParseFault(text); err != nil || f.String() != text {
			t.Errorf("%s: got %v, %v", text, f, err)
		}
	}
	for text, want := range map[string]string{
		"":         "--break : there are loader, lib:NAME, tmp, passwd, exec-bit, arch and root-dir",
		"lib":      "--break lib: name the library, as in lib:libc.so.6",
		"lib:":     "--break lib:: name the library, as in lib:libc.so.6",
		"loader:x": "--break loader:x: only lib has a name behind it",
	} {
		if f, err := plan.ParseFault(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %v", text, f, err)
		}
	}
}
