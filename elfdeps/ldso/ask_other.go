//go:build !linux

package ldso

import (
	"runtime"

	"github.com/harvest-oci/harvest/elfdeps"
)

// Ask refuses: there is no loader of Linux programs here.
func Ask(p *elfdeps.Program) (*Opinion, error) {
	return nil, &RefusedError{p.Name, "this is " + runtime.GOOS}
}
