package plan_test

import (
	"strings"
	"testing"
)

func TestNotesSayWhatAClosureDoesNotShow(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/
		/lib64/liba.so elf soname=liba.so
		/lib64/libaux.so elf auxiliary=libmore.so
		/opt/bin/libs/libb.so elf soname=libb.so
		/opt/bin/su elf mode=4755 interp=/lib64/ld.so needed=libb.so,liba.so runpath=$ORIGIN/libs:$ORIGIN/../../lib64
		/opt/bin/plain elf interp=/lib64/ld.so needed=libb.so rpath=$ORIGIN/libs
		/bin/here elf interp=/lib64/ld.so needed=liba.so,libaux.so rpath=:lib
		/bin/packed elf static text=UPX!
		/etc/ld.so.preload text "/usr/lib/libevil.so:libx.so # y\n\n"
	`), "--bin /opt/bin/su --bin /opt/bin/plain --bin /bin/here --bin /bin/packed --bare")
	same(t, strings.Join(p.Notes, "\n"), `
		/etc/ld.so.preload makes this root's programs load /usr/lib/libevil.so, libx.so; the image has no such file
		/opt/bin/su runs with privileges, so its loader ignores DT_RUNPATH $ORIGIN/libs of /opt/bin/su and would not find libb.so there
		DT_RPATH "" of /bin/here leads to the working directory; what lies there is not in the image
		/bin/packed is packed with UPX, which hides what it needs; upx -d unpacks it
		/lib64/libaux.so can use libmore.so, not found
	`)
}

// Each case was tried with glibc 2.36 and a setuid program that another user
// starts; see TestNotesOnPrivilegesAreTrue.
func TestNotesOnPrivileges(t *testing.T) {
	tests := []struct{ name, root, want string }{
		{"a library may look beside itself", `
			/bin/su            elf mode=4755 interp=/lib64/ld.so needed=liba.so runpath=/opt/l
			/opt/l/liba.so     elf soname=liba.so needed=libb.so runpath=$ORIGIN/sub
			/opt/l/sub/libb.so elf soname=libb.so
		`, ""},
		{"but only where $ORIGIN comes first", `
			/bin/su            elf mode=4755 interp=/lib64/ld.so needed=liba.so runpath=/opt/l
			/opt/l/liba.so     elf soname=liba.so needed=libb.so,libc.so runpath=/$ORIGIN/sub:${ORIGIN}.d
			/opt/l/sub/libb.so elf soname=libb.so
			/opt/l.d/libc.so   elf soname=libc.so
		`, `
			/bin/su runs with privileges, so its loader ignores DT_RUNPATH /$ORIGIN/sub of /opt/l/liba.so and would not find libb.so there
			/bin/su runs with privileges, so its loader ignores DT_RUNPATH ${ORIGIN}.d of /opt/l/liba.so and would not find libc.so there
		`},
		{"a program may look below a default directory", `
			/bin/su               elf mode=2755 interp=/lib64/ld.so needed=liba.so runpath=$ORIGIN/../lib64/priv
			/lib64/priv/liba.so   elf soname=liba.so
		`, ""},
		{"but not beside one", `
			/bin/su               elf mode=4755 interp=/lib64/ld.so needed=liba.so,libc.so rpath=$ORIGIN/../lib64x
			/lib64x/liba.so       elf soname=liba.so needed=libb.so
			/lib64x/libb.so       elf soname=libb.so
			/lib64/libc.so        elf soname=libc.so
		`, "/bin/su runs with privileges, so its loader ignores DT_RPATH $ORIGIN/../lib64x of /bin/su and would not find liba.so, libb.so there"},
		{"what is fixed is no matter", `
			/bin/su               elf mode=4755 interp=/lib64/ld.so needed=liba.so runpath=/opt/$LIB/$PLATFORM:/$ORIGINAL
			/opt/lib64/x86_64/liba.so elf soname=liba.so
		`, ""},
		{"but no name may need replacing", `
			/bin/su               elf mode=4755 interp=/lib64/ld.so needed=$ORIGIN/../lib64/liba.so,/$LIB/libb.so
			/lib64/liba.so        elf soname=liba.so
			/lib64/libb.so        elf soname=libb.so auxiliary=/${PLATFORM}/libc.so
		`, `
			/bin/su runs with privileges, so its loader refuses the name $ORIGIN/../lib64/liba.so, which /bin/su needs
			/bin/su runs with privileges, so its loader refuses the name /$LIB/libb.so, which /bin/su needs
			/bin/su runs with privileges, so its loader refuses the name /${PLATFORM}/libc.so, which /lib64/libb.so needs
			/lib64/libb.so can use /${PLATFORM}/libc.so, not found
		`},
		{"musl ignores the whole path of the program", `
			/bin/su               elf mode=4755 interp=/lib/ld-musl-x86_64.so.1 needed=liba.so runpath=/opt/l:$ORIGIN/x
			/lib/ld-musl-x86_64.so.1 elf soname=libc.so musl=x86_64
			/opt/l/liba.so        elf soname=liba.so needed=libb.so runpath=/x$ORIGIN/sub
			/x/opt/l/sub/libb.so  elf soname=libb.so
		`, "/bin/su runs with privileges, so its loader ignores DT_RUNPATH /opt/l of /bin/su and would not find liba.so there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := onDisk(t, "/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/\n"+tt.root)
			p := makePlan(t, host, "--bin /bin/su --bare")
			same(t, strings.Join(p.Notes, "\n"), tt.want)
		})
	}
}

// What a program can do without has a priority, alternatives, and needs of its
// own.
func TestNotesOnWhatIsOpenedLater(t *testing.T) {
	p := makePlan(t, onDisk(t, `
		/lib64/ld.so elf soname=ld.so glibc=/lib64/
		/lib64/libc.so elf soname=libc.so verdef=C_1
		/lib64/libp.so elf soname=libp.so needed=libdeep.so
		/lib64/libv.so elf soname=libv.so needed=libc.so verneed=libc.so:C_2
		/lib64/libbad.so text "no library"
		/bin/app elf interp=/lib64/ld.so needed=libc.so dlopen=`+`'[{"soname":["liba.so.2","liba.so.1"],"priority":"required"},`+
		`{"soname":["libb.so.2","libb.so.1"]},{"soname":"libd.so","priority":"suggested"},`+
		`{"soname":"libp.so"},{"soname":"libv.so"},{"soname":"libbad.so"}]'`), "--bin /bin/app --bare --dlopen suggested")
	same(t, strings.Join(p.Notes, "\n"), `
		/bin/app does not work without liba.so.2 or liba.so.1, not found
		/bin/app can use libb.so.2 or libb.so.1, libd.so, not found
		libp.so, which /bin/app may open later: not found in ld.so.cache (absent or unusable); default directory /lib64 (/lib64/libp.so: libdeep.so, needed by /lib64/libp.so, is not found)
		libv.so, which /bin/app may open later: not found in ld.so.cache (absent or unusable); default directory /lib64 (/lib64/libv.so: /lib64/libc.so has no version C_2 of its symbols, needed by /lib64/libv.so)
		libbad.so, which /bin/app may open later: /lib64/libbad.so (default directory /lib64): not an ELF file; the loader stops there
	`)
}
