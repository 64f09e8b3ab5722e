package sandbox

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// settings are the kernel's that may forbid user namespaces, and the values that
// do. Debian has the first, Ubuntu the second.
var settings = [][2]string{
	{"kernel.unprivileged_userns_clone", "0"},
	{"kernel.apparmor_restrict_unprivileged_userns", "1"},
	{"user.max_user_namespaces", "0"},
}

// unavailable says of an error by which the kernel forbids a sandbox which
// setting it is due to. Any other stays as it is.
func unavailable(err error) error {
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL} {
		if errors.Is(err, errno) {
			return &UnavailableError{Err: err, Setting: forbidding()}
		}
	}
	return err
}

// forbidding returns the setting that forbids user namespaces, or "".
func forbidding() string {
	for _, s := range settings {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(s[0], ".", "/"))
		if err == nil && strings.TrimSpace(string(value)) == s[1] {
			return s[0] + "=" + s[1]
		}
	}
	return ""
}
