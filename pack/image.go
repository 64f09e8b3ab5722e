package pack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is what is to be written, or what was read: layers from the lowest
// up, and how to run them. Architecture and OS are required.
type Image struct {
	Tags         []string // full names, as ParseTag returns them; may be empty
	Architecture string   // as GOARCH: "amd64"
	Variant      string   // of arm: "v7"
	OS           string   // "linux"
	Author       string   // who is to be asked about it; may be empty
	Created      time.Time
	Config       Config
	Layers       []Layer
	Compression  Compression  // of layers that are no blobs yet
	History      []v1.History // how the layers came about; those that lack an entry get an empty one
	Read         Documents    // what an image that was read consists of; see [Image.Documents]
}

// Documents are the JSON members of an image.
type Documents struct {
	Config, Manifest []byte
}

// Digests are the numbers by which engines and registries know an image.
type Digests struct {
	Image    digest.Digest // the image ID: of the config
	Manifest digest.Digest // "" where none is written
	Layers   []Blob
}

// Append puts a layer on top of the image. Its entry in the history says how it
// came about, in the words of a command line.
func (img *Image) Append(l Layer, createdBy string) {
	img.History = append(img.history(len(img.Layers)), v1.History{Created: img.created(), CreatedBy: createdBy})
	img.Layers = append(slices.Clip(img.Layers), l)
}

// Documents returns config and manifest of an image whose layers are the given
// blobs, and their digests.
//
// Of an image that was read, both are what they were, to the byte, as long as
// they would say the same; where the image says something else, the config keeps
// what this package does not know of, such as a shell.
func (img *Image) Documents(layers []Blob) (Documents, Digests, error) {
	config, err := img.config(layers)
	if err != nil {
		return Documents{}, Digests{}, err
	}
	manifest, err := img.manifest(config, layers)
	if err != nil {
		return Documents{}, Digests{}, err
	}
	return Documents{config, manifest}, Digests{digest.FromBytes(config), digest.FromBytes(manifest), layers}, nil
}

func (img *Image) manifest(config []byte, layers []Blob) ([]byte, error) {
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    descriptorOf(v1.MediaTypeImageConfig, config),
	}
	for _, l := range layers {
		manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
	}
	if img.Read.Manifest != nil && sameParts(img.Read.Manifest, manifest) {
		return img.Read.Manifest, nil
	}
	return json.Marshal(manifest)
}

// sameParts reports whether a manifest that was read lists the same config and
// layers, in the same media types. It need not say its own, which what leads to it
// says too (OCI image spec, manifest.md).
func sameParts(read []byte, want v1.Manifest) bool {
	var have v1.Manifest
	if err := json.Unmarshal(read, &have); err != nil || cmp.Or(have.MediaType, want.MediaType) != want.MediaType {
		return false
	}
	same := func(a, b v1.Descriptor) bool {
		return a.MediaType == b.MediaType && a.Digest == b.Digest && a.Size == b.Size
	}
	return same(have.Config, want.Config) && slices.EqualFunc(have.Layers, want.Layers, same)
}

// index returns index.json of an image with a manifest.
func (img *Image) index(manifest []byte) ([]byte, error) {
	return indexFile(descriptorOf(v1.MediaTypeImageManifest, manifest), img.Tags)
}

// indexFile returns index.json: a descriptor once for each name, under the name
// that containerd and podman go by and the tag that OCI tools go by.
func indexFile(desc v1.Descriptor, tags []string) ([]byte, error) {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, name := range tags {
		desc.Annotations = map[string]string{
			annotationName:       name,
			v1.AnnotationRefName: tagOf(name),
		}
		index.Manifests = append(index.Manifests, desc)
	}
	if len(tags) == 0 {
		index.Manifests = []v1.Descriptor{desc}
	}
	return json.Marshal(index)
}

// annotationName is where containerd and podman look for an image's full name.
const annotationName = "io.containerd.image.name"

func descriptorOf(mediaType string, data []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// A dockerImage is an element of manifest.json, which tells docker load the
// paths of config and layers in the archive.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (img *Image) dockerManifest(config string, layers []string) ([]byte, error) {
	return json.Marshal([]dockerImage{{config, img.Tags, layers}})
}

// layerError says which layer an error is about.
func layerError(i int, err error) error { return fmt.Errorf("writing layer %d: %w", i, err) }
