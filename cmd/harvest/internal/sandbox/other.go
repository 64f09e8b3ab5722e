//go:build !linux

package sandbox

import "context"

// Enter does nothing where there are no sandboxes.
func Enter() {}

// Run returns ErrUnsupported.
func (r *Root) Run(context.Context, Command) (Result, error) { return Result{}, ErrUnsupported }

func (r *Root) removeInside() error { return ErrUnsupported }
