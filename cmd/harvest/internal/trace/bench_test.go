//go:build linux

package trace

import (
	"os/exec"
	"testing"
)

// BenchmarkRun traces the start of an interpreter, to be compared with it alone.
func BenchmarkRun(b *testing.B) {
	args := []string{"/usr/bin/perl", "-MPOSIX", "-e", "1"}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
				b.Skip(err)
			}
		}
	})
	b.Run("traced", func(b *testing.B) {
		for b.Loop() {
			if _, err := Run(b.Context(), exec.Command(args[0], args[1:]...), Options{}); err != nil {
				b.Skip(err)
			}
		}
	})
}
