package rootfs

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// makeNode creates the pipe or device that an entry is in the open folder dir, to be
// opened by nobody yet.
func makeNode(dir *os.File, name string, e *Entry) error {
	kind := uint32(unix.S_IFIFO)
	switch mode := e.Mode; {
	case mode&os.ModeCharDevice != 0:
		kind = unix.S_IFCHR
	case mode&os.ModeDevice != 0:
		kind = unix.S_IFBLK
	}
	err := unix.Mknodat(int(dir.Fd()), name, kind|0o600, int(unix.Mkdev(e.Major, e.Minor)))
	if err != nil {
		return &os.PathError{Op: "mknodat", Path: fsName(e.Path), Err: err}
	}
	return nil
}

// setLinkTime sets the mtime of a symbolic link in the open folder dir, rather than
// of what it leads to.
func setLinkTime(dir *os.File, name string, mtime time.Time) error {
	t, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW))
}
