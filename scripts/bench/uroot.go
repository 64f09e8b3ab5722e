package main

import (
	"errors"
	"io"
	"os/exec"

	"github.com/u-root/u-root/pkg/ldd"
)

// urootChild asks u-root's package for the libraries of each program, one program at a time, because the answer
// depends on the program. As in loaderChild, a missing library is an answer.
func urootChild(args []string, _ io.Writer) error {
	for _, program := range args {
		_, err := ldd.List(program)
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return err
		}
	}
	return nil
}
