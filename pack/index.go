package pack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Index is one name for images of several platforms: an engine that pulls it
// gets the one for itself.
type Index struct {
	Tags   []string // full names, as ParseTag returns them; may be empty
	Images []*Image // one for each platform; their own names do not count
}

// A PlatformError says that two images of an index are for one platform, so that
// nobody could have the second.
type PlatformError struct{ Platform string }

func (e *PlatformError) Error() string { return "two images are for " + e.Platform }

// WriteIndexLayout writes an index and its images as an OCI layout into the
// folder dir, as [WriteLayout] does with one image, and returns the digest of
// the index and those of the images.
func WriteIndexLayout(dir string, x *Index) (digest.Digest, []Digests, error) {
	if err := x.check(); err != nil {
		return "", nil, err
	}
	blobs := filepath.Join(dir, filepath.FromSlash(blobFolder))
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return "", nil, err
	}
	return x.write(
		func(img *Image) ([]Blob, error) {
			layers := make([]Blob, len(img.Layers))
			for i, l := range img.Layers {
				var err error
				if layers[i], err = layerFile(blobs, l, img.Compression); err != nil {
					return nil, layerError(i, err)
				}
			}
			return layers, nil
		},
		func(name string, data []byte) error {
			return os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), data, 0o644)
		})
}

// WriteIndexArchive writes an index and its images as one tar, as [WriteArchive]
// does with one image. It is an OCI layout and no docker archive, which could
// not say which of the images is meant.
func WriteIndexArchive(w io.Writer, x *Index) (digest.Digest, []Digests, error) {
	if err := x.check(); err != nil {
		return "", nil, err
	}
	a := newArchive(w, nil)
	a.folder("blobs/")
	a.folder(blobFolder)
	sum, digests, err := x.write(
		func(img *Image) ([]Blob, error) {
			a.img = img
			layers, _, err := a.layers(func(_ int, b Blob) string { return blobName(b.Digest) })
			return layers, err
		},
		func(name string, data []byte) error {
			if !a.done[name] {
				a.member(name, data)
			}
			a.done[name] = true
			return a.err
		})
	return sum, digests, errors.Join(err, a.close())
}

// check refuses an index that nobody could choose from.
func (x *Index) check() error {
	for i, img := range x.Images {
		for _, other := range x.Images[:i] {
			if SamePlatform(img.Platform(), other.Platform()) {
				return &PlatformError{PlatformText(img.Platform())}
			}
		}
	}
	if len(x.Images) == 0 {
		return errors.New("an index of no images")
	}
	return nil
}

// write writes layers first and documents from the bottom up.
func (x *Index) write(layers func(*Image) ([]Blob, error), file func(name string, data []byte) error) (digest.Digest, []Digests, error) {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	var all []Digests
	for _, img := range x.Images {
		p := img.Platform()
		blobs, err := layers(img)
		if err != nil {
			return "", nil, fmt.Errorf("writing the image for %s: %w", PlatformText(p), err)
		}
		doc, digests, err := img.Documents(blobs)
		if err != nil {
			return "", nil, err
		}
		if err := errors.Join(file(blobName(digests.Image), doc.Config), file(blobName(digests.Manifest), doc.Manifest)); err != nil {
			return "", nil, err
		}
		desc := descriptorOf(v1.MediaTypeImageManifest, doc.Manifest)
		desc.Platform = &p
		index.Manifests = append(index.Manifests, desc)
		all = append(all, digests)
	}
	data, err := json.Marshal(index)
	if err != nil {
		return "", nil, err
	}
	top, err := indexFile(descriptorOf(v1.MediaTypeImageIndex, data), x.Tags)
	if err != nil {
		return "", nil, err
	}
	sum := digest.FromBytes(data)
	return sum, all, errors.Join(file(blobName(sum), data), file(v1.ImageIndexFile, top), file(v1.ImageLayoutFile, layoutFile()))
}
