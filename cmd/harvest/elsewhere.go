package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// elsewhereError is an error about missing libraries after they have been looked
// for where no loader looks.
type elsewhereError struct {
	error
	found []plan.Elsewhere
}

func (e *elsewhereError) Unwrap() error { return e.error }

// lookElsewhere looks for the libraries that an error says are missing, for the
// sake of its hint.
func lookElsewhere(ctx context.Context, host *rootfs.Host, err error) error {
	if err == nil {
		return nil
	}
	errs := split(err)
	for i, e := range errs {
		var missing *elfdeps.MissingError
		if errors.As(e, &missing) {
			files := slices.DeleteFunc(slices.Clone(missing.Missing), isNoFile)
			errs[i] = &elsewhereError{e, plan.LookElsewhere(ctx, host, files)}
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// isNoFile reports whether what is missing is not a file but a name, or a library
// of that name among those that are loaded.
func isNoFile(m elfdeps.Missing) bool { return m.Need.Name == "" || m.Need.Tag == elf.DT_VERNEED }

// maxElsewhereHints is how many libraries' whereabouts a hint tells.
const maxElsewhereHints = 8

// elsewhereHint says where files of missing names are, a line for each, and how
// to have them found.
func elsewhereHint(found []plan.Elsewhere) string {
	var lines []string
	told := make(map[string]bool)
	for _, e := range slices.Concat(fitting(found, true), fitting(found, false)) {
		if told[e.Name] {
			continue
		}
		told[e.Name] = true
		if e.Fits {
			lines = append(lines, fmt.Sprintf("%s is there: --library-path %s", e.Path, shellWord(path.Dir(e.Path))))
		} else {
			lines = append(lines, fmt.Sprintf("%s is there, but for %v", e.Path, e.Arch))
		}
	}
	if n := len(lines) - maxElsewhereHints; n > 0 {
		lines = append(lines[:maxElsewhereHints], fmt.Sprintf("%d more are in such places", n))
	}
	return strings.Join(lines, "\n")
}

func fitting(found []plan.Elsewhere, fits bool) []plan.Elsewhere {
	return slices.DeleteFunc(slices.Clone(found), func(e plan.Elsewhere) bool { return e.Fits != fits })
}
