//go:build !linux

package trace

import (
	"context"
	"os/exec"
)

// Run returns ErrUnsupported.
func Run(context.Context, *exec.Cmd, Options) (*Log, error) { return &Log{}, ErrUnsupported }
