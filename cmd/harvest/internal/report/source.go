package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

// A Source is what a page is made from.
type Source struct {
	Title    string // what people call the image
	Platform string
	Created  string
	Load     string // the command that loads it, "" if there is none

	Root *rootfs.Tree                           // what the image has in all
	Why  func(*rootfs.Entry) []rootfs.Reason    // the reasons for a path of Root
	Own  func(*rootfs.Entry) (o Owner, ok bool) // whose it is

	Programs    []string         // paths in Root; the first are those that the image is for
	LibraryPath []string         // LD_LIBRARY_PATH in the image
	Dlopen      elfdeps.Priority // how far what programs open later is followed

	Documents pack.Documents // what there is of them
	Layers    []Layer
	Place     Place

	ByHand string // a script that makes the image, "" if there is none
}

// An Owner is a package and the path that it gives a file.
type Owner = owner.Owner

// A Layer is a blob, and how it came about.
type Layer struct {
	pack.Blob
	CreatedBy string
}

// A Place is where the blobs of an image are, for the commands that check digests.
type Place struct {
	Kind Kind
	Name string // of the file or folder, or in a registry
}

// A Kind is how blobs are stored.
type Kind int

// The kinds of places.
const (
	Nowhere  Kind = iota // they are in no file that could be named
	Archive              // a tar with the blobs of an OCI layout
	Layout               // a folder that is one
	Docker               // a tar with manifest.json, which says what is where
	Registry             // Name is what a registry calls the image
)

// closure resolves the programs inside the image.
func (s *Source) closure(ctx context.Context) (*elfdeps.Closure, error) {
	r := elfdeps.Resolver{FS: s.Root, Dlopen: s.Dlopen, LibraryPath: s.LibraryPath}
	c, _ := r.Resolve(ctx, s.Programs...) // what is missing is part of the picture
	return c, ctx.Err()
}

// sum returns the digest of a file's contents.
func sum(ctx context.Context, e *rootfs.Entry) (_ string, err error) {
	f, err := e.Open()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, contextReader{ctx, f})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", e.Path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

type contextReader struct {
	ctx context.Context
	fs.File
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.File.Read(p)
}

func digestOf(document []byte) digest.Digest {
	if document == nil {
		return ""
	}
	return digest.FromBytes(document)
}
