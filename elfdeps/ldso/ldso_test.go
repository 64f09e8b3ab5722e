package ldso_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/elfdeps/ldso"
)

const loader = "/lib64/ld-linux-x86-64.so.2"

const system = `
	/bin/app      elf interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so,libc.so.6
	/bin/slash    elf interp=/lib64/ld-linux-x86-64.so.2 needed=$ORIGIN/../opt/libp.so,libc.so.6
	/bin/blank    elf interp=/lib64/ld-linux-x86-64.so.2 rpath="/opt/my app" needed=libm.so,libc.so.6
	/bin/later    elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6 dlopen='[{"soname":"libnote.so"}]'
	/bin/miss     elf interp=/lib64/ld-linux-x86-64.so.2 needed=libgone.so,libc.so.6
	/bin/here     elf interp=/lib64/ld-linux-x86-64.so.2 rpath=lib needed=liba.so
	/bin/static   elf flags1=0x08000000
	/lib/plugin.so elf
	"/opt/my app/libm.so" elf
	/lib/libnote.so elf needed=libnext.so
	/lib/libnext.so elf
	/opt/libp.so  elf
	/lib/liba.so  elf
	/lib/libc.so.6  elf soname=libc.so.6
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib:/usr/lib`

// opinion is what u-root would say, given as its files.
func opinion(files ...string) *ldso.Opinion {
	return &ldso.Opinion{Loader: loader, Files: append([]string{loader}, files...)}
}

func TestCompareExplainsDifferences(t *testing.T) {
	for _, c := range []struct {
		name, program string
		opinion       *ldso.Opinion
		want          string
	}{
		{"agreement", "/bin/app", opinion("/lib/liba.so", "/lib/libc.so.6"), ""},
		{"a file that only harvest has", "/bin/app", opinion("/lib/libc.so.6"),
			"harvest /lib/liba.so: not explained"},
		{"a file that only the loader has", "/bin/app", opinion("/lib/liba.so", "/lib/libb.so", "/lib/libc.so.6"),
			"loader /lib/libb.so: not explained"},
		{"another file", "/bin/app", opinion("/lib/libc.so.6", "/opt/liba.so"),
			"harvest /lib/liba.so: not explained; loader /opt/liba.so: not explained"},
		{"a variant", "/bin/app", opinion("/lib/glibc-hwcaps/x86-64-v3/liba.so.1", "/lib/libc.so.6"),
			"harvest /lib/liba.so: Processor; loader /lib/glibc-hwcaps/x86-64-v3/liba.so.1: Processor"},
		{"a variant of something else", "/bin/app", opinion("/lib/glibc-hwcaps/x86-64-v3/libb.so", "/lib/liba.so", "/lib/libc.so.6"),
			"loader /lib/glibc-hwcaps/x86-64-v3/libb.so: not explained"},
		{"a name with a slash", "/bin/slash", opinion("/lib/libc.so.6"),
			"harvest /bin/../opt/libp.so: Slash"},
		{"a blank", "/bin/blank", opinion("/lib/libc.so.6", "/opt/my"),
			"harvest /opt/my app/libm.so: Blank; loader /opt/my: Blank"},
		{"a note", "/bin/later", opinion("/lib/libc.so.6"),
			"harvest /lib/libnote.so: OpenedLater; harvest /lib/libnext.so: OpenedLater"},
		{"a missing library", "/bin/miss", &ldso.Opinion{Loader: loader, Stopped: "libgone.so: cannot open"},
			"harvest " + loader + ": Stopped; harvest /lib/libc.so.6: Stopped"},
		{"a stop at no missing library", "/bin/app", &ldso.Opinion{Loader: loader, Stopped: "invalid ELF header"},
			"harvest " + loader + ": not explained; harvest /lib/liba.so: not explained; harvest /lib/libc.so.6: not explained"},
		{"a library that harvest misses", "/bin/miss", opinion("/lib/libc.so.6", "/opt/libgone.so"),
			"loader /opt/libgone.so: not explained"},
		{"no section headers", "/bin/app", &ldso.Opinion{},
			"harvest " + loader + ": NoSections; harvest /lib/liba.so: NoSections; harvest /lib/libc.so.6: NoSections"},
		{"no section headers and a guess", "/bin/app", &ldso.Opinion{Loader: "/lib64/ld-other.so", Guessed: true, Files: []string{"/lib64/ld-other.so"}},
			"harvest " + loader + ": NoSections; harvest /lib/liba.so: NoSections; harvest /lib/libc.so.6: NoSections; loader /lib64/ld-other.so: Guessed"},
		{"a relative path", "/bin/here", opinion("/lib/liba.so", "lib/liba.so"), "loader lib/liba.so: WorkingDir"},
		{"a static-pie", "/bin/static", &ldso.Opinion{Loader: loader, Guessed: true, Files: []string{loader}},
			"loader " + loader + ": Guessed"},
		{"a library", "/lib/libnote.so", &ldso.Opinion{Loader: loader, Guessed: true, Files: []string{loader, "/lib/libnext.so"}},
			"loader " + loader + ": Guessed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := elfdeps.Resolver{FS: elftest.MustRoot(t, system), Dlopen: elfdeps.Recommended}
			closure, _ := r.Resolve(t.Context(), c.program)
			if got := text(ldso.Compare(closure.Programs[0], c.opinion)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// text returns differences as text, in which reasons have their Go names.
func text(c *ldso.Comparison) string {
	names := map[ldso.Why]string{
		ldso.Stopped: "Stopped", ldso.NoSections: "NoSections", ldso.Guessed: "Guessed", ldso.Slash: "Slash",
		ldso.Blank: "Blank", ldso.OpenedLater: "OpenedLater", ldso.Processor: "Processor", ldso.WorkingDir: "WorkingDir",
		ldso.Unexplained: string(ldso.Unexplained),
	}
	var parts []string
	for _, d := range c.Differences {
		side := "harvest"
		if d.ByLoader {
			side = "loader"
		}
		parts = append(parts, fmt.Sprintf("%s %s: %s", side, d.Path, names[d.Why]))
	}
	return strings.Join(parts, "; ")
}

func TestUnexplainedCountsOnlyWhatHasNoReason(t *testing.T) {
	c := ldso.Comparison{Differences: []ldso.Difference{
		{Path: "/a", Why: ldso.Slash}, {Path: "/b", Why: ldso.Unexplained}, {Path: "/c", ByLoader: true, Why: ldso.Unexplained},
	}}
	if got := c.Unexplained(); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}

func TestAskRefusesWhatItCannotOrMustNotRun(t *testing.T) {
	r := elfdeps.Resolver{FS: elftest.MustRoot(t, system+`
		/bin/foreign elf machine=s390x type=exec interp=/lib/ld64.so.1
		/bin/audited elf interp=/lib64/ld-linux-x86-64.so.2 audit=liba.so`)}
	for _, name := range []string{"/bin/foreign", "/bin/audited"} {
		closure, _ := r.Resolve(t.Context(), name)
		o, err := ldso.Ask(closure.Programs[0])
		var refused *ldso.RefusedError
		if !errors.As(err, &refused) || refused.Program != name {
			t.Errorf("%s: got %v, %v", name, o, err)
		}
	}
}
