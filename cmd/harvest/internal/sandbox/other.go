//go:build !linux

package sandbox

import (
	"context"
	"time"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
)

// Enter does nothing where there are no sandboxes.
func Enter() {}

// Run returns ErrUnsupported.
func (r *Root) Run(context.Context, Command) (Result, error) { return Result{}, ErrUnsupported }

// Trace returns ErrUnsupported.
func (r *Root) Trace(context.Context, Command, time.Duration) (*trace.Log, error) {
	return nil, ErrUnsupported
}

func removeInside(string) error { return ErrUnsupported }
