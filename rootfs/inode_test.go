package rootfs

import (
	"io/fs"
	"syscall"
	"testing"
)

// An inodeInfo is a file of a file system that numbers files as it likes.
type inodeInfo struct {
	fs.FileInfo
	stat *syscall.Stat_t
}

func (i inodeInfo) Sys() any { return i.stat }

func TestFilesOfOneNumberAreHardLinksOnlyIfTheyHaveSeveralNames(t *testing.T) {
	alone, linked := &syscall.Stat_t{Ino: 7, Nlink: 1}, &syscall.Stat_t{Ino: 7, Nlink: 2}
	for _, tt := range []struct {
		name           string
		first, second  *syscall.Stat_t
		source1, other string
		want           string
	}{
		{"two names", linked, linked, "/a", "/b", "/1"},
		{"one name each", alone, alone, "/a", "/b", ""},
		{"one file in two places", alone, alone, "/a", "/a", "/1"},
		{"a number that is taken twice", linked, alone, "/a", "/b", ""},
	} {
		tree := &Tree{}
		for _, e := range []*Entry{
			{Path: "/1", Source: tt.source1, seen: inodeInfo{stat: tt.first}},
			{Path: "/2", Source: tt.other, seen: inodeInfo{stat: tt.second}},
		} {
			if err := tree.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		if got := tree.Entry("/2").Hardlink; got != tt.want {
			t.Errorf("%s: got a hard link to %q, want %q", tt.name, got, tt.want)
		}
	}
}
