//go:build !linux

package rootfs

import (
	"errors"
	"os"
)

// capability finds nothing: file capabilities are Linux's own, and other
// kernels do not show them.
func capability(string) (map[string]string, error) { return nil, nil }

func setCapability(_ *os.File, attrs map[string]string) error {
	if len(attrs) == 0 {
		return nil
	}
	return errors.New("file capabilities can only be written on Linux")
}
