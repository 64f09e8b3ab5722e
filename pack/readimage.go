package pack

import (
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ReadImage reads the image of a manifest. What a descriptor leads to is read
// from wherever open finds it: manifest and config now, and checked; a layer each
// time that the image's layer is read. The image has no tags.
func ReadImage(d v1.Descriptor, open func(v1.Descriptor) (io.ReadCloser, error)) (*Image, error) {
	data, err := document("manifest", d, open)
	if err != nil {
		return nil, err
	}
	where := "manifest " + d.Digest.String()
	var m ociDocument
	if err := parseDocument(where, data, &m); err != nil {
		return nil, err
	}
	if err := m.check(where, d.MediaType, false); err != nil {
		return nil, err
	}
	if t := m.Config.MediaType; t != v1.MediaTypeImageConfig && t != dockerConfig {
		return nil, faultf(where, "its config has the media type %q: this is no image", t)
	}
	config, err := document("config", *m.Config, open)
	if err != nil {
		return nil, err
	}
	img, diffIDs, err := imageOf("config "+m.Config.Digest.String(), config, len(m.Layers))
	if err != nil {
		return nil, err
	}
	img.Read.Manifest = data
	for i, l := range m.Layers {
		b, err := blobIn(where, l, diffIDs[i])
		if err != nil {
			return nil, err
		}
		img.Layers = append(img.Layers, BlobLayer(b, func() (io.ReadCloser, error) { return open(l) }))
	}
	return img, nil
}

// document reads the document that a descriptor leads to.
func document(kind string, d v1.Descriptor, open func(v1.Descriptor) (io.ReadCloser, error)) ([]byte, error) {
	if err := checkDigest(kind, d.Digest); err != nil {
		return nil, err
	}
	where := kind + " " + d.Digest.String()
	if d.Size > maxDocument {
		return nil, faultf(where, "has %d bytes, which is more than %d", d.Size, maxDocument)
	}
	r, err := open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxDocument:
		return nil, faultf(where, "has more than %d bytes", maxDocument)
	case int64(len(data)) != d.Size:
		return nil, faultf(where, "has %d bytes, not %d", len(data), d.Size)
	}
	if sum := digest.FromBytes(data); sum != d.Digest {
		return nil, faultf(where, "has the digest %s", sum)
	}
	return data, nil
}

// blobIn returns the blob of a layer that a manifest lists.
func blobIn(where string, d v1.Descriptor, diffID digest.Digest) (Blob, error) {
	if err := checkDigest(where, d.Digest); err != nil {
		return Blob{}, err
	}
	mediaType, err := layerType(where, d)
	if err != nil {
		return Blob{}, err
	}
	if d.Size <= 0 {
		return Blob{}, faultf(where, "says that the layer %s has %d bytes", d.Digest, d.Size)
	}
	b := Blob{MediaType: mediaType, Digest: d.Digest, Size: d.Size, DiffID: diffID}
	return b, b.checkIDs()
}

// layerType returns the OCI media type of a layer.
func layerType(where string, d v1.Descriptor) (string, error) {
	switch d.MediaType {
	case v1.MediaTypeImageLayer, v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd:
	case dockerLayer:
		return v1.MediaTypeImageLayer, nil
	case dockerLayer + ".gzip":
		return v1.MediaTypeImageLayerGzip, nil
	case dockerLayer + ".zstd":
		return v1.MediaTypeImageLayerZstd, nil
	default:
		if strings.Contains(d.MediaType, "foreign") || strings.Contains(d.MediaType, "nondistributable") {
			return "", faultf(where, "the layer %s is foreign: its bytes are not part of the image", d.Digest)
		}
		return "", faultf(where, "the layer %s has the media type %q", d.Digest, d.MediaType)
	}
	if len(d.URLs) > 0 {
		return "", faultf(where, "the layer %s is foreign: its bytes are not part of the image", d.Digest)
	}
	return d.MediaType, nil
}

// imageOf returns the image of a config, without its layers, and their diff IDs.
func imageOf(where string, config []byte, layers int) (*Image, []digest.Digest, error) {
	var c configFile
	if err := parseDocument(where, config, &c); err != nil {
		return nil, nil, err
	}
	switch {
	case c.RootFS.Type != "layers":
		return nil, nil, faultf(where, "has a root file system of the type %q, not layers", c.RootFS.Type)
	case layers > maxLayers:
		return nil, nil, faultf(where, "%d layers are more than %d", layers, maxLayers)
	case len(c.RootFS.DiffIDs) != layers:
		return nil, nil, faultf(where, "has %d diff_ids for %d layers", len(c.RootFS.DiffIDs), layers)
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := checkDigest(where, d); err != nil {
			return nil, nil, err
		}
	}
	return &Image{
		Architecture: c.Architecture,
		Variant:      c.Variant,
		OS:           c.OS,
		Author:       c.Author,
		Created:      timeOf(c.Created),
		Config:       c.Config,
		History:      c.History,
		Read:         Documents{Config: config},
	}, c.RootFS.DiffIDs, nil
}
