//go:build unix

package rootfs

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// stat is what a tree wants to know beyond fs.FileInfo.
type stat struct {
	uid, gid     int
	dev, ino     uint64
	links        uint64
	major, minor uint32
}

func statOf(info fs.FileInfo) stat {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stat{}
	}
	return stat{
		uid: int(st.Uid), gid: int(st.Gid),
		dev: uint64(st.Dev), ino: st.Ino, links: uint64(st.Nlink),
		major: unix.Major(uint64(st.Rdev)), minor: unix.Minor(uint64(st.Rdev)),
	}
}
