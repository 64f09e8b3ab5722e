//go:build !linux

package rootfs

import (
	"errors"
	"os"
	"time"
)

func makeNode(*os.File, string, *Entry) error {
	return errors.New("pipes and devices can only be made on Linux")
}

// setLinkTime leaves the time at which the link was written.
func setLinkTime(*os.File, string, time.Time) error { return nil }
