package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

const hwcapsRoot = `
	/bin/app     elf interp=/lib64/ld.so needed=liba.so,libb.so,libc.so,libuser.so
	/lib64/libuser.so elf soname=libuser.so needed=liba.so,libb.so
	/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/
	/lib64/liba.so elf soname=liba.so
	/lib64/glibc-hwcaps/x86-64-v2/liba.so  -> liba.so.2
	/lib64/glibc-hwcaps/x86-64-v2/liba.so.2  elf soname=liba.so text=2 needed=libextra.so
	/lib64/glibc-hwcaps/x86-64-v3/liba.so.3  elf soname=liba.so text=3
	/lib64/libextra.so elf soname=libextra.so
	/usr/lib64/libb.so elf soname=libb.so
	/usr/lib64/glibc-hwcaps/x86-64-v4/libb.so  elf soname=libb.so text=4
	/usr/lib64/glibc-hwcaps/x86-64-v4/libunused.so  elf soname=libunused.so
	/lib64/libc.so elf soname=libc.so
	/etc/ld.so.cache cache liba.so=/lib64/liba.so libc.so=/lib64/libc.so liba.so=/lib64/glibc-hwcaps/x86-64-v2/liba.so.2;hwcap=x86-64-v2 liba.so=/lib64/glibc-hwcaps/x86-64-v3/liba.so.3;hwcap=x86-64-v3
`

// By default an image runs on every processor, and has what all of them load.
func TestLibrariesForBetterProcessorsStayBehind(t *testing.T) {
	p := makePlan(t, onDisk(t, hwcapsRoot), "--bin /bin/app --bare")
	same(t, below(listing(p), "/lib64", "/usr"), `
		/lib64 dir 0755
		/lib64/ld.so file 0755
		/lib64/liba.so file 0755
		/lib64/libc.so file 0755
		/lib64/libuser.so file 0755
		/usr dir 0755
		/usr/lib64 dir 0755
		/usr/lib64/libb.so file 0755
	`)
}

// With all of them, each processor gets what it would get on the host, what
// that needs included, and nothing is there instead of something else.
func TestLibrariesForBetterProcessorsComeBesideTheOthers(t *testing.T) {
	p := makePlan(t, onDisk(t, hwcapsRoot), "--bin /bin/app --bare --all-hwcaps")
	same(t, below(listing(p), "/lib64/", "/usr/lib64/"), `
		/lib64/glibc-hwcaps dir 0755
		/lib64/glibc-hwcaps/x86-64-v2 dir 0755
		/lib64/glibc-hwcaps/x86-64-v2/liba.so -> liba.so.2
		/lib64/glibc-hwcaps/x86-64-v2/liba.so.2 file 0755
		/lib64/glibc-hwcaps/x86-64-v3 dir 0755
		/lib64/glibc-hwcaps/x86-64-v3/liba.so.3 file 0755
		/lib64/ld.so file 0755
		/lib64/liba.so file 0755
		/lib64/libc.so file 0755
		/lib64/libextra.so file 0755
		/lib64/libuser.so file 0755
		/usr/lib64/glibc-hwcaps dir 0755
		/usr/lib64/glibc-hwcaps/x86-64-v4 dir 0755
		/usr/lib64/glibc-hwcaps/x86-64-v4/libb.so file 0755
		/usr/lib64/libb.so file 0755
	`)
	same(t, cacheOf(t, p), `
		libuser.so /lib64/libuser.so
		libextra.so /lib64/libextra.so
		libc.so /lib64/libc.so
		libb.so /usr/lib64/glibc-hwcaps/x86-64-v4/libb.so
		libb.so /usr/lib64/libb.so
		liba.so /lib64/glibc-hwcaps/x86-64-v2/liba.so.2
		liba.so /lib64/glibc-hwcaps/x86-64-v3/liba.so.3
		liba.so /lib64/liba.so
	`)
}

func TestLibrariesForBetterProcessorsInTheFlatLayout(t *testing.T) {
	p := makePlan(t, onDisk(t, hwcapsRoot), "--bin /bin/app --layout flat --all-hwcaps")
	same(t, below(listing(p), "/lib64/"), `
		/lib64/glibc-hwcaps dir 0755
		/lib64/glibc-hwcaps/x86-64-v2 dir 0755
		/lib64/glibc-hwcaps/x86-64-v2/liba.so file 0755
		/lib64/glibc-hwcaps/x86-64-v3 dir 0755
		/lib64/glibc-hwcaps/x86-64-v3/liba.so file 0755
		/lib64/glibc-hwcaps/x86-64-v4 dir 0755
		/lib64/glibc-hwcaps/x86-64-v4/libb.so file 0755
		/lib64/ld.so file 0755
		/lib64/liba.so file 0755
		/lib64/libb.so file 0755
		/lib64/libc.so file 0755
		/lib64/libextra.so file 0755
		/lib64/libuser.so file 0755
	`)
}

// What is looked for where ld.so.conf says, in a root without a cache, is found
// in the image by the cache that it gets.
func TestARootWithoutACacheGetsOne(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/bin/app       elf interp=/lib64/ld.so needed=liba.so
		/lib64/ld.so   elf soname=ld.so glibc=/lib64/:/usr/lib64/
		/opt/z/liba.so elf soname=liba.so
		/etc/ld.so.conf text "/opt/z\n"
	`), "--bin /bin/app --bare")
	same(t, cacheOf(t, p), "liba.so /opt/z/liba.so")
}

func TestWhatIsOpenedLaterIsInTheImage(t *testing.T) {
	const root = plainRoot + `
		/bin/late elf interp=/lib64/ld.so needed=libb.so dlopen='[{"soname":"libp.so"},{"soname":"libgone.so","priority":"required"}]'
		/opt/p/libp.so elf soname=libp.so
		/etc/ld.so.conf text "/opt/p\n"
	`
	p := makePlan(t, onDisk(t, root), "--bin /bin/late --bare --dlopen recommended")
	same(t, cacheOf(t, p), `
		libp.so /opt/p/libp.so
		libb.so /lib64/libb.so
	`)
	same(t, p.Notes[0], "/bin/late does not work without libgone.so, not found")
	p = makePlan(t, onDisk(t, root), "--bin /bin/late --bare --dlopen required")
	same(t, below(listing(p), "/opt"), "")
	p = makePlan(t, onDisk(t, root), "--bin /bin/late --bare")
	if len(p.Notes) > 0 {
		t.Errorf("notes %q", p.Notes)
	}
}

// Where the libraries for a better processor lack something, it gets those of
// the next worse one, and so do all that are better still.
func TestLibrariesThatLackSomethingOnBetterProcessorsStayBehind(t *testing.T) {
	host := onDisk(t, `
		/bin/app     elf interp=/lib64/ld.so needed=liba.so,libb.so
		/bin/other   elf interp=/lib64/ld.so needed=libb.so
		/lib64/ld.so elf soname=ld.so glibc=/lib64/
		/lib64/liba.so elf soname=liba.so
		/lib64/libb.so elf soname=libb.so
		/lib64/glibc-hwcaps/x86-64-v2/liba.so  elf soname=liba.so
		/lib64/glibc-hwcaps/x86-64-v3/libb.so  elf soname=libb.so needed=libgone.so
		/lib64/glibc-hwcaps/x86-64-v4/libb.so  elf soname=libb.so text=4
	`)
	const where = "libgone.so, needed by /lib64/glibc-hwcaps/x86-64-v3/libb.so: not found in ld.so.cache (absent or unusable); default directory /lib64"
	p := makePlan(t, host, "--bin /bin/app --bin /bin/other --bare --all-hwcaps")
	same(t, below(listing(p), "/lib64/"), `
		/lib64/glibc-hwcaps dir 0755
		/lib64/glibc-hwcaps/x86-64-v2 dir 0755
		/lib64/glibc-hwcaps/x86-64-v2/liba.so file 0755
		/lib64/ld.so file 0755
		/lib64/liba.so file 0755
		/lib64/libb.so file 0755
	`)
	same(t, strings.Join(p.Notes, "\n"), "the image has no libraries of their own for x86-64-v3 and better processors: "+where)

	s := spec(t, "--bin /bin/app --bin /bin/other --all-hwcaps")
	list, err := plan.ResolveVariants(t.Context(), host, s, p.Closure)
	if len(list) != 2 {
		t.Errorf("%d variants, want that with all and that which lacks something", len(list))
	}
	same(t, err.Error(), "on x86-64-v3: "+where)
	var missing *elfdeps.MissingError
	if !errors.As(err, &missing) {
		t.Errorf("%v is no MissingError", err)
	}
}

// A file that stops the loader of a better processor is no library of another
// path.
func TestAFileThatStopsTheLoaderOfBetterProcessorsStaysBehind(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/bin/app     elf interp=/lib64/ld.so needed=liba.so
		/lib64/ld.so elf soname=ld.so glibc=/lib64/
		/lib64/liba.so elf soname=liba.so
		/lib64/glibc-hwcaps/x86-64-v2/liba.so text "no library"
	`), "--bin /bin/app --bare --all-hwcaps")
	if len(p.Variants) > 0 || len(p.Notes) != 1 {
		t.Errorf("%d variants, notes %q", len(p.Variants), p.Notes)
	}
}

func TestAPlatformIsAsserted(t *testing.T) {
	host := onDisk(t, plainRoot)
	makePlan(t, host, "--bin /bin/app --platform linux/amd64/v1")
	err := makeError(t, host, "--bin /bin/app --platform linux/arm64/v8")
	same(t, err.Error(), "/bin/app is for linux/amd64, not for linux/arm64")
}
