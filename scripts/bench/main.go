// Command bench times harvest against what people would use instead of it, and prints ratios.
//
//	go run ./scripts/bench [-n RUNS] [-only a|b|c|d|e|f|g] [-harvest FILE]
//
//	a  an image of bash and echo, against the recipe by hand (see the script by-hand)
//	b  an image of about 350 MB in 7,000 files, against that recipe and against reading and hashing the same bytes
//	c  the libraries of every program in /usr/bin and /usr/sbin, against libtree, the loader itself and u-root's ldd
//	d  the libraries of bash, against u-root's ldd and the loader
//	e  bash upon an image of about 350 MB, against cp; looking into that image, against cat
//	f  that image to a registry on loopback and back, against skopeo and crane
//
// The rule: nobody trusts a number that was measured on another day. harvest and its peers take turns on the same
// machine, so that what disturbs one disturbs the other, and a ratio is the median over these turns. Every turn
// starts with an empty output folder, a quiet disk and warm caches.
//
// A benchmark is no test: a missed aim is printed and does not fail. A command that fails, or writes less than it
// must, does: it would have won.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// run is the whole command. Bench starts itself again for the peers that are Go code; their names are the first
// argument.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		if child, ok := children[args[0]]; ok {
			return child(args[1:], stdout)
		}
	}
	opts, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return bench(ctx, opts, stdout, stderr)
}

// options are the flags. The zero value measures nothing.
type options struct {
	runs    int
	only    string // the name of a case; empty means all of them
	harvest string // a binary to measure; empty means to build one
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&opts.runs, "n", 7, "measure `RUNS` turns of each command")
	flags.StringVar(&opts.only, "only", "", "measure one `CASE`: a, b, c, d, e, f or g")
	flags.StringVar(&opts.harvest, "harvest", "", "measure the harvest in `FILE` instead of building one")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.runs < 1:
		return opts, fmt.Errorf("-n %d: at least one run is needed", opts.runs)
	case !slices.Contains([]string{"", "a", "b", "c", "d", "e", "f", "g"}, opts.only):
		return opts, fmt.Errorf("-only %s: the cases are a, b, c, d, e, f and g", opts.only)
	}
	return opts, nil
}

// bench makes the setup, measures the chosen cases and prints each contest as soon as it is over.
func bench(ctx context.Context, opts options, stdout, stderr io.Writer) (err error) {
	s, err := newSetup(ctx, opts, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	fmt.Fprint(stdout, s.header(opts.runs))
	for _, c := range cases {
		if opts.only != "" && opts.only != c.name {
			continue
		}
		contests, err := c.prepare(ctx, s)
		if err != nil {
			return fmt.Errorf("preparing case %s: %w", c.name, err)
		}
		for _, contest := range contests {
			fmt.Fprintf(stderr, "bench: measuring %s\n", contest.title)
			results, err := compete(ctx, contest, opts.runs)
			if err != nil {
				return fmt.Errorf("measuring case %s: %w", c.name, err)
			}
			fmt.Fprint(stdout, "\n", table(contest, results))
		}
	}
	return nil
}
