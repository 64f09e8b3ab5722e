package main

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// children are the commands that bench runs itself for, by their name on the command line.
var children = map[string]func(args []string, stdout io.Writer) error{
	"data":   dataChild,
	"sha256": shaChild,
	"ld.so":  loaderChild,
	"u-root": urootChild,
}

// shaChild hashes all files below a folder, in lexical order and in one goroutine, and prints the digest. No program
// that names an image by its contents can do less.
func shaChild(args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: bench sha256 FOLDER")
	}
	hash := sha256.New()
	buf := make([]byte, 1<<20)
	err := filepath.WalkDir(args[0], func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return readInto(hash, name, buf)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%x\n", hash.Sum(nil))
	return err
}

// readInto copies a file by way of buf.
func readInto(w io.Writer, name string, buf []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// The bare *os.File has a WriteTo, which would take a small buffer of its own.
	_, err = io.CopyBuffer(w, struct{ io.Reader }{f}, buf)
	return err
}

// loaderChild asks the loader for the libraries of each program: ld.so --list, as ldd does. The arguments are pairs
// of a loader and a program. What the loader says about a program is an answer, also if it is that a library is
// missing.
func loaderChild(args []string, _ io.Writer) error {
	for i := 0; i+1 < len(args); i += 2 {
		err := exec.Command(args[i], "--list", args[i+1]).Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return err
		}
	}
	return nil
}

// A program is a file that asks for a loader.
type program struct{ path, loader string }

// findPrograms returns the dynamic ELF programs of the folders, sorted in each. Scripts, links and static programs
// are left out, and so is a folder that is a link to another of them.
func findPrograms(dirs ...string) ([]program, error) {
	var list []program
	seen := make(map[string]bool)
	for _, dir := range dirs {
		target, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, err
		}
		if seen[target] {
			continue
		}
		seen[target] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if loader := interp(path, e); loader != "" {
				list = append(list, program{path, loader})
			}
		}
	}
	return list, nil
}

// interp returns the loader that a file of a folder names; empty if it is a link or no dynamic ELF program.
func interp(path string, e fs.DirEntry) string {
	if !e.Type().IsRegular() {
		return ""
	}
	return interpOf(path)
}

// interpOf returns the loader that a file names in PT_INTERP; empty if it is no readable dynamic ELF program.
func interpOf(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		name, err := io.ReadAll(p.Open())
		if err != nil {
			return ""
		}
		return strings.TrimRight(string(name), "\x00")
	}
	return ""
}
