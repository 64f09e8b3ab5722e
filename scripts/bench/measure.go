package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A contest is a question that several commands answer, one of them ours.
type contest struct {
	title string
	turns int // at least; more than that for what is over soon
	ours  contender
	peers []contender
}

// all returns ours, then the peers.
func (c contest) all() []contender {
	return append([]contender{c.ours}, c.peers...)
}

// A contender is a command and what is expected of it. Zero values expect nothing.
type contender struct {
	name    string
	missing string   // why it cannot run here; if set, only this is printed
	args    []string // the program and its arguments
	exits   []int    // exit codes that are answers too, besides 0

	output  string // the file it writes, in a folder of its own; "-" means standard output
	atLeast int64  // the size of a plausible output

	maxWall time.Duration // aims for ours
	maxRSS  int64
	atMost  float64 // aim for ours over this peer: its share of the peer's wall time
}

// A usage is what one run took.
type usage struct {
	wall, cpu time.Duration
	rss       int64 // bytes
}

// A result is the runs of a contender, in turns: the nth run of two results are a pair. It is empty for one that is
// missing.
type result struct {
	runs  []usage
	floor int64 // an RSS up to this many bytes may be our own
}

// compete lets every contender run once for warm caches, then n times in turns, or as often as it asks for. Results are in the order of c.all.
func compete(ctx context.Context, c contest, n int) ([]result, error) {
	n = max(n, c.turns)
	all := c.all()
	results := make([]result, len(all))
	for turn := range n + 1 {
		for i, who := range all {
			if who.missing != "" {
				continue
			}
			u, err := who.turn(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", who.name, err)
			}
			if turn > 0 {
				results[i].runs = append(results[i].runs, u)
			}
		}
	}
	floor, err := rssFloor(ctx)
	for i := range results {
		results[i].floor = floor
	}
	return results, err
}

// rssFloor measures a command that needs no memory. The kernel counts the peak of a child from before its exec, when
// it still shared our memory, so that this is the least we can see.
func rssFloor(ctx context.Context) (int64, error) {
	u, err := contender{args: []string{"true"}}.run(ctx)
	return u.rss, err
}

// turn runs the command when its output folder is empty and the disk has nothing left to write.
func (c contender) turn(ctx context.Context) (usage, error) {
	if err := c.clear(); err != nil {
		return usage{}, err
	}
	syscall.Sync()
	return c.run(ctx)
}

// run runs the command once. The folder of its output must be there.
func (c contender) run(ctx context.Context) (usage, error) {
	var stdout counter
	var stderr excerpt
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Stderr = &stderr
	if c.output == "-" {
		cmd.Stdout = &stdout
	}
	// An interrupt ends the command with all its children, before their output is removed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)

	if ctx.Err() != nil {
		return usage{}, errors.New("interrupted")
	}
	if err != nil && (cmd.ProcessState == nil || !slices.Contains(c.exits, cmd.ProcessState.ExitCode())) {
		return usage{}, fmt.Errorf("%w, and says %q", err, stderr.text.String())
	}
	if err := c.check(int64(stdout)); err != nil {
		return usage{}, err
	}
	return usageOf(cmd.ProcessState, wall), nil
}

// usageOf reads what wait4(2) said about the finished process. Times include the children that it waited for; the RSS
// is that of the biggest of them.
func usageOf(p *os.ProcessState, wall time.Duration) usage {
	r := p.SysUsage().(*syscall.Rusage)
	rss := int64(r.Maxrss) * 1024 //nolint:unconvert // 32 bits on other systems
	return usage{wall: wall, cpu: p.UserTime() + p.SystemTime(), rss: rss}
}

// clear empties the folder of the output file.
func (c contender) clear() error {
	if c.output == "" || c.output == "-" {
		return nil
	}
	dir := filepath.Dir(c.output)
	return cmp.Or(os.RemoveAll(dir), os.Mkdir(dir, 0o755))
}

// check refuses an output that is too small to be one, so that nobody wins by doing nothing.
func (c contender) check(piped int64) error {
	size := piped
	if c.output != "" && c.output != "-" {
		fi, err := os.Stat(c.output)
		if err != nil {
			return fmt.Errorf("looking for the output: %w", err)
		}
		size = fi.Size()
	}
	if size < c.atLeast {
		return fmt.Errorf("wrote %d bytes, which cannot be all: the files alone have %d", size, c.atLeast)
	}
	return nil
}

// A counter counts what it is given, and takes it as a fast reader would: a pipe at a time.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func (c *counter) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, make([]byte, 64<<10))
}

// An excerpt keeps the beginning of what is written to it.
type excerpt struct{ text strings.Builder }

func (e *excerpt) Write(b []byte) (int, error) {
	e.text.Write(b[:min(len(b), max(0, 1000-e.text.Len()))])
	return len(b), nil
}

// A spread is the median, the lowest and the highest of some values. The median of an even number of values is the
// mean of the middle two.
type spread struct{ mid, min, max float64 }

// spreadOf panics if there are no values.
func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// over returns the spread of a number of each run.
func (r result) over(of func(usage) float64) spread {
	values := make([]float64, len(r.runs))
	for i, u := range r.runs {
		values[i] = of(u)
	}
	return spreadOf(values)
}

// wallRatio returns the spread of r's wall time divided by peer's, pair by pair.
func (r result) wallRatio(peer result) spread {
	values := make([]float64, len(r.runs))
	for i, u := range r.runs {
		values[i] = float64(u.wall) / float64(peer.runs[i].wall)
	}
	return spreadOf(values)
}
