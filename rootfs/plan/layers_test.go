package plan_test

import (
	"fmt"
	"strings"
	"testing"
)

const layersRoot = `
	/lib64 -> usr/lib64
	/bin/app     elf interp=/lib64/ld.so needed=liba.so,libc.so.6
	/usr/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/ verdef=GLIBC_PRIVATE
	/usr/lib64/liba.so elf soname=liba.so needed=libm.so.6
	/usr/lib64/libc.so.6   -> libc-2.31.so
	/usr/lib64/libc-2.31.so elf soname=libc.so.6 verdef=GLIBC_2.2.5,GLIBC_PRIVATE
	/usr/lib64/libm.so.6 elf soname=libm.so.6 verdef=GLIBC_2.29,GLIBC_PRIVATE
	/etc/ld.so.cache cache liba.so=/lib64/liba.so libc.so.6=/lib64/libc.so.6 libm.so.6=/lib64/libm.so.6
	/data/x text x
`

func TestPartsShareWhatImagesHaveInCommon(t *testing.T) {
	for line, want := range map[string]string{
		"--bin app --add /data --bare": `
			loader and libc: /dev /lib64 /usr /usr/lib64 /usr/lib64/ld.so /usr/lib64/libc-2.31.so /usr/lib64/libc.so.6 /usr/lib64/libm.so.6
			other libraries: /usr /usr/lib64 /usr/lib64/liba.so
			programs and data: /bin /bin/app /data /data/x /etc /etc/ld.so.cache
			libraries: /dev /lib64 /usr /usr/lib64 /usr/lib64/ld.so /usr/lib64/liba.so /usr/lib64/libc-2.31.so /usr/lib64/libc.so.6 /usr/lib64/libm.so.6
			programs and data: /bin /bin/app /data /data/x /etc /etc/ld.so.cache
			programs, libraries and data: /bin /bin/app /data /data/x /dev /etc /etc/ld.so.cache /lib64 /usr /usr/lib64 /usr/lib64/ld.so /usr/lib64/liba.so /usr/lib64/libc-2.31.so /usr/lib64/libc.so.6 /usr/lib64/libm.so.6`,
		"--bin app --layout flat --bare": `
			loader and libc: /dev /lib64 /lib64/ld.so /lib64/libc.so.6 /lib64/libm.so.6
			other libraries: /lib64 /lib64/liba.so
			programs and data: /bin /bin/app /etc /etc/ld.so.cache
			libraries: /dev /lib64 /lib64/ld.so /lib64/liba.so /lib64/libc.so.6 /lib64/libm.so.6
			programs and data: /bin /bin/app /etc /etc/ld.so.cache
			programs, libraries and data: /bin /bin/app /dev /etc /etc/ld.so.cache /lib64 /lib64/ld.so /lib64/liba.so /lib64/libc.so.6 /lib64/libm.so.6`,
	} {
		p := makePlan(t, onDisk(t, layersRoot), line)
		var got strings.Builder
		for _, n := range []int{3, 2, 1} {
			for _, part := range p.Parts(n) {
				fmt.Fprintf(&got, "%s:", part.Name)
				for e := range part.Tree.All() {
					fmt.Fprintf(&got, " %s", e.Path)
				}
				fmt.Fprintln(&got)
			}
		}
		same(t, got.String(), want)
	}
}

// A part with nothing in it is no layer.
func TestAStaticProgramIsOnePart(t *testing.T) {
	parts := makePlan(t, onDisk(t, merged), "--bin init --bare").Parts(3)
	for _, part := range parts {
		t.Log(part.Name)
	}
	if len(parts) != 2 || parts[1].Name != "programs and data" {
		t.Errorf("got %d parts", len(parts))
	}
}
