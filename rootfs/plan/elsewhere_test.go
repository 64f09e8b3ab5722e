package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

func TestLibrariesOfMissingNamesAreFoundElsewhere(t *testing.T) {
	const app = "/opt/app/bin/app elf interp=/lib64/ld.so needed=libx.so.1,liby.so.1"
	for _, test := range []struct {
		name  string
		lines string
		want  string
	}{
		{"nowhere", "/etc/libx.so.1 elf", ""},
		{"below the program's own folder, which comes first", "/usr/local/lib/libx.so.1 elf\n/opt/app/lib/deep/libx.so.1 elf",
			"libx.so.1 /opt/app/lib/deep/libx.so.1 fits, libx.so.1 /usr/local/lib/libx.so.1 fits"},
		{"two names", "/opt/x/liby.so.1 elf\n/opt/x/libx.so.1 elf",
			"libx.so.1 /opt/x/libx.so.1 fits, liby.so.1 /opt/x/liby.so.1 fits"},
		{"in folders of each kind", "/srv/a/libx.so.1 elf\n/usr/libexec/libx.so.1 elf\n/usr/lib32/libx.so.1 elf machine=386",
			"libx.so.1 /usr/lib32/libx.so.1 linux/386, libx.so.1 /usr/libexec/libx.so.1 fits, libx.so.1 /srv/a/libx.so.1 fits"},
		{"behind a link", "/opt/x/libx.so.1 -> ../y/x\n/opt/y/x elf",
			"libx.so.1 /opt/x/libx.so.1 fits"},
		{"links to folders are not followed, however they lead", "/opt/x -> /etc/x\n/etc/x/libx.so.1 elf\n/usr/local/loop -> ..", ""},
		{"a likely folder may itself be a link", "/srv -> /data\n/data/libx.so.1 elf",
			"libx.so.1 /data/libx.so.1 fits"},
		{"only ELF files count", "/opt/a/libx.so.1 text \"INPUT(x)\"\n/opt/b/libx.so.1 dir\n/opt/c/libx.so.1 -> gone", ""},
		{"what the loader has refused is no news", "/usr/lib64/libx.so.1 elf machine=386", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := onDisk(t, app+"\n"+test.lines+`
				/lib64 -> usr/lib64
				/usr/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/`)
			missing := missingOf(t, host, "/opt/app/bin/app")
			var got []string
			for _, e := range plan.LookElsewhere(t.Context(), host, missing) {
				how := "fits"
				if !e.Fits {
					how = e.Arch.String()
				}
				got = append(got, fmt.Sprintf("%s %s %s", e.Name, e.Path, how))
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func missingOf(t *testing.T, host *rootfs.Host, programs ...string) []elfdeps.Missing {
	t.Helper()
	spec := plan.Spec{}
	for _, p := range programs {
		spec.Programs = append(spec.Programs, plan.Input{Source: p})
	}
	_, err := plan.Resolve(t.Context(), host, spec)
	var missing *elfdeps.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want a MissingError", err)
	}
	return missing.Missing
}
