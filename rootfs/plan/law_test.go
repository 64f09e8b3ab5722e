package plan_test

import (
	"errors"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// wantBroken makes sure that the command line breaks the law as the text says.
func wantBroken(t *testing.T, root, line, want string) {
	t.Helper()
	err := makeError(t, onDisk(t, root), line)
	var law *plan.LawError
	if !errors.As(err, &law) {
		t.Errorf("%v is not a LawError", err)
	}
	same(t, err.Error(), want)
}

func TestFlatRefusesLibrariesThatAreNeededByPath(t *testing.T) {
	wantBroken(t, merged+`
		/opt/app  elf interp=/lib64/ld.so needed=/opt/lib/libx.so,libc.so.6
		/opt/lib/libx.so  elf soname=libx.so
	`, "--bin /opt/app --layout flat",
		"in the image /bin/app would not find /opt/lib/libx.so, which is /opt/lib/libx.so on the host")
}

// From /bin, $ORIGIN/../lib is /lib: a stranger that lies there would be taken
// for the application's own library.
func TestAProgramThatMovesMustNotMeetStrangers(t *testing.T) {
	const root = `
		/opt/app/bin/app       elf interp=/lib64/ld.so needed=libx.so runpath=$ORIGIN/../lib
		/opt/app/lib/libx.so   elf soname=libx.so text=mine
		/lib/libx.so           elf soname=libx.so text=stranger
		/bin/other             elf interp=/lib64/ld.so needed=libx.so
		/lib64/ld.so           elf soname=ld.so glibc=/lib/:/lib64/
	`
	wantBroken(t, root, "--bin /opt/app/bin/app:/bin/app --bin other --bare",
		"in the image /bin/app would load /bin/../lib/libx.so as libx.so instead of the host's /opt/app/bin/../lib/libx.so")
	makePlan(t, onDisk(t, root), "--bin /opt/app/bin/app --bin other")

	// In the flat layout both want /lib64/libx.so.
	err := makeError(t, onDisk(t, root), "--bin /opt/app/bin/app --bin other --layout flat")
	same(t, err.Error(), "two inputs for /lib64/libx.so:"+
		" a file from /opt/app/lib/libx.so (library libx.so by DT_RUNPATH $ORIGIN/../lib of /opt/app/bin/app for /opt/app/bin/app)"+
		" and a file from /lib/libx.so (library libx.so by default directory /lib for /bin/other)")
}

func TestFlatIsFineWithOriginPathsThatLeadToTheSameFile(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/opt/app/bin/app       elf interp=/lib64/ld.so needed=libx.so runpath=$ORIGIN/../lib
		/opt/app/lib/libx.so   elf soname=libx.so
		/lib64/ld.so           elf soname=ld.so glibc=/lib/:/lib64/
	`), "--bin /opt/app/bin/app --layout flat")
	same(t, below(listing(p), "/bin", "/lib"), `
		/bin dir 0755
		/bin/app file 0755
		/lib -> lib64
		/lib64 dir 0755
		/lib64/ld.so file 0755
		/lib64/libx.so file 0755
	`)
}

const twoApps = merged + `
	/opt/a/app        elf interp=/lib64/ld.so needed=libp.so,libc.so.6 runpath=/opt/a/lib
	/opt/b/tool       elf interp=/lib64/ld.so needed=libp.so,libc.so.6 runpath=/opt/b/lib
	/opt/a/lib/libp.so  elf soname=libp.so text=a
`

func TestFlatRefusesTwoPrivateLibrariesOfOneName(t *testing.T) {
	host := onDisk(t, twoApps+"/opt/b/lib/libp.so elf soname=libp.so text=b")
	err := makeError(t, host, "--bin /opt/a/app --bin /opt/b/tool --layout flat")
	var conflict *rootfs.ConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("%v is not a ConflictError", err)
	}
	same(t, err.Error(), "two inputs for /lib64/libp.so:"+
		" a file from /opt/a/lib/libp.so (library libp.so by DT_RUNPATH /opt/a/lib of /opt/a/app for /opt/a/app)"+
		" and a file from /opt/b/lib/libp.so (library libp.so by DT_RUNPATH /opt/b/lib of /opt/b/tool for /opt/b/tool)")
	makePlan(t, host, "--bin /opt/a/app --bin /opt/b/tool")
}

// What counts is which bytes a name leads to, not which of two copies.
func TestCopiesOfALibraryAreOneForTheLaw(t *testing.T) {
	host := onDisk(t, twoApps+"/opt/b/lib/libp.so elf soname=libp.so text=a")
	p := makePlan(t, host, "--bin /opt/a/app --bin /opt/b/tool --layout flat")
	same(t, below(listing(p), "/lib64/libp", "/opt"), "/lib64/libp.so file 0755")
}

func TestAnAddedLibraryMustNotTakeAnothersPlace(t *testing.T) {
	const root = merged + `
		/usr/bin/app    elf interp=/lib64/ld.so needed=libc.so.6 runpath=/opt/lib
		/evil/libc.so.6 elf soname=libc.so.6 needed=ld.so text=evil
	`
	wantBroken(t, root, "--bin app --add /evil/libc.so.6:/opt/lib/libc.so.6",
		"in the image /usr/bin/app would load /opt/lib/libc.so.6 as libc.so.6 instead of the host's /lib/gnu/libc.so.6")
	wantBroken(t, root+`
		/my/cache  cache libc.so.6=/evil/libc.so.6
	`, "--bin echo --add /evil/libc.so.6 --add /my/cache:/etc/ld.so.cache",
		"in the image /usr/bin/echo would load /evil/libc.so.6 as libc.so.6 instead of the host's /lib/gnu/libc.so.6")
}

func TestAnOptionalLibraryThatTheHostLacksMustNotAppear(t *testing.T) {
	wantBroken(t, merged+`
		/usr/bin/app     elf interp=/lib64/ld.so auxiliary=libopt.so needed=libc.so.6 runpath=/opt/lib
		/new/libopt.so   elf soname=libopt.so
	`, "--bin app --add /new/libopt.so:/opt/lib/libopt.so",
		"in the image /usr/bin/app would load /opt/lib/libopt.so as libopt.so, which it does not on the host")
}

func TestEveryViolationIsListed(t *testing.T) {
	wantBroken(t, merged+`
		/opt/app  elf interp=/lib64/ld.so needed=/opt/lib/libx.so,libc.so.6,/opt/lib/liby.so
		/opt/lib/libx.so  elf soname=libx.so
		/opt/lib/liby.so  elf soname=liby.so
	`, "--bin /opt/app --layout flat --bare", `
		in the image /bin/app would not find /opt/lib/libx.so, which is /opt/lib/libx.so on the host
		in the image /bin/app would not find /opt/lib/liby.so, which is /opt/lib/liby.so on the host
	`)
}

// One name may have several answers: $ORIGIN is another folder for each that
// asks.
func TestTheLawHoldsForEachWhoAsksForAName(t *testing.T) {
	const root = `
		/lib64/ld.so      elf soname=ld.so glibc=/lib64/:/usr/lib64/
		/opt/a/app        elf interp=/lib64/ld.so needed=$ORIGIN/libx.so,/opt/p/liba.so
		/opt/a/libx.so    elf soname=libx.so text=a
		/opt/p/liba.so    elf soname=liba.so needed=$ORIGIN/libx.so
		/opt/p/libx.so    elf soname=libx.so text=p
	`
	makePlan(t, onDisk(t, root), "--bin /opt/a/app --bare")
	wantBroken(t, root, "--bin /opt/a/app:/bin/app --bare",
		"in the image /bin/app would not find $ORIGIN/libx.so, which is /opt/a/libx.so on the host")
	wantBroken(t, root, "--bin /opt/a/app:/opt/p/app --bare",
		"in the image /opt/p/app would load /opt/p/libx.so as $ORIGIN/libx.so instead of the host's /opt/a/libx.so")
}
