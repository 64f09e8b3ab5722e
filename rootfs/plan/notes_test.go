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
		/opt/bin/su runs with privileges, so its loader ignores $ORIGIN and would not find libb.so
		DT_RPATH "" of /bin/here leads to the working directory; what lies there is not in the image
		/bin/packed is packed with UPX, which hides what it needs; upx -d unpacks it
		/lib64/libaux.so can use libmore.so, not found
	`)
}
