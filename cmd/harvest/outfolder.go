package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var errNotEmpty = errors.New("the folder is not empty")

// writeFolder makes what write puts into a folder the folder called name, whole
// or not at all. A folder that is there already stays, with its mode, and gets
// new contents if it is empty or replaceable says so; else it is left alone.
func writeFolder(ctx context.Context, name string, replaceable func(dir string) bool, write func(dir string) error) (err error) {
	real, err := filepath.Abs(name)
	if err != nil {
		return writing(name, err)
	}
	real = destinationOf(real)
	old, err := occupied(real, replaceable)
	if err != nil {
		return writing(name, err)
	}
	// Beside a folder that is there, nothing need be writable, nor on the same
	// file system.
	parent := filepath.Dir(real)
	if old {
		parent = real
	}
	temp, err := os.MkdirTemp(parent, tempName(real))
	if errors.Is(err, fs.ErrNotExist) {
		err = noFolder(filepath.Dir(name))
	}
	if err != nil {
		return writing(name, err)
	}
	defer func() {
		if rerr := removeAll(temp); err == nil {
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
	if old {
		return writing(name, exchange(real, temp))
	}
	return writing(name, os.Rename(dir, real))
}

// removeAll removes a folder with all that is in it, be it in folders that their
// owner may not write to.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(name, 0o700)
		}
		return err
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// tempName is the beginning of the name of what is to be called name.
func tempName(name string) string { return fmt.Sprintf(".%.50s.", filepath.Base(name)) }

// inFolder names the output in an error about a file below temp.
func inFolder(name, temp string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && strings.HasPrefix(pe.Path, temp) {
		return writing(name, pe)
	}
	return err
}

// exchange moves what is in the folder name into temp/old, where temp is in it,
// and what is in temp/new in its place; if it cannot, everything stays as it was.
func exchange(name, temp string) error {
	fresh, aside := filepath.Join(temp, "new"), filepath.Join(temp, "old")
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	if err := moveAll(name, aside, filepath.Base(temp)); err != nil {
		return err
	}
	if err := moveAll(fresh, name, ""); err != nil {
		return errors.Join(err, moveAll(aside, name, ""))
	}
	return nil
}

// moveAll moves everything in one folder but the entry called but to another
// folder; if it cannot, everything goes back.
func moveAll(from, to, but string) (err error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.Name() == but {
			continue
		}
		if err := move(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			for _, e := range entries[:i] {
				if e.Name() != but {
					err = errors.Join(err, move(filepath.Join(to, e.Name()), filepath.Join(from, e.Name())))
				}
			}
			return err
		}
	}
	return nil
}

// move renames a file or folder. A folder that its owner may not write to stays
// such a one, and is opened for the moment: rename(2) changes its "..".
func move(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode()&0o200 != 0 {
		return os.Rename(from, to)
	}
	if err := os.Chmod(from, info.Mode()|0o200); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Chmod(from, info.Mode()))
	}
	return os.Chmod(to, info.Mode())
}

// occupied reports whether a folder is at name whose contents may be replaced.
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
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 && (replaceable == nil || !replaceable(name)) {
		err = errNotEmpty
	}
	return true, err
}
