package plan_test

import (
	"testing"
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
