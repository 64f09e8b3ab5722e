//go:build !linux

package rootfs

import (
	"errors"
	"os"
)

// capability finds nothing: file capabilities are Linux's own, and other
// kernels do not show them.
func capability(string) (map[string]string, error) { return nil, nil }

func setXAttr(_ *os.File, name, _ string) error {
	if name != Capability {
		return nil
	}
	return errors.New("file capabilities can only be written on Linux")
}
