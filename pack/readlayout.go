package pack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's own names of the same things (schema 2), and what stands for a layer
// that is somewhere else.
const (
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// An ociDocument has the fields of an index and those of a manifest: a document
// with both is one thing to one reader and another to the next (CVE-2021-41190).
type ociDocument struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Manifests     []v1.Descriptor `json:"manifests"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
}

func (d *ociDocument) isIndex() bool { return d.Manifests != nil }

// check refuses a document that is not of its kind.
func (d *ociDocument) check(where, mediaType string, index bool) error {
	switch {
	case d.SchemaVersion != 2:
		return faultf(where, "is of schema version %d, not 2", d.SchemaVersion)
	case d.MediaType != "" && d.MediaType != mediaType:
		return faultf(where, "says that it is %q, and what leads to it says %q", d.MediaType, mediaType)
	case d.Manifests != nil && (d.Layers != nil || d.Config != nil):
		return faultf(where, "is an index and a manifest at once")
	case index != d.isIndex():
		return faultf(where, "is not %s", map[bool]string{true: "an index", false: "a manifest"}[index])
	case !index && d.Config == nil:
		return faultf(where, "names no config")
	}
	return nil
}

func (s *Store) readLayout() error {
	var layout v1.ImageLayout
	if _, err := s.document(v1.ImageLayoutFile, maxManifest, &layout); err != nil {
		return err
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return faultf(v1.ImageLayoutFile, "is of version %q; 1.0.0 is what can be read", layout.Version)
	}
	var index ociDocument
	if _, err := s.document(v1.ImageIndexFile, maxDocument, &index); err != nil {
		return err
	}
	if err := index.check(v1.ImageIndexFile, v1.MediaTypeImageIndex, true); err != nil {
		return err
	}
	r := layoutReader{Store: s, images: make(map[digest.Digest]*Image)}
	if err := r.index(index.Manifests, nil, 0); err != nil {
		return err
	}
	switch {
	case len(s.Images) == 0 && len(s.Missing) == 0 && r.other != "":
		return faultf(v1.ImageIndexFile, "lists no image, but something of the media type %q", r.other)
	case s.Format == FormatArchive:
		return s.dockerNames()
	}
	return nil
}

// A layoutReader follows the digests from the index down.
type layoutReader struct {
	*Store
	images map[digest.Digest]*Image // by manifest
	seen   int
	other  string // media type of something that is no image
}

// index reads what an index lists. Names of it are names of all that it leads to.
func (r *layoutReader) index(list []v1.Descriptor, above []string, depth int) error {
	for _, d := range list {
		names := append(slices.Clone(above), namesIn(d)...)
		if r.seen++; r.seen > maxImages || depth > 2 {
			return faultf(v1.ImageIndexFile, "leads to more than %d manifests, or through more than 3 indexes", maxImages)
		}
		if isAttestation(d) {
			continue
		}
		var err error
		switch d.MediaType {
		case v1.MediaTypeImageIndex, dockerIndex:
			var data []byte
			if data, err = r.blob("index", d); err == nil {
				err = r.nested(d, data, names, depth)
			}
		case v1.MediaTypeImageManifest, dockerManifest:
			err = r.manifest(d, names)
		default: // which the image spec says to pass over
			r.other = d.MediaType
			continue
		}
		if errors.Is(err, errMissing) {
			r.Missing = append(r.Missing, d)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *layoutReader) nested(d v1.Descriptor, data []byte, names []string, depth int) error {
	var index ociDocument
	where := "index " + d.Digest.String()
	if err := json.Unmarshal(data, &index); err != nil {
		return faultf(where, "is not what it should be: %s", err)
	}
	if err := index.check(where, d.MediaType, true); err != nil {
		return err
	}
	return r.index(index.Manifests, names, depth+1)
}

// errMissing is the error for a manifest or index that is not there.
var errMissing = errors.New("missing")

// blob reads a document that a descriptor leads to.
func (r *layoutReader) blob(kind string, d v1.Descriptor) ([]byte, error) {
	where := kind + " " + d.Digest.String()
	if err := checkDigest(kind, d.Digest); err != nil {
		return nil, err
	}
	if d.Size > maxDocument {
		return nil, faultf(where, "has %d bytes, which is more than %d", d.Size, maxDocument)
	}
	name := blobName(d.Digest)
	if _, err := fs.Stat(r.fsys, name); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", where, errMissing)
	}
	data, err := r.readFile(name, maxDocument)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != d.Size {
		return nil, faultf(where, "has %d bytes, not %d", len(data), d.Size)
	}
	if sum := digest.FromBytes(data); sum != d.Digest {
		return nil, faultf(where, "has the digest %s", sum)
	}
	return data, nil
}

// manifest reads an image, or gives one that was read another name.
func (r *layoutReader) manifest(d v1.Descriptor, names []string) error {
	img := r.images[d.Digest]
	if img == nil {
		data, err := r.blob("manifest", d)
		if err != nil {
			return err
		}
		if img, err = r.image(d, data); err != nil {
			return err
		}
		r.images[d.Digest] = img
		r.Images = append(r.Images, img)
		r.names[img] = []string{digest.FromBytes(img.Read.Config).String(), d.Digest.String()}
	}
	for _, name := range names {
		full, err := ParseTag(name)
		if err == nil && strings.ContainsAny(name, ":/") {
			img.tag(full)
		} else if !slices.Contains(r.names[img], name) {
			r.names[img] = slices.Insert(r.names[img], 0, name)
		}
	}
	return nil
}

// tag gives an image one more name.
func (img *Image) tag(full string) {
	if !slices.Contains(img.Tags, full) {
		img.Tags = append(img.Tags, full)
	}
}

// namesIn returns what an entry of an index calls the image: the full name if it
// has one, or else what OCI tools go by, most often a tag alone.
func namesIn(d v1.Descriptor) []string {
	for _, key := range []string{annotationName, v1.AnnotationRefName} {
		if name := d.Annotations[key]; name != "" {
			return []string{name}
		}
	}
	return nil
}

// isAttestation reports whether a manifest is what BuildKit says about an image
// rather than one.
func isAttestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// image reads the image of a manifest.
func (r *layoutReader) image(d v1.Descriptor, data []byte) (*Image, error) {
	where := "manifest " + d.Digest.String()
	var m ociDocument
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, faultf(where, "is not what it should be: %s", err)
	}
	if err := m.check(where, d.MediaType, false); err != nil {
		return nil, err
	}
	if t := m.Config.MediaType; t != v1.MediaTypeImageConfig && t != dockerConfig {
		return nil, faultf(where, "its config has the media type %q: this is no image", t)
	}
	config, err := r.blob("config", *m.Config)
	if errors.Is(err, errMissing) {
		return nil, faultf("config "+m.Config.Digest.String(), "is missing")
	}
	if err != nil {
		return nil, err
	}
	img, diffIDs, err := imageOf("config "+m.Config.Digest.String(), config, len(m.Layers))
	if err != nil {
		return nil, err
	}
	img.Read.Manifest = data
	for i, l := range m.Layers {
		layer, err := r.descriptor(where, l, diffIDs[i])
		if err != nil {
			return nil, err
		}
		img.Layers = append(img.Layers, layer)
	}
	return img, nil
}

// descriptor returns the layer that a manifest lists.
func (r *layoutReader) descriptor(where string, d v1.Descriptor, diffID digest.Digest) (Layer, error) {
	if err := checkDigest(where, d.Digest); err != nil {
		return nil, err
	}
	mediaType, err := layerType(where, d)
	if err != nil {
		return nil, err
	}
	b := Blob{MediaType: mediaType, Digest: d.Digest, Size: d.Size, DiffID: diffID}
	if b.Size <= 0 {
		return nil, faultf(where, "says that the layer %s has %d bytes", d.Digest, d.Size)
	}
	return r.layer(blobName(d.Digest), b)
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
	c, err := parseConfig(config)
	if err != nil {
		return nil, nil, faultf(where, "is not what it should be: %s", err)
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
	img := &Image{
		Architecture: c.Architecture,
		Variant:      c.Variant,
		OS:           c.OS,
		Config:       c.Config,
		History:      c.History,
		Read:         Documents{Config: config},
	}
	if c.Created != nil {
		img.Created = *c.Created
	}
	return img, c.RootFS.DiffIDs, nil
}
