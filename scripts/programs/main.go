// Command programs builds images of real programs, each with nothing but --bin,
// and proves in Docker that they work. programs.yaml and awkward.yaml say which
// programs, and what is run.
//
//	go run ./scripts/programs [-install] [-doc FILE] [NAME...]
//
// Programs that are not installed are listed with their packages, and left out;
// with -install they are installed first. It exits with 1 if a check fails, or if
// a program that was named is missing.
//
// Checks that need a network meet a web server and a name server of this
// process: see server.go. Mount namespaces, the server's ports and Docker want
// root.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

//go:embed programs.yaml
var programsYAML []byte

//go:embed awkward.yaml
var awkwardYAML []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("programs", flag.ContinueOnError)
	install := flags.Bool("install", false, "install the packages that are missing")
	doc := flags.String("doc", "", "write the tables of this `FILE` anew")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := readSubjects(programsYAML, awkwardYAML)
	if err != nil {
		return err
	}
	subjects, err := choose(all, flags.Args())
	if err != nil {
		return err
	}
	missing, err := missingPackages(ctx, subjects)
	if err != nil {
		return err
	}
	if *install && len(missing) > 0 {
		if err := installPackages(ctx, missing); err != nil {
			return err
		}
		missing = nil
	}
	dir, err := os.MkdirTemp("", "harvest-programs-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	lab, err := newLab(ctx, dir)
	if err != nil {
		return err
	}
	defer lab.close()
	results := lab.prove(ctx, out, subjects, missing)
	if *doc != "" && ctx.Err() == nil {
		if err := writeTables(ctx, *doc, results); err != nil {
			return err
		}
	}
	return verdict(results, len(flags.Args()) > 0)
}

// choose returns the subjects of the given names, all if there are none.
func choose(all []*subject, names []string) ([]*subject, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []*subject
	for _, name := range names {
		i := slices.IndexFunc(all, func(s *subject) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no program %s in programs.yaml and awkward.yaml", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// verdict returns an error unless all is well.
func verdict(results []*result, named bool) error {
	var failed, missing []string
	for _, r := range results {
		switch {
		case len(r.missing) > 0:
			missing = append(missing, r.missing...)
		case r.err != nil:
			failed = append(failed, r.subject.Name)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	var errs []error
	if len(failed) > 0 {
		errs = append(errs, fmt.Errorf("failed: %s", strings.Join(failed, ", ")))
	}
	if len(missing) > 0 {
		err := fmt.Errorf("not installed: %s\n  apt-get install --no-install-recommends %[1]s\n  or give -install", strings.Join(missing, " "))
		if named {
			errs = append(errs, err)
		} else {
			fmt.Fprintln(os.Stderr, "programs:", err)
		}
	}
	return errors.Join(errs...)
}

// newLab builds harvest, and starts the servers.
func newLab(ctx context.Context, dir string) (*lab, error) {
	l := &lab{dir: dir, harvest: filepath.Join(dir, "harvest")}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.harvest, "github.com/harvest-oci/harvest/cmd/harvest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building harvest: %w\n%s", err, out)
	}
	var err error
	if l.server, err = startServers(filepath.Join(dir, "served")); err != nil {
		return nil, err
	}
	if err := l.trust(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}
