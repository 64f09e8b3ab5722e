package elfdeps_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

// A file is searched piece by piece, and a name may lie on the edge of one.
func TestMentionsDoNotDependOnWhereANameLies(t *testing.T) {
	root := elftest.MustRoot(t, `
		/bin/app      elf interp=/lib64/ld.so text="\x00libx.so.1\x00"
		/lib64/ld.so  elf soname=ld.so glibc=/lib64/
		/lib64/libx.so.1 elf
		/lib64/libpath.so.1 elf
	`)
	data := contents(t, root, "bin/app")
	at := bytes.Index(data, []byte("libx.so.1\x00"))
	for _, edge := range []int{1 << 18, 2 << 18} {
		for shift := -14; shift <= 2; shift++ {
			text := make([]byte, edge+shift-at)
			for i := range text {
				text[i] = ' '
			}
			line := fmt.Sprintf(`/bin/far elf interp=/lib64/ld.so text="\x00%s\x00libx.so.1\x00/libpath.so.1\x00"`, text[1:])
			if err := root.Add(line); err != nil {
				t.Fatal(err)
			}
			r := elfdeps.Resolver{FS: root, Mentions: true}
			c, err := r.Resolve(t.Context(), "/bin/far")
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Index(contents(t, root, "bin/far"), []byte("libx.so.1\x00"))
			if got := c.Programs[0].Mentions; len(got) != 1 || got[0].Name != "libx.so.1" || got[0].Offset != int64(want) {
				t.Errorf("edge %#x, offset %#x: got %+v", edge, want, got)
			}
			if err := root.Remove("/bin/far"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Each name costs a search.
func TestMentionsBoundsTheNamesOfAFile(t *testing.T) {
	var text strings.Builder
	for i := range 1025 {
		fmt.Fprintf(&text, `\x00lib%d.so`, i)
	}
	root := elftest.MustRoot(t, `
		/bin/app      elf interp=/lib64/ld.so text="`+text.String()+`\x00"
		/lib64/ld.so  elf soname=ld.so glibc=/lib64/
		/lib64/lib1023.so elf
		/lib64/lib1024.so elf
	`)
	r := elfdeps.Resolver{FS: root, Mentions: true}
	c, err := r.Resolve(t.Context(), "/bin/app")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Programs[0].Mentions; len(got) != 1 || got[0].Name != "lib1023.so" {
		t.Errorf("got %+v", got)
	}
}
