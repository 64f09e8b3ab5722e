package plan_test

import (
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

func TestTheCacheHasWhatTheHostsCacheSaysOfTheImagesFiles(t *testing.T) {
	p := makePlan(t, onDisk(t, merged), "--bin bash")
	same(t, cacheOf(t, p), `
		libtinfo.so.6 /lib/gnu/libtinfo.so.6
		libc.so.6 /lib/gnu/libc.so.6
	`)
	p = makePlan(t, onDisk(t, merged), "--bin echo --add /usr/lib/gnu/libunused.so")
	same(t, cacheOf(t, p), `
		libunused.so /lib/gnu/libunused.so
		libc.so.6 /lib/gnu/libc.so.6
	`)
}

func TestTheCacheHasLibrariesOfDefaultDirectories(t *testing.T) {
	p := makePlan(t, onDisk(t, plainRoot), "--bin app")
	same(t, cacheOf(t, p), `
		libb.so /lib64/libb.so
		liba.so /usr/lib64/liba.so
	`)
}

func TestTheCacheHasNoLibraryThatOnlyARunpathLeadsTo(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/app/app          elf interp=/lib64/ld.so needed=libpriv.so,libc.so.6 runpath=$ORIGIN/lib
		/opt/app/lib/libpriv.so elf soname=libpriv.so needed=libdeep.so rpath=$ORIGIN/deep
		/opt/app/lib/deep/libdeep.so elf soname=libdeep.so
	`)
	p := makePlan(t, host, "--bin /opt/app/app")
	same(t, cacheOf(t, p), "libc.so.6 /lib/gnu/libc.so.6")
	same(t, below(listing(p), "/opt/app/lib/"), `
		/opt/app/lib/deep dir 0755
		/opt/app/lib/deep/libdeep.so file 0755
		/opt/app/lib/libpriv.so file 0755
	`)
}

func TestLibrariesOfTheLibraryPathAreFoundWithoutIt(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/lib/libx.so  elf soname=libx.so
		/opt/app          elf interp=/lib64/ld.so needed=libx.so,libc.so.6
	`)
	p := makePlan(t, host, "--bin /opt/app --library-path /opt/lib")
	same(t, cacheOf(t, p), `
		libx.so /opt/lib/libx.so
		libc.so.6 /lib/gnu/libc.so.6
	`)
}

// What the library path leads to hides what the host's cache says, there and
// in the image.
func TestTheLibraryPathComesBeforeTheHostsCache(t *testing.T) {
	host := onDisk(t, merged+`
		/opt/lib/libtinfo.so.6  elf soname=libtinfo.so.6 text=other
	`)
	p := makePlan(t, host, "--bin bash --library-path /opt/lib --add /lib/gnu/libtinfo.so.6")
	same(t, cacheOf(t, p), `
		libtinfo.so.6 /opt/lib/libtinfo.so.6
		libtinfo.so.6 /lib/gnu/libtinfo.so.6
		libc.so.6 /lib/gnu/libc.so.6
	`)
}

func TestACacheThatTheUserAddsStays(t *testing.T) {
	host := onDisk(t, merged+`
		/my/cache  cache libc.so.6=/usr/lib/gnu/libc.so.6
	`)
	p := makePlan(t, host, "--bin echo --add /my/cache:/etc/ld.so.cache")
	same(t, cacheOf(t, p), "libc.so.6 /usr/lib/gnu/libc.so.6")
}

func TestAProgramWithoutLibrariesHasNoCache(t *testing.T) {
	host := onDisk(t, merged+`
		/usr/bin/alone  elf interp=/lib64/ld.so
	`)
	for _, line := range []string{"--bin alone", "--bin alone --layout flat"} {
		p := makePlan(t, host, line)
		same(t, cacheOf(t, p), "open /etc/ld.so.cache: file does not exist")
	}
}

// Programs of two loaders have two caches, neither with libraries of the other.
func TestEachLoaderHasItsOwnCache(t *testing.T) {
	host := onDisk(t, plainRoot+`
		/opt/libc/bin/tool    elf interp=/opt/libc/lib64/ld.so needed=libb.so
		/opt/libc/lib64/ld.so elf soname=ld.so text="/opt/libc/etc/ld.so.cache\x00" glibc=/opt/libc/lib64/:/opt/libc/lib/
		/opt/libc/lib/libb.so elf soname=libb.so text=another
	`)
	p := makePlan(t, host, "--bin app --bin /opt/libc/bin/tool")
	same(t, cacheOf(t, p, "opt/libc/etc/ld.so.cache"), "libb.so /opt/libc/lib/libb.so")
	same(t, cacheOf(t, p), `
		libb.so /lib64/libb.so
		liba.so /usr/lib64/liba.so
	`)
}

// A name that the index cannot hold is found where a default directory has it.
func TestALibraryWhoseNameNoCacheCanHold(t *testing.T) {
	const root = merged + `
		/usr/bin/app  elf interp=/lib64/ld.so needed=libx-17000000000.so,libé.so,libc.so.6
		/usr/lib/gnu/libx-17000000000.so  elf soname=libx-17000000000.so
		/usr/lib/gnu/libé.so  elf soname=libé.so
	`
	p := makePlan(t, onDisk(t, root), "--bin app")
	same(t, cacheOf(t, p), "libc.so.6 /lib/gnu/libc.so.6")
	same(t, below(listing(p), "/usr/lib/gnu/libx", "/usr/lib/gnu/libé"), `
		/usr/lib/gnu/libx-17000000000.so file 0755
		/usr/lib/gnu/libé.so file 0755
	`)

	const elsewhere = merged + `
		/usr/bin/app  elf interp=/lib64/ld.so needed=libx-17000000000.so,libc.so.6
		/opt/x/libx-17000000000.so  elf soname=libx-17000000000.so
	`
	makePlan(t, onDisk(t, elsewhere), "--bin app --library-path /opt/x --add /opt/x/libx-17000000000.so:/lib/gnu/libx-17000000000.so")
	wantBroken(t, elsewhere, "--bin app --library-path /opt/x",
		"in the image /usr/bin/app would not find libx-17000000000.so, which is /opt/x/libx-17000000000.so on the host"+
			` ("libx-17000000000.so" cannot be in an ld.so.cache: its place in the order depends on the machine)`)
}

// ldconfig does not mind such names. What a base has of them is found without an
// index, or else the base's is left alone.
func TestABaseWhoseCacheHasANameThatNoneCanHold(t *testing.T) {
	base := strings.Replace(splitBase, "/etc/ld.so.cache", "/old.cache", 1) + `
		/usr/lib/gnu/libé.so  elf soname=libé.so
		/opt/libé.so          elf soname=libé.so
		/etc/ld.so.cache      cache libé.so=DIR/libé.so libls.so=/usr/lib/gnu/libls.so libc.so.6=/lib/gnu/libc.so.6
	`
	p, err := planUpon(t, strings.ReplaceAll(base, "DIR", "/usr/lib/gnu"), merged, "--bin bash")
	if err != nil {
		t.Fatal(err)
	}
	same(t, cacheOf(t, p), `
		libtinfo.so.6 /lib/gnu/libtinfo.so.6
		libls.so /usr/lib/gnu/libls.so
		libc.so.6 /lib/gnu/libc.so.6
	`)
	p, err = planUpon(t, strings.ReplaceAll(base, "DIR", "/opt"), merged, "--bin bash")
	if err != nil {
		t.Fatal(err)
	}
	if p.Tree.Entry("/etc/ld.so.cache") != nil {
		t.Error("the base's index is replaced")
	}
	root := merged + "/usr/bin/new elf interp=/lib64/ld.so needed=libo.so\n/opt/libo.so elf soname=libo.so\n"
	_, err = planUpon(t, strings.ReplaceAll(base, "DIR", "/opt"), strings.Replace(root, "libunused.so=/lib/gnu/libunused.so", "libo.so=/opt/libo.so", 1), "--bin new")
	same(t, err.Error(), "in the image /usr/bin/new would not find libo.so, which is /opt/libo.so on the host "+
		`(the base's index cannot be written anew: "libé.so" cannot be in an ld.so.cache: its place in the order depends on the machine)`)
}

// The loader takes what has its own ABI, whatever the library is marked with.
func TestTheCacheHasTheFlagsOfTheLoader(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/bin/app      elf machine=arm flags=0x5000400 interp=/lib/ld.so needed=liba.so
		/lib/ld.so    elf machine=arm flags=0x5000400 soname=ld.so glibc=/lib/:/usr/lib/
		/opt/l/liba.so elf machine=arm flags=0x5000000 soname=liba.so needed=libb.so
		/lib/libb.so  elf machine=arm flags=0x5000000 soname=libb.so
	`), "--bin app --bare --library-path /opt/l")
	data := read(t, p.Tree, "etc/ld.so.cache")
	c, err := ldcache.Parse([]byte(data), p.Arch.ByteOrder())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Entries {
		if e.Flags != 0x903 {
			t.Errorf("%s has flags %#x, want 0x903: ELF, libc6, hard float", e.Name, e.Flags)
		}
	}
	if len(c.Entries) != 2 {
		t.Errorf("%d entries", len(c.Entries))
	}
}
