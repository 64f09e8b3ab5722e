package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// An apt knows what apt-get would install on an empty system, and how much that
// is by the packages' Installed-Size.
type apt struct {
	status string   // of a system without packages
	base   []string // what every system has: debootstrap's minbase
}

// newApt makes one that keeps its files in a folder.
func newApt(ctx context.Context, dir string) (*apt, error) {
	a := &apt{status: filepath.Join(dir, "status")}
	if err := os.WriteFile(a.status, nil, 0o644); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package} ${Priority}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("asking dpkg what is required: %w", err)
	}
	a.base = []string{"apt", "usr-is-merged"} // or apt-get takes usrmerge, and Perl with it
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), " required"); ok {
			a.base = append(a.base, name)
		}
	}
	return a, nil
}

// size returns how many bytes the base and packages take, installed without what
// is only recommended.
func (a *apt) size(ctx context.Context, packages ...string) (int64, error) {
	args := []string{"-s", "-o", "Dir::State::status=" + a.status, "--no-install-recommends", "install"}
	out, err := exec.CommandContext(ctx, "apt-get", append(args, slices.Concat(a.base, packages)...)...).Output()
	if err != nil {
		return 0, fmt.Errorf("asking apt-get what it would install: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Inst" {
			names = append(names, f[1])
		}
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("apt-get would install nothing for %s", strings.Join(packages, " "))
	}
	out, err = exec.CommandContext(ctx, "apt-cache", append([]string{"show", "--no-all-versions"}, names...)...).Output()
	if err != nil {
		return 0, fmt.Errorf("asking apt-cache for sizes: %w", err)
	}
	var size int64
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Installed-Size: "); ok {
			kib, err := strconv.ParseInt(rest, 10, 64)
			if err != nil {
				return 0, err
			}
			size += kib << 10
		}
	}
	return size, lines.Err()
}
