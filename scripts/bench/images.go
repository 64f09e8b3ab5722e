package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// prepareBase is an image of a big base and one layer, and looking into it: contents must stream or be passed over,
// whatever their size.
func prepareBase(ctx context.Context, s *setup) ([]contest, error) {
	data := filepath.Join(s.temp, "data")
	files, size, err := s.makeData(ctx, data)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("a base of %d MB in %d files", size/mega, files)
	var contests []contest
	for _, compress := range []string{"none", "gzip", "zstd"} {
		name := filepath.Join(s.temp, "base-"+compress+".tar")
		if err := s.makeBase(ctx, data, name, compress); err != nil {
			return nil, err
		}
		contests = append(contests, s.upon(name, fmt.Sprintf("(e) bash upon %s, compression %s", what, compress)))
	}
	plain := filepath.Join(s.temp, "base-none.tar")
	for _, verb := range []struct {
		name   string
		args   []string
		atMost float64
	}{
		{"inspect", []string{"inspect", plain}, headersOfAll},
		{"inspect --files", []string{"inspect", "--files", plain}, 0}, // of 7,000 files, where cat is quick
		{"diff", []string{"diff", plain, plain}, 0},                   // which reads all files
	} {
		contests = append(contests, contest{
			title: fmt.Sprintf("(e) harvest %s of %s", verb.name, what),
			ours:  contender{name: "harvest " + verb.name, args: append([]string{s.harvest}, verb.args...), output: "-", maxRSS: baseRSS},
			peers: []contender{{name: "cat", args: []string{"cat", plain}, output: "-", atMost: verb.atMost}},
		})
	}
	return contests, nil
}

// upon is harvest putting a program upon a base.
func (s *setup) upon(base, title string) contest {
	out := filepath.Join(s.temp, "out", "upon.tar")
	return contest{
		title: title,
		ours: contender{
			name:   "harvest --from",
			args:   []string{s.harvest, "--bin", "/bin/bash", "--from", base, "-t", "upon:v1", "-o", out, "-q"},
			output: out,
			maxRSS: baseRSS,
		},
		peers: []contender{{name: "cp", args: []string{"cp", base, out}, output: out}},
	}
}

// makeBase packs a folder as an image.
func (s *setup) makeBase(ctx context.Context, data, name, compress string) error {
	cmd := exec.CommandContext(ctx, s.harvest, "pack", data, "-t", "base:v1", "-o", name, "--compress", compress, "-q")
	cmd.Stderr = s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return nil
}
