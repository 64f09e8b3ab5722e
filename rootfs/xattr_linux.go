package rootfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// capability returns the file's capabilities (capabilities(7)) as raw bytes
// under their attribute name, or nil if it has none. Other attributes stay
// behind: labels and ACLs are the host's policy, not the program's.
func capability(osPath string) (map[string]string, error) {
	var buf [64]byte // VFS_CAP_DATA of every revision has at most 24 bytes
	n, err := unix.Lgetxattr(osPath, Capability, buf[:])
	switch {
	case err == nil:
		return map[string]string{Capability: string(buf[:n])}, nil
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOTSUP):
		return nil, nil
	}
	return nil, os.NewSyscallError("lgetxattr", err)
}

// setXAttr sets an extended attribute. Where the file system takes no such
// attribute, or the kernel has it set by others only, just capabilities are worth
// an error: without them a program does not do what it should.
func setXAttr(f *os.File, name, value string) error {
	err := unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0)
	if name != Capability && (errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM)) {
		return nil
	}
	return os.NewSyscallError("fsetxattr", err)
}
