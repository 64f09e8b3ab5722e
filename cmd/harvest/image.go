package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// stdin is the archive that - names.
const stdin = "-"

var (
	errInTerminal = errors.New("an archive is not read from a terminal")
	errNoSource   = errors.New("there is no such file or folder")
)

// imageHelp is what verbs say of an argument IMAGE.
const imageHelp = `IMAGE is an archive that docker, podman or harvest has saved, the folder of an
OCI layout, or - for an archive on stdin. Where one holds several images,
ARCHIVE:NAME and --platform choose among them.`

// images are what a name on the command line leads to.
type images struct {
	*pack.Store
	wanted []*pack.Image // those of the store that are meant
	temp   *os.File      // what came through a pipe, or was compressed
}

// openImage opens the one image that a name and a platform, which may be "",
// lead to. Its layers can be read until it is closed.
func openImage(ctx context.Context, s streams, name, platform string) (*pack.Image, io.Closer, error) {
	list, err := openImages(ctx, s, name, platform)
	if err != nil {
		return nil, nil, err
	}
	img, err := list.one()
	if err != nil {
		list.Close()
		return nil, nil, naming(name, err)
	}
	return img, list, nil
}

// one returns the one image that is wanted.
func (list *images) one() (*pack.Image, error) {
	if len(list.wanted) > 1 {
		_, err := list.Find("", v1.Platform{}) // which names them
		return nil, &severalError{err}
	}
	return list.wanted[0], nil
}

// openImages opens all images that a name and a platform lead to, one at least.
func openImages(ctx context.Context, s streams, name, platform string) (*images, error) {
	file, chosen, err := splitImage(name)
	if err != nil {
		return nil, err
	}
	list := &images{}
	if err = list.open(ctx, s, file); err == nil {
		err = list.choose(chosen, platform)
	}
	if err != nil {
		list.Close()
		return nil, naming(file, err)
	}
	return list, nil
}

// choose finds the images that a name and a platform fit.
func (list *images) choose(name, platform string) error {
	p, err := parsePlatform(platform)
	if err != nil {
		return err
	}
	list.wanted = list.Images
	if name == "" && platform == "" {
		return nil
	}
	img, err := list.Find(name, p)
	if err != nil {
		return &severalError{err}
	}
	list.wanted = []*pack.Image{img}
	return nil
}

// A severalError says that not exactly one image is meant.
type severalError struct{ error }

func (e *severalError) Unwrap() error { return e.error }

// naming puts the name of what was opened before an error that does not say it.
func naming(name string, err error) error {
	var pe *fs.PathError
	var usage *usageError
	if errors.As(err, &pe) && pe.Path == name || errors.Is(err, errInTerminal) || errors.As(err, &usage) {
		return err
	}
	if name == stdin {
		name = "stdin"
	}
	return fmt.Errorf("%s: %w", name, err)
}

// splitImage takes ARCHIVE:NAME apart. What is there under the whole name, colons
// and all, is the archive.
func splitImage(name string) (file, chosen string, err error) {
	if name == stdin || exists(name) {
		return name, "", nil
	}
	for at := strings.LastIndexByte(name, ':'); at > 0; at = strings.LastIndexByte(name[:at], ':') {
		if exists(name[:at]) {
			return name[:at], name[at+1:], nil
		}
	}
	return "", "", fmt.Errorf("%s: %w", name, errNoSource)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func parsePlatform(name string) (p v1.Platform, err error) {
	if name == "" {
		return p, nil
	}
	platform, err := plan.ParsePlatform(name)
	if err != nil {
		return p, usagef("--%w", err)
	}
	fields := append(strings.Split(string(platform), "/"), "")
	return v1.Platform{OS: fields[0], Architecture: fields[1], Variant: fields[2]}, nil
}

// open opens the archive or folder, in place where that can be.
func (list *images) open(ctx context.Context, s streams, file string) (err error) {
	if file == stdin {
		if s.inTerm {
			return errInTerminal
		}
		return list.spool(ctx, s.in)
	}
	if list.Store, err = pack.Open(file); !errors.Is(err, pack.ErrCompressed) {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return list.spool(ctx, f)
}

// spool opens an archive that cannot be read in place.
func (list *images) spool(ctx context.Context, r io.Reader) (err error) {
	if list.temp, err = nameless(); err != nil {
		return err
	}
	var store *pack.Store
	err = unlessDone(ctx, func() (err error) {
		store, err = pack.Spool(list.temp, r, pack.Limits{})
		return err
	})
	if err == nil {
		list.Store = store
	}
	return err
}

// nameless returns an empty file that is gone when it is closed.
func nameless() (*os.File, error) {
	f, err := os.CreateTemp("", "harvest-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// Close closes what reading the images has opened.
func (list *images) Close() (err error) {
	if list.Store != nil {
		err = list.Store.Close()
	}
	if list.temp != nil {
		err = errors.Join(err, list.temp.Close())
	}
	return err
}
