// Package e2e proves harvest with the programs that its images are for: docker,
// podman, containerd, skopeo, umoci, and the kernel itself.
//
// A test that lacks a program is skipped with the program's name. Where the
// name is in HARVEST_REQUIRE, a list with commas, lacking it is a failure.
// scripts/consumers installs and starts all of them; "root" counts as one.
//
// Images have names that no other run uses, and are removed again. They hold
// fresh bytes, because an engine skips a layer that it knows already.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// harvestFile is the program under test, which is also first in PATH.
var harvestFile string

func TestMain(m *testing.M) {
	code, err := runWithHarvest(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runWithHarvest builds harvest as it is released, without cgo, and runs the tests.
func runWithHarvest(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "harvest-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	harvestFile = filepath.Join(dir, "harvest")
	build := exec.Command("go", "build", "-o", harvestFile, "../../cmd/harvest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building harvest: %w\n%s", err, out)
	}
	err = errors.Join(
		os.Setenv("PATH", dir+":"+os.Getenv("PATH")),
		os.Unsetenv("SOURCE_DATE_EPOCH"), // which tests set for themselves
	)
	if err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// probes are commands that succeed where a consumer can do its work. What is
// not listed only has to be in PATH.
var probes = map[string][]string{
	"docker": {"docker", "info"},
	"podman": {"podman", "info"},
	"ctr":    {"ctr", "version"},
	"skopeo": {"skopeo", "--version"},
	"umoci":  {"umoci", "--version"},
	// harvest run, where the kernel allows it:
	"sandbox": {"harvest", "run", "--bin", "bash", "--", "bash", "-c", "exit 0"},
}

// need skips the test where one of the consumers does not answer.
func need(t *testing.T, consumers ...string) {
	t.Helper()
	for _, name := range consumers {
		err := probe(t.Context(), name)
		switch {
		case err == nil:
		case slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), name):
			t.Fatalf("%s is required: %v", name, err)
		default:
			t.Skipf("%s is missing: %v", name, err)
		}
	}
}

func probe(ctx context.Context, consumer string) error {
	if consumer == "root" {
		if os.Geteuid() != 0 {
			return errors.New("this is not root")
		}
		return nil
	}
	command, ok := probes[consumer]
	if !ok {
		_, err := exec.LookPath(consumer)
		return err
	}
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}

// equal fails the test unless it got what it wants.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", what, got, want)
	}
}

// contains fails the test unless it got all that it wants.
func contains(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, part := range want {
		if !strings.Contains(got, part) {
			t.Errorf("%s\ngot:\n%s\nwant in it:\n%s", what, got, part)
		}
	}
}
