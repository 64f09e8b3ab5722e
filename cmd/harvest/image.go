package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
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
OCI layout, - for an archive on stdin, or the name of an image in a registry, as
in debian:12 or 127.0.0.1:5000/app. Where one holds several images, ARCHIVE:NAME
and --platform choose among them.`

// imageOrigin is the part of the command line that says which image a name means.
type imageOrigin struct {
	registryOptions
	limitOptions
	platform string
}

// addFlags adds the flags that choose among the images of an index, and say how
// to get at one.
func (o *imageOrigin) addFlags(cmd *cobra.Command) {
	addPlatformFlag(cmd, &o.platform)
	o.registryOptions.addFlags(cmd)
	o.addFlag(cmd)
	cmd.PreRun = func(cmd *cobra.Command, _ []string) { o.given(cmd) }
}

// addPlatformFlag adds the flag that chooses among the images of an index.
func addPlatformFlag(cmd *cobra.Command, platform *string) {
	cmd.Flags().StringVar(platform, "platform", "", "`PLATFORM`: of several images, the one for linux/arm64, say")
	completeWords(cmd, "platform", platforms...)
}

// images are what a name on the command line leads to.
type images struct {
	store  *pack.Store      // nil if they come from a registry
	client *registry.Client // or from a store
	wanted []*pack.Image    // those that are meant
	limits pack.Limits
	temp   *os.File // what came through a pipe or a network, or was compressed
}

// openImage opens the one image that a name leads to. Its layers can be read
// until it is closed, or ctx is done.
func (o *imageOrigin) openImage(ctx context.Context, s streams, name string) (*pack.Image, io.Closer, error) {
	list, err := o.openImages(ctx, s, name)
	if err != nil {
		return nil, nil, err
	}
	_, err = list.one()
	if err == nil {
		err = list.fetch(ctx)
	}
	if err != nil {
		list.Close()
		return nil, nil, naming(name, err)
	}
	return list.wanted[0], list, nil
}

// one returns the one image that is wanted.
func (list *images) one() (*pack.Image, error) {
	if len(list.wanted) > 1 {
		_, err := list.store.Find("", v1.Platform{}) // which names them
		return nil, &severalError{err}
	}
	return list.wanted[0], nil
}

// openImages opens all images that a name leads to, one at least. What is there
// as a file or folder comes first.
func (o *imageOrigin) openImages(ctx context.Context, s streams, name string) (*images, error) {
	file, chosen, err := splitImage(name)
	if errors.Is(err, errNoSource) && inRegistry(name) {
		return o.pull(ctx, s, name)
	}
	if err != nil {
		return nil, err
	}
	list := &images{limits: o.limits()}
	if err = list.open(ctx, s, file); err == nil {
		err = list.choose(chosen, o.platform)
	}
	if err != nil {
		list.Close()
		return nil, naming(file, err)
	}
	return list, nil
}

// pull opens the image that a registry has under a name.
func (o *imageOrigin) pull(ctx context.Context, s streams, name string) (*images, error) {
	platform, err := parsePlatform(o.platform)
	if err != nil {
		return nil, err
	}
	client, err := o.client(s)
	if err != nil {
		return nil, err
	}
	img, err := client.Pull(ctx, name, platform)
	if err != nil {
		client.Close()
		return nil, &pullError{fmt.Errorf("%s is no file or folder, and %w", name, err)}
	}
	return &images{client: client, wanted: []*pack.Image{img}}, nil
}

// fetch copies the layers that are wanted out of a registry, so that they can be
// read more than once.
func (list *images) fetch(ctx context.Context) (err error) {
	if list.client == nil || list.temp != nil {
		return nil
	}
	if list.temp, err = nameless(); err != nil {
		return err
	}
	list.wanted[0], err = list.client.Fetch(ctx, list.wanted[0], list.temp)
	return err
}

// A pullError is what is wrong with a registry, or with what it gives.
type pullError struct{ error }

func (e *pullError) Unwrap() error { return e.error }

// inRegistry reports whether a name that is no file is to be asked for in a
// registry: it must name one, or have a tag or a digest. So a file that was
// misspelt is not looked for all over the world.
func inRegistry(name string) bool {
	host, _, hasHost := strings.Cut(name, "/")
	last := path.Base(name)
	repository := last[:strings.IndexAny(last+":", ":@")]
	switch {
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "/"):
		return false
	case slices.Contains([]string{".tar", ".tgz", ".gz", ".zst"}, path.Ext(repository)):
		return false
	case hasHost && (host == "localhost" || strings.ContainsAny(host, ".:")):
		return true
	}
	return repository != last
}

// whole reports whether all images of a store are meant.
func (list *images) whole() bool {
	return list.store != nil && len(list.wanted) == len(list.store.Images)
}

// choose finds the images that a name and a platform fit.
func (list *images) choose(name, platform string) error {
	p, err := parsePlatform(platform)
	if err != nil {
		return err
	}
	list.wanted = list.store.Images
	if name == "" && platform == "" {
		return nil
	}
	img, err := list.store.Find(name, p)
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
	if list.store, err = pack.Open(file); !errors.Is(err, pack.ErrCompressed) {
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
		store, err = pack.Spool(list.temp, r, list.limits)
		return err
	})
	if err == nil {
		list.store = store
	}
	return err
}

// tempPrefix begins the names of temporary files, also of those of pack.
const tempPrefix = "harvest-"

// nameless returns an empty file that is gone when it is closed.
func nameless() (*os.File, error) {
	f, err := os.CreateTemp("", tempPrefix)
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// Close closes what reading the images has opened.
func (list *images) Close() (err error) {
	if list.store != nil {
		err = list.store.Close()
	}
	if list.client != nil {
		list.client.Close()
	}
	if list.temp != nil {
		err = errors.Join(err, list.temp.Close())
	}
	return err
}
