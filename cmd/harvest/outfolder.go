package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errNotEmpty = errors.New("the folder is not empty")

// writeFolder makes what write puts into a folder the folder called name, whole
// or not at all. A folder that is there already is replaced if it is empty or
// replaceable says so, and left alone otherwise.
func writeFolder(ctx context.Context, name string, replaceable func(dir string) bool, write func(dir string) error) (err error) {
	real, err := filepath.Abs(name)
	if err != nil {
		return writing(name, err)
	}
	if r, err := filepath.EvalSymlinks(real); err == nil {
		real = r
	}
	old, err := occupied(real, replaceable)
	if err != nil {
		return writing(name, err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(real), "."+filepath.Base(real)+".")
	if errors.Is(err, fs.ErrNotExist) {
		err = noFolder(filepath.Dir(name))
	}
	if err != nil {
		return writing(name, err)
	}
	defer func() {
		if rerr := os.RemoveAll(temp); err == nil {
			err = writing(name, rerr)
		}
	}()
	dir := filepath.Join(temp, "new")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return writing(name, err)
	}
	if err := write(dir); err != nil {
		return inFolder(name, temp, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return writing(name, exchange(real, dir, filepath.Join(temp, "old"), old))
}

// inFolder names the output in an error about a file below temp.
func inFolder(name, temp string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && strings.HasPrefix(pe.Path, temp) {
		return writing(name, pe)
	}
	return err
}

// exchange puts the folder fresh where name is, after moving what is there out
// of the way; if it cannot, everything stays as it was.
func exchange(name, fresh, aside string, old bool) error {
	if !old {
		return os.Rename(fresh, name)
	}
	if err := os.Rename(name, aside); err != nil {
		return err
	}
	if err := os.Rename(fresh, name); err != nil {
		return errors.Join(err, os.Rename(aside, name))
	}
	return nil
}

// occupied reports whether something is at name that may be replaced.
func occupied(name string, replaceable func(dir string) bool) (bool, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, errors.New("is a file, and a folder is to be written")
	}
	if here, err := os.Stat("."); err == nil && os.SameFile(here, info) {
		return false, errors.New("the current folder cannot be replaced")
	}
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 && (replaceable == nil || !replaceable(name)) {
		err = errNotEmpty
	}
	return true, err
}

// isLayout reports whether dir is an OCI layout and nothing else, which a new
// one may replace.
func isLayout(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return slices.Equal(names, []string{"blobs", "index.json", "oci-layout"})
}
