package plan_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// Tools of this kind have taken every libnss* for a module of the name service,
// and shipped Mozilla's NSS.
func TestModulesOfTheNameServiceAreNotKnownByAPattern(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/who  elf interp=/lib64/ld.so needed=libc.so.6 import=getaddrinfo,getpwnam,getservbyname text="\x00libnss_files.so.2\x00/etc/nsswitch.conf\x00"
		/usr/lib/gnu/libnss3.so         elf soname=libnss3.so
		/usr/lib/gnu/libnssckbi.so      elf soname=libnssckbi.so
		/usr/lib/gnu/libnss_sss.so.2    elf soname=libnss_sss.so.2
		/usr/lib/gnu/libresolv.a        text archive
		/etc/nsswitch.conf  text "passwd: files sss\nhosts: files dns\n"
		/etc/services       text "ssh 22/tcp\n"
	`)
	for _, r := range []plan.Recipes{{Auto: true}, {Auto: true, With: []string{"nss"}}} {
		p := stocked(t, host, "--bin who", r)
		for e := range p.Tree.All() {
			if name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]; strings.HasPrefix(name, "libnss") || strings.HasSuffix(name, ".a") {
				t.Errorf("with %q: %s", r.With, e.Path)
			}
		}
	}
}

// What was harvested can be harvested again, and gives the same. Nowhere is it
// said where that lay.
func TestAHarvestedRootIsARootLikeAnyOther(t *testing.T) {
	first := onDisk(t, shop)
	line := "--bin other --pkg-of tool --add /var/lib/dpkg"
	p := makePlan(t, first, line)
	dir := t.TempDir()
	if err := p.Tree.Stage(t.Context(), dir, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	second, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := makePlan(t, second, line)
	same(t, listing(again), listing(p))
	for _, p := range []*plan.Plan{p, again} {
		said := strings.Join(p.Notes, "\n")
		for e := range p.Tree.All() {
			said += fmt.Sprintln(e.Path, e.Link, e.Source, e.Why)
			if e.Source != "" || !e.Mode.IsRegular() {
				continue
			}
			data, err := fs.ReadFile(p.Tree, e.Path[1:])
			if err != nil {
				t.Fatal(err)
			}
			said += string(data)
		}
		for _, where := range []string{first.Dir(), second.Dir()} {
			if strings.Contains(said, where) {
				t.Errorf("%s is said somewhere in\n%s", where, said)
			}
		}
	}
}
