package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
)

const bigBytes = 350 * mega

// A source is a folder that gives its files to the data of the big image: the first in lexical order that it has.
type source struct {
	dir      string
	min, max int64 // sizes of a file
	files    int
}

// sources have the mix of a real root: thousands of small texts, and some programs and libraries that hold most
// bytes.
func sources(goroot string) []source {
	const small, large, many = 256 << 10, 32 << 20, math.MaxInt
	return []source{
		{filepath.Join(goroot, "src"), 0, large, 6800},
		{filepath.Join(goroot, "bin"), small, large, many},
		{filepath.Join(goroot, "pkg"), small, large, many},
		{"/usr/lib", small, large, many},
	}
}

// makeData fills the folder to with the data of the big image and returns what it has. It works in a child, because
// the memory that we need here would be counted as the peers' (see rssFloor).
func (s *setup) makeData(ctx context.Context, to string) (files int, bytes int64, err error) {
	root, err := goroot(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for GOROOT: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.self, "data", root, to)
	cmd.Stderr = s.log
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("copying files: %w", err)
	}
	_, err = fmt.Sscan(string(out), &files, &bytes)
	return files, bytes, err
}

// dataChild is the child of makeData: it copies files of the folder GOROOT and others into a folder, and prints their
// number and size.
func dataChild(args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: bench data GOROOT FOLDER")
	}
	names, err := choose(sources(args[0]), bigBytes)
	if err != nil {
		return err
	}
	var size int64
	for _, name := range names {
		n, err := copyFile(filepath.Join(args[1], name), name)
		if err != nil {
			return err
		}
		size += n
	}
	_, err = fmt.Fprintln(stdout, len(names), size)
	return err
}

// choose takes files from the sources in their order, each once, as long as their total stays within budget. The same
// files give the same choice.
func choose(from []source, budget int64) ([]string, error) {
	var names []string
	seen := make(map[string]bool)
	for _, src := range from {
		left := src.files
		err := walk(src.dir, func(name string, size int64) error {
			if left == 0 || budget <= src.min {
				return fs.SkipAll
			}
			if size < src.min || size > min(src.max, budget) || seen[name] {
				return nil
			}
			names, seen[name] = append(names, name), true
			budget -= size
			left--
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// walk calls visit for the regular files below dir that everybody may read, in lexical order. There may be no dir.
func walk(dir string, visit func(name string, size int64) error) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err != nil || fi.Mode().Perm()&0o004 == 0 {
			return err
		}
		return visit(name, fi.Size())
	})
}

// copyFile copies a regular file, making the folders above the new one. It keeps the permissions.
func copyFile(to, from string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fi.Mode().Perm())
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	return n, errors.Join(err, out.Close())
}
