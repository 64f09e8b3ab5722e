package pack

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is what is to be written: layers from the lowest up, and how to run
// them. Architecture and OS are required.
type Image struct {
	Tags         []string // full names, as ParseTag returns them; may be empty
	Architecture string   // as GOARCH: "amd64"
	Variant      string   // of arm: "v7"
	OS           string   // "linux"
	Created      time.Time
	Config       v1.ImageConfig
	Layers       []Layer
	CreatedBy    []string // how each layer came about, for docker history; may be shorter
}

// Digests are the numbers by which engines and registries know an image.
type Digests struct {
	Image    digest.Digest // the image ID: of the config
	Manifest digest.Digest // "" where none is written
	Layers   []Blob        // uncompressed: the digest is also the diff ID
}

// A Blob is what a digest stands for.
type Blob struct {
	Digest digest.Digest
	Size   int64
}

// documents are the JSON members of an image, once its layers are known.
type documents struct {
	config, manifest []byte
	digests          Digests
}

func (img *Image) documents(layers []Blob) (documents, error) {
	config, err := img.config(layers)
	if err != nil {
		return documents{}, err
	}
	d := documents{config: config}
	d.digests = Digests{Image: digest.FromBytes(config), Layers: layers}
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: d.digests.Image, Size: int64(len(config))},
	}
	for _, l := range layers {
		manifest.Layers = append(manifest.Layers,
			v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.Digest, Size: l.Size})
	}
	if d.manifest, err = json.Marshal(manifest); err != nil {
		return documents{}, err
	}
	d.digests.Manifest = digest.FromBytes(d.manifest)
	return d, nil
}

// config returns the image's config, whose digest is the image ID.
func (img *Image) config(layers []Blob) ([]byte, error) {
	created := img.Created.UTC()
	c := v1.Image{
		Created:  &created,
		Platform: v1.Platform{Architecture: img.Architecture, OS: img.OS, Variant: img.Variant},
		Config:   img.Config,
		RootFS:   v1.RootFS{Type: "layers"},
	}
	for i, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest)
		h := v1.History{Created: &created}
		if i < len(img.CreatedBy) {
			h.CreatedBy = img.CreatedBy[i]
		}
		c.History = append(c.History, h)
	}
	return json.Marshal(c)
}

// index returns index.json: the manifest once for each name, under the name
// that containerd and podman go by and the tag that OCI tools go by.
func (img *Image) index(d documents) ([]byte, error) {
	desc := v1.Descriptor{
		MediaType: v1.MediaTypeImageManifest,
		Digest:    d.digests.Manifest,
		Size:      int64(len(d.manifest)),
	}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, name := range img.Tags {
		desc.Annotations = map[string]string{
			"io.containerd.image.name": name,
			v1.AnnotationRefName:       tagOf(name),
		}
		index.Manifests = append(index.Manifests, desc)
	}
	if len(img.Tags) == 0 {
		index.Manifests = []v1.Descriptor{desc}
	}
	return json.Marshal(index)
}

// dockerManifest returns manifest.json, which tells docker load the paths of
// config and layers in the archive.
func (img *Image) dockerManifest(config string, layers []string) ([]byte, error) {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	return json.Marshal([]entry{{config, img.Tags, layers}})
}

// layerError says which layer an error is about.
func layerError(i int, err error) error { return fmt.Errorf("writing layer %d: %w", i, err) }
