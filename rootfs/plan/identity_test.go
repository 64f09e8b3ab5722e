package plan

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestAUserIsWhoTheImageSays(t *testing.T) {
	tree := &rootfs.Tree{}
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0::/:\nme:x:5:6::/:\nlone:x:8:8\nodd:x:no:no::/:\n",
		"/etc/group":  "root:x:0:\nus:x:6:\nthem:x:7:you,me\nmore:x:9:me\n",
	} {
		if err := tree.Add(rootfs.File(name, 0o644, []byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string]string{
		"":        "{0 []}",
		":us":     "{0 []}",
		"root":    "{0 [0]}",
		"me":      "{5 [6 7 9]}",
		"5":       "{5 [6 7 9]}",
		"me:us":   "{5 [6]}",
		"5:7":     "{5 [7]}",
		"me:0":    "{5 [0]}",
		"lone":    "{8 [8]}",
		"1234":    "{1234 [0]}",
		"1234:us": "{1234 [6]}",
		"odd":     "{-1 [-1]}",
	} {
		b := builder{tree: tree, spec: Spec{User: user}}
		who, err := b.identity()
		if got := fmt.Sprint(who); err != nil || got != want {
			t.Errorf("%q: got %s, %v; want %s", user, got, err, want)
		}
	}
}

// The kernel asks one class alone: the owner, else the group, else the others.
func TestOneClassOfBitsCounts(t *testing.T) {
	for _, tt := range []struct {
		who  identity
		mode fs.FileMode
		want bool
	}{
		{identity{0, nil}, 0o000, true},
		{identity{5, nil}, 0o100, true},
		{identity{5, []int{6}}, 0o011, false},
		{identity{1, []int{6}}, 0o010, true},
		{identity{1, []int{2, 6}}, 0o010, true},
		{identity{1, []int{6}}, 0o101, false},
		{identity{1, []int{2}}, 0o001, true},
		{identity{1, []int{2}}, 0o110, false},
	} {
		e := rootfs.Dir("/x", tt.mode)
		e.UID, e.GID = 5, 6
		if got := tt.who.mayExecute(e); got != tt.want {
			t.Errorf("%v, mode %04o of 5:6: got %t", tt.who, tt.mode, got)
		}
	}
}
