package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bundle is the file of the host that has the authorities which TLS trusts.
const bundle = "/etc/ssl/certs/ca-certificates.crt"

// A lab is where images are made and tried.
type lab struct {
	dir     string // for all files
	harvest string // the program
	server  *server
	trusted string // the host's bundle, and the authority of the server
}

func (l *lab) close() { l.server.close() }

// trust makes a bundle with the server's authority in it. Harvest meets it in
// place of the host's, so the image trusts the server if it has what the host has.
func (l *lab) trust() error {
	data, err := os.ReadFile(bundle)
	if err != nil {
		return err
	}
	l.trusted = filepath.Join(l.dir, "bundle.crt")
	return os.WriteFile(l.trusted, append(data, l.server.authority...), 0o644)
}

// A result is what became of a subject.
type result struct {
	subject *subject
	missing []string // packages, without which it was not tried
	err     error
	image   image
	took    time.Duration
}

// An image is what there is to know of one.
type image struct {
	Size    int64 // bytes of contents
	Paths   int
	entries []entry
}

// An entry is a path of an image, and why it is there, as `harvest ls --json` has it.
type entry struct {
	Path     string
	Type     string
	Size     int64
	Hardlink string
	Why      []struct{ Kind, From, Text string }
}

// prove tries the subjects one after the other, and says how it goes.
func (l *lab) prove(ctx context.Context, out io.Writer, subjects []*subject, missing []string) []*result {
	var results []*result
	for _, s := range subjects {
		if ctx.Err() != nil {
			break
		}
		r := &result{subject: s}
		results = append(results, r)
		for _, p := range s.Packages {
			if slices.Contains(missing, p) {
				r.missing = append(r.missing, p)
			}
		}
		if len(r.missing) > 0 {
			fmt.Fprintf(out, "%-12s not installed: %s\n", s.Name, strings.Join(r.missing, " "))
			continue
		}
		start := time.Now()
		r.err = l.try(ctx, r)
		r.took = time.Since(start)
		if r.err != nil {
			fmt.Fprintf(out, "%-12s FAILED\n%s\n", s.Name, indent(r.err.Error()))
			continue
		}
		fmt.Fprintf(out, "%-12s good, %s, in %s\n", s.Name, megabytes(r.image.Size), r.took.Round(100*time.Millisecond))
	}
	return results
}

// try builds a subject's image and runs its checks.
func (l *lab) try(ctx context.Context, r *result) (err error) {
	s := r.subject
	dir, err := os.MkdirTemp(l.dir, "try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.Files != "" {
		if _, err := l.bash(ctx, dir, s.Files); err != nil {
			return fmt.Errorf("making files: %w", err)
		}
	}
	name := "harvest-programs-" + filepath.Base(dir) + ":v1"
	if err := l.build(ctx, dir, name, r); err != nil {
		return err
	}
	defer func() {
		if out, rmErr := exec.Command("docker", "rmi", "-f", name).CombinedOutput(); rmErr != nil {
			err = errors.Join(err, fmt.Errorf("removing the image: %w\n%s", rmErr, out))
		}
	}()
	for _, c := range s.Checks {
		out, err := l.bash(ctx, dir, fmt.Sprintf(shorthand, name, l.server.url)+c.Run)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Run, err)
		}
		if err := c.judge(out); err != nil {
			return err
		}
	}
	return nil
}

// shorthand is what checks call things by.
const shorthand = `I=%s U=%s
R() { docker run --rm --network none --entrypoint "" "$@"; }
N() { docker run --rm --network host --dns 127.0.0.99 --entrypoint "" "$@"; }
`

// build makes and loads the image. It does so in a mount namespace where the
// bundle is the lab's, and where --bin of a file that the subject made leads into
// /usr/local/bin.
func (l *lab) build(ctx context.Context, dir, name string, r *result) error {
	archive := filepath.Join(dir, "image.tar")
	var bins []string
	for _, b := range r.subject.Bins {
		if rest, own := strings.CutPrefix(b, "./"); own {
			b += ":/usr/local/bin/" + rest
		}
		bins = append(bins, "--bin", b)
	}
	const script = `set -e; mount --bind "$1" "$2"; shift 2; exec "$@"`
	run := func(args ...string) ([]byte, error) {
		args = append([]string{"--mount", "bash", "-c", script, "bash", l.trusted, bundle, l.harvest}, args...)
		cmd := exec.CommandContext(ctx, "unshare", args...)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s%s", r.subject.command(), err, out, stderr.String())
		}
		return out, err
	}
	out, err := run(append([]string{"ls", "--json"}, bins...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &r.image.entries); err != nil {
		return err
	}
	if err := r.image.sum(); err != nil {
		return err
	}
	if _, err := run(append(bins, "-t", name, "-o", archive)...); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "docker", "load", "-q", "-i", archive).CombinedOutput(); err != nil {
		return fmt.Errorf("docker load: %w\n%s", err, out)
	}
	return os.Remove(archive)
}

// sum adds up the entries. That no reason leads to one of them is an error.
func (i *image) sum() error {
	for _, e := range i.entries {
		i.Paths++
		if e.Hardlink == "" && e.Type == "file" {
			i.Size += e.Size
		}
		if len(e.Why) == 0 || e.Why[0].Kind == "recipe" && e.Why[0].Text == "" {
			return fmt.Errorf("no evidence led to %s", e.Path)
		}
	}
	return nil
}

// bash runs a script, within a time, and returns all that it prints.
func (l *lab) bash(ctx context.Context, dir, script string) (string, error) {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), err
}

// judge returns an error if an output is not what the check wants.
func (c check) judge(out string) error {
	for _, want := range c.Want {
		if !want.MatchString(strings.TrimSpace(out)) {
			return fmt.Errorf("%s\nprints no %s:\n%s", c.Run, want, out)
		}
	}
	for _, never := range c.Never {
		if never.MatchString(out) {
			return fmt.Errorf("%s\nprints %s:\n%s", c.Run, never, out)
		}
	}
	return nil
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ")
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
