package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile makes write's output the file called name, whole or not at all: it
// goes into a temporary file beside it that takes its place at the end. What is
// no regular file, such as a pipe or /dev/null, is written to directly.
func writeFile(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return fileErrorf(name, errors.New("is a folder"))
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(ctx, name, write)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fileErrorf(name, err)
	}
	f, err := createBeside(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fileErrorf(name, err)
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(fileWriter{ctx, f}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// createBeside creates a new file in the folder of name, with the mode that the
// umask gives new files.
func createBeside(name string) (*os.File, error) {
	for try := 0; ; try++ {
		temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d-%d", filepath.Base(name), os.Getpid(), try))
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

func writeThrough(ctx context.Context, name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = write(contextWriter{ctx, f})
	if err = errors.Join(err, f.Close()); err != nil {
		return fileErrorf(name, err)
	}
	return nil
}

// fileWriter is a file that stops being writable when its context is done.
type fileWriter struct {
	ctx context.Context
	*os.File
}

func (f fileWriter) Write(p []byte) (int, error) { return contextWriter{f.ctx, f.File}.Write(p) }

// writeFolder makes what write puts into a folder the folder called name, whole
// or not at all. A folder that is there already is replaced if it is empty or
// replaceable says so, and left alone otherwise.
func writeFolder(name string, replaceable func(dir string) bool, write func(dir string) error) (err error) {
	name = filepath.Clean(name)
	old, err := occupied(name, replaceable)
	if err != nil {
		return fileErrorf(name, err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(name), "."+filepath.Base(name)+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fileErrorf(name, errors.Join(err, os.RemoveAll(temp)))
		}
	}()
	dir := filepath.Join(temp, "new")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := write(dir); err != nil {
		return err
	}
	if old {
		if err := os.Rename(name, filepath.Join(temp, "old")); err != nil {
			return err
		}
	}
	if err := os.Rename(dir, name); err != nil {
		return err
	}
	return os.RemoveAll(temp)
}

// occupied reports whether something is at name that may be replaced.
func occupied(name string, replaceable func(dir string) bool) (bool, error) {
	entries, err := os.ReadDir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case len(entries) > 0 && (replaceable == nil || !replaceable(name)):
		return false, errors.New("the folder exists and is not empty")
	}
	return true, nil
}

// isLayout reports whether dir is an OCI layout, which a new one may replace.
func isLayout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "oci-layout"))
	return err == nil
}
