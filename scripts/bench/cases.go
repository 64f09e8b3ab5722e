package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The aims, in one place. The sizes and times are those that the project set itself; a peer's factor is the most that
// harvest may take of the peer's time.
const (
	basicWall    = 15 * time.Millisecond
	basicOfHand  = 1 / 4.0
	bigOfHashing = 1.3
	bigRSS       = 32 * mega
	baseRSS      = 64 * mega
	headersOfAll = 0.2
	depsOfTree   = 0.5
	depsOfLoader = 0.05
	oneOfLdd     = 1.5
	anyFaster    = 1
	peersTime    = 1.1
)

// Exit codes that say: some program's libraries are not all there. On a big system that is so, and the rest is an
// answer.
const (
	harvestUnmet = 3
	libtreeUnmet = 28
)

const (
	mega       = 1_000_000
	basicBytes = 2 * mega // bash, echo and a C library have more
)

// cases are the questions, in the order of the answers.
var cases = []struct {
	name    string
	prepare func(context.Context, *setup) ([]contest, error)
}{
	{"a", prepareBasic},
	{"b", prepareBig},
	{"c", prepareResolve},
	{"d", prepareOne},
	{"e", prepareBase},
	{"f", prepareRegistry},
	{"g", prepareEvidence},
}

// prepareBasic is the image of the first lesson: two programs.
func prepareBasic(_ context.Context, s *setup) ([]contest, error) {
	programs := []string{"/bin/bash", "/bin/echo"}
	in := func(dir string) contest {
		out := filepath.Join(dir, "out", "basic.tar")
		return contest{
			title: "(a) bash and echo as basic.tar, written to " + filepath.Dir(dir),
			ours: contender{
				name:    "harvest",
				args:    []string{s.harvest, "--bin", programs[0], "--bin", programs[1], "-t", "basic:v1", "-o", out, "-q"},
				output:  out,
				atLeast: basicBytes,
				maxWall: basicWall,
			},
			peers: []contender{{
				name:    "by hand (ldd, cp, tar, sha256sum, tar)",
				args:    append([]string{"sh", s.byHand, out}, programs...),
				output:  out,
				atLeast: basicBytes,
				atMost:  basicOfHand,
			}},
		}
	}
	return s.inBoth(in), nil
}

// prepareBig is one program and a folder of data: reading, hashing and writing rule. It asks a third time with a pipe
// as output, where harvest must read twice, because the digests come first.
func prepareBig(ctx context.Context, s *setup) ([]contest, error) {
	data := filepath.Join(s.temp, "data")
	files, size, err := s.makeData(ctx, data)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("(b) bash and %d MB in %d files, ", size/mega, files)
	hashing := contender{
		name:   "read + sha256, one goroutine",
		args:   []string{s.self, "sha256", data},
		atMost: bigOfHashing,
	}
	in := func(dir string) contest {
		out := filepath.Join(dir, "out", "big.tar")
		return contest{
			title: what + "written to " + filepath.Dir(dir),
			ours:  s.big(data, size, out),
			peers: []contender{hashing, {
				name:    "by hand (cp -a, tar, sha256sum, tar)",
				args:    []string{"sh", s.byHand, "-a", data, out, "/bin/bash"},
				output:  out,
				atLeast: size,
			}},
		}
	}
	contests := s.inBoth(in)

	hashing.atMost = 0 // the second read is the price of a pipe
	pipe := contest{title: what + "to a pipe", ours: s.big(data, size, "-"), peers: []contender{hashing}}
	return append(contests, pipe), nil
}

// big is harvest packing data into the file or pipe named out.
func (s *setup) big(data string, size int64, out string) contender {
	return contender{
		name:    "harvest -o " + filepath.Base(out),
		args:    []string{s.harvest, "--bin", "/bin/bash", "--add", data + ":/data", "-t", "big:v1", "-o", out, "-q"},
		output:  out,
		atLeast: size,
		maxRSS:  bigRSS,
	}
}

// inBoth asks the same twice: on the disk, and in memory if there is room. The difference is what disk and fsync
// cost.
func (s *setup) inBoth(in func(dir string) contest) []contest {
	if s.shm == "" {
		fmt.Fprintf(s.log, "bench: skipping output in %s: no room for %d MB\n", memory, 4*bigBytes/mega)
		return []contest{in(s.temp)}
	}
	return []contest{in(s.temp), in(s.shm)}
}

// sameQuestion limits harvest to what its peers look for, which is what the loader follows. That it also follows what
// programs open later, unless told otherwise, is measured beside it.
const sameQuestion = ", but for what they open later"

// prepareResolve asks for the libraries of every program of the system. harvest and libtree answer in one process.
// libtree shows a library's own needs only once and follows no loader's order, so that its task is the smaller one.
func prepareResolve(_ context.Context, s *setup) ([]contest, error) {
	programs, err := findPrograms("/usr/bin", "/usr/sbin")
	if err != nil {
		return nil, err
	}
	var names, pairs []string
	for _, p := range programs {
		names = append(names, p.path)
		pairs = append(pairs, p.loader, p.path)
	}
	with := func(args []string, more ...string) []string { return append(more, args...) }

	libtree := contender{name: "libtree -p -vv", atMost: depsOfTree, exits: []int{libtreeUnmet}}
	if path, err := exec.LookPath("libtree"); err != nil {
		libtree.missing = "not installed (Debian: apt install libtree)"
	} else {
		libtree.args = with(names, path, "-p", "-vv")
	}
	return []contest{{
		title: fmt.Sprintf("(c) the libraries of %d programs in /usr/bin and /usr/sbin%s", len(programs), sameQuestion),
		ours:  s.deps(names, "--dlopen", "none"),
		peers: []contender{
			libtree,
			{name: "ld.so --list, one after the other", args: with(pairs, s.self, "ld.so"), atMost: depsOfLoader},
			{name: "u-root's ldd.List, one after the other", args: with(names, s.self, "u-root"), atMost: anyFaster},
			s.deps(names),
		},
	}}, nil
}

// prepareOne asks for the libraries of one program, where most of the time is that of starting a process: u-root's
// package gets one of its own.
func prepareOne(_ context.Context, s *setup) ([]contest, error) {
	const program = "/bin/bash"
	loader := interpOf(program)
	if loader == "" {
		return nil, fmt.Errorf("%s is no dynamic program", program)
	}
	const turns = 50
	return []contest{{
		title: fmt.Sprintf("(d) the libraries of %s%s, %d turns", program, sameQuestion, turns),
		turns: turns,
		ours:  s.deps([]string{program}, "--dlopen", "none"),
		peers: []contender{
			{name: "u-root's ldd.List", args: []string{s.self, "u-root", program}, atMost: oneOfLdd},
			{name: "ld.so --list", args: []string{loader, "--list", program}},
			s.deps([]string{program}),
		},
	}}, nil
}

// deps is harvest listing the libraries of programs.
func (s *setup) deps(programs []string, flags ...string) contender {
	args := append([]string{"deps", "--list"}, flags...)
	return contender{
		name:  "harvest " + strings.Join(args, " "),
		args:  slices.Concat([]string{s.harvest}, args, programs),
		exits: []int{harvestUnmet},
	}
}
