package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

//go:embed by-hand
var byHand []byte

// memory is a folder without a disk.
const memory = "/dev/shm"

// A setup is what the cases share: the commands to measure and the folders to measure them in. Close removes the
// folders.
type setup struct {
	self    string // this program, which is also some of the peers
	harvest string
	byHand  string
	temp    string // in the usual folder for temporary files; everything but the next is in it
	shm     string // in memory; empty if this machine has no room there
	log     io.Writer
	ends    []func() // of what runs meanwhile
}

// newSetup makes the folders and, unless the options name one, builds harvest. It leaves nothing behind with an
// error.
func newSetup(ctx context.Context, opts options, log io.Writer) (s *setup, err error) {
	s = &setup{harvest: opts.harvest, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.self, err = os.Executable(); err != nil {
		return s, err
	}
	if s.temp, err = os.MkdirTemp("", "harvest-bench-"); err != nil {
		return s, err
	}
	s.byHand = filepath.Join(s.temp, "by-hand")
	if err := os.WriteFile(s.byHand, byHand, 0o755); err != nil {
		return s, err
	}
	if free(memory) > 4*bigBytes {
		if s.shm, err = os.MkdirTemp(memory, "harvest-bench-"); err != nil {
			return s, err
		}
	}
	if s.harvest == "" {
		return s, s.build(ctx)
	}
	s.harvest, err = filepath.Abs(s.harvest)
	return s, err
}

// Close ends what runs, and removes the folders.
func (s *setup) Close() error {
	for _, end := range s.ends {
		end()
	}
	return errors.Join(os.RemoveAll(s.temp), os.RemoveAll(s.shm))
}

// build compiles harvest as make build does: static, stripped, without the paths of this machine.
func (s *setup) build(ctx context.Context) error {
	fmt.Fprintln(s.log, "bench: building harvest")
	s.harvest = filepath.Join(s.temp, "harvest")
	const source = "github.com/harvest-oci/harvest/cmd/harvest"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.harvest, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets it remove its own temporary files
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building harvest: %w", err)
	}
	return nil
}

// header says what was measured where.
func (s *setup) header(runs int) string {
	return fmt.Sprintf("harvest and its peers on %s/%s, %d CPUs, %s; medians of %d turns, warm caches.\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), runs) +
		"wall and cpu (user + system, children included) per command; RSS at its peak; lowest .. highest in brackets.\n"
}

// goroot is the folder of the Go toolchain in use.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

// free is the number of bytes that can be written to dir; 0 if there is no such folder.
func free(dir string) int64 {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return 0
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // 32 bits on other systems
}
