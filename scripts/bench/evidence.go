package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The most that an image of some programs may take with all that they need beside libraries.
var evidenceWalls = []struct {
	programs []string
	most     time.Duration
}{
	{[]string{"/bin/bash", "/bin/echo"}, 20 * time.Millisecond},
	{[]string{"curl"}, 60 * time.Millisecond},
	{[]string{"python3"}, 500 * time.Millisecond},
}

// prepareEvidence asks what it costs to find out what programs need beside libraries, and to ship it: against reading
// and hashing what is shipped, and against the libraries alone.
func prepareEvidence(ctx context.Context, s *setup) ([]contest, error) {
	var contests []contest
	for i, c := range evidenceWalls {
		flags := []string{"--root", "/"}
		for _, program := range c.programs {
			if program = foundAt(program); program == "" {
				flags = nil
				break
			}
			flags = append(flags, "--bin", program)
		}
		name := filepath.Base(c.programs[0])
		if flags == nil {
			fmt.Fprintf(s.log, "bench: skipping %s: it is not installed\n", name)
			continue
		}
		dir := filepath.Join(s.temp, fmt.Sprint("evidence-", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		root, out := dir+"-root", filepath.Join(dir, "out.tar") // what lies beside the output is swept away
		stage := exec.CommandContext(ctx, s.harvest, append(flags, "-o", "type=rootfs,dest="+root, "-q")...)
		stage.Stderr = s.log
		if err := stage.Run(); err != nil {
			return nil, errors.Join(fmt.Errorf("staging %s", name), err)
		}
		build := append([]string{s.harvest, "-o", out, "-q"}, flags...)
		contests = append(contests, contest{
			title: fmt.Sprintf("(g) %s with what it needs beside libraries", name),
			ours:  contender{name: "harvest --bin " + name, args: build, output: out, maxWall: c.most},
			peers: []contender{
				{name: "read + sha256, one goroutine", args: []string{s.self, "sha256", root}},
				{name: "harvest --with none", args: append(build[:len(build):len(build)], "--with", "none"), output: out},
			},
		})
	}
	return contests, nil
}

// foundAt returns where a program of the system is, not one of a user's own; "" if it is not installed.
func foundAt(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	file := filepath.Join("/usr/bin", name)
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}
