package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

var (
	errBelowRoot = errors.New("no such file below --root")
	errRelative  = errors.New("no such file, and no absolute DST")
)

// misread returns an error if something that is not there was given in a way
// that tells what is meant: with --root's own path, or with a relative DST.
func (s *selection) misread(host *rootfs.Host, spec plan.Spec) error {
	var errs []error
	for i, arg := range s.bins {
		errs = append(errs, s.misreadInput(host, "--bin", arg, spec.Programs[i]))
	}
	for i, arg := range s.adds {
		errs = append(errs, s.misreadInput(host, "--add", arg, spec.Files[i]))
	}
	return errors.Join(errs...)
}

func (s *selection) misreadInput(host *rootfs.Host, flag, arg string, in plan.Input) error {
	file := in.Source
	if flag == "--bin" {
		var err error
		if file, err = plan.Find(host, in.Source); err != nil {
			file = in.Source
		}
	}
	if _, err := host.RealPath(file); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	src, _ := splitInput(arg)
	if s.isBelowRoot(host, src) {
		return fmt.Errorf("%s %s: %w", flag, arg, errBelowRoot)
	}
	if _, dst, ok := strings.Cut(arg, ":"); ok && in.Dest == "" && dst != "" {
		return fmt.Errorf("%s %s: %w", flag, arg, errRelative)
	}
	return nil
}

// isBelowRoot reports whether a name that the user gave, taken as the shell
// takes it, is a file below another root.
func (s *selection) isBelowRoot(host *rootfs.Host, name string) bool {
	abs, err := filepath.Abs(name)
	if err != nil || isTop(s.root) || !strings.HasPrefix(abs, host.Dir()+"/") {
		return false
	}
	_, err = os.Lstat(abs)
	return err == nil
}
