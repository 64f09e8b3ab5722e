package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

var errIsFolder = errors.New("is a folder")

// writeFile makes write's output the file called name, whole or not at all: it
// goes into a temporary file beside it that takes its place at the end. What is
// no regular file, such as a pipe or /dev/null, is written to directly.
func writeFile(ctx context.Context, name string, write func(io.Writer) error) error {
	real := destinationOf(name)
	info, err := os.Stat(real)
	switch {
	case err == nil && info.IsDir():
		return writing(name, errIsFolder)
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(ctx, real, write)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return writing(name, err)
	}
	f, err := createBeside(real, info)
	if err != nil {
		return writing(name, err)
	}
	err = fill(ctx, f, name, write)
	if err == nil {
		err = writing(name, os.Rename(f.Name(), real))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// mayWrite says why no file can be written that is not there yet, before somebody
// spends time on what goes into it.
func mayWrite(name string) error {
	real := destinationOf(name)
	if _, err := os.Stat(real); !errors.Is(err, fs.ErrNotExist) {
		return writing(name, err)
	}
	f, err := createBeside(real, nil)
	if err != nil {
		return writing(name, err)
	}
	return writing(name, errors.Join(f.Close(), os.Remove(f.Name())))
}

// fill writes and closes the file that is to be called name.
func fill(ctx context.Context, f *os.File, name string, write func(io.Writer) error) error {
	defer f.Close() // for returns before the one below, whose error counts
	if err := write(outFile{outWriter{ctx, f, name}, f}); err != nil {
		return outputErrorOf(err)
	}
	if err := f.Sync(); err != nil {
		return writing(name, err)
	}
	if err := f.Close(); err != nil {
		return writing(name, err)
	}
	return ctx.Err()
}

// maxLinks is how many symbolic links the kernel follows in one name.
const maxLinks = 40

// destinationOf returns what name leads to through symbolic links, be it there
// or not.
func destinationOf(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return name // as a link in /proc, whose text is no path
	}
	for range maxLinks {
		link, err := os.Readlink(name)
		if err != nil {
			return name
		}
		if !filepath.IsAbs(link) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return name
			}
			link = dir + string(filepath.Separator) + link
		}
		name = cleanLast(link)
	}
	return name
}

// cleanLast makes the folder of a path one without links, in which alone ".."
// can be taken literally, if it is there.
func cleanLast(name string) string {
	dir, base := filepath.Split(name)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Join(real, base)
	}
	return name
}

// createBeside creates a new file in the folder of name, with the mode of the
// old one or, if there is none, the one that the umask gives new files.
func createBeside(name string, old fs.FileInfo) (*os.File, error) {
	mode := fs.FileMode(0o666)
	if old != nil {
		mode = old.Mode().Perm()
	}
	dir := filepath.Dir(name)
	for try := 0; ; try++ {
		temp := filepath.Join(dir, fmt.Sprintf("%s%d-%d", tempName(name), os.Getpid(), try))
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, noFolder(dir)
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil || old == nil:
			return f, err
		}
		if err := f.Chmod(mode); err != nil { // what the umask took away
			return nil, errors.Join(err, f.Close(), os.Remove(temp))
		}
		return f, nil
	}
}

func noFolder(dir string) error { return fmt.Errorf("there is no folder %s", dir) }

// writeThrough writes to what is there already, which may block for as long as
// nobody reads.
func writeThrough(ctx context.Context, name string, write func(io.Writer) error) error {
	return unlessDone(ctx, func() error {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return writing(name, err)
		}
		if term.IsTerminal(int(f.Fd())) {
			f.Close()
			return errTerminal
		}
		if err := write(outWriter{ctx, f, name}); err != nil {
			f.Close()
			return outputErrorOf(err)
		}
		return writing(name, f.Close())
	})
}

// unlessDone returns what f returns, or the context's error as soon as it is
// done; f then has nothing to clean up and is left to itself.
func unlessDone(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An outWriter is the output while it is written. It stops being writable when
// its context is done, and its errors name it.
type outWriter struct {
	ctx  context.Context
	w    io.Writer
	name string
}

func (o outWriter) Write(p []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := o.w.Write(p)
	return n, writing(o.name, err)
}

// An outFile is an outWriter in which what is written can be written over.
type outFile struct {
	outWriter
	file *os.File
}

func (o outFile) Seek(offset int64, whence int) (int64, error) { return o.file.Seek(offset, whence) }

func (o outFile) WriteAt(p []byte, at int64) (int, error) {
	n, err := o.file.WriteAt(p, at)
	return n, writing(o.name, err)
}

func (o outFile) Truncate(size int64) error { return writing(o.name, o.file.Truncate(size)) }

// An outputError says what is wrong with the output, rather than with what goes
// into it.
type outputError struct {
	name string
	err  error
}

func (e *outputError) Error() string { return "writing " + e.name + ": " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// writing names the output in an error, in place of what the operating system
// calls it.
func writing(name string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return &outputError{name, err}
}

// outputErrorOf returns the part of an error that is about the output, if it is:
// which layer was being written does not matter then.
func outputErrorOf(err error) error {
	var out *outputError
	if errors.As(err, &out) {
		return out
	}
	return err
}
