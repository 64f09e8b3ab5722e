package pack

import (
	"io"
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
		if IsAttestation(d) {
			continue
		}
		if err := r.entry(d, names, depth); err != nil {
			return err
		}
	}
	return nil
}

// entry reads what one entry of an index leads to, if it is there.
func (r *layoutReader) entry(d v1.Descriptor, names []string, depth int) error {
	nested := d.MediaType == v1.MediaTypeImageIndex || d.MediaType == dockerIndex
	if !nested && d.MediaType != v1.MediaTypeImageManifest && d.MediaType != dockerManifest {
		r.other = d.MediaType // which the image spec says to pass over
		return nil
	}
	if err := checkDigest("manifest", d.Digest); err != nil {
		return err
	}
	switch {
	case !r.has(blobName(d.Digest)):
		r.Missing = append(r.Missing, d)
		return nil
	case nested:
		return r.nested(d, names, depth)
	}
	return r.manifest(d, names)
}

func (r *layoutReader) nested(d v1.Descriptor, names []string, depth int) error {
	data, err := document("index", d, r.open)
	if err != nil {
		return err
	}
	var index ociDocument
	where := "index " + d.Digest.String()
	if err := parseDocument(where, data, &index); err != nil {
		return err
	}
	if err := index.check(where, d.MediaType, true); err != nil {
		return err
	}
	return r.index(index.Manifests, names, depth+1)
}

// open opens the blob of a descriptor.
func (r *layoutReader) open(d v1.Descriptor) (io.ReadCloser, error) {
	return r.openFile(blobName(d.Digest))
}

// manifest reads an image, or gives one that was read another name.
func (r *layoutReader) manifest(d v1.Descriptor, names []string) error {
	img := r.images[d.Digest]
	if img == nil {
		var err error
		if img, err = ReadImage(d, r.open); err != nil {
			return err
		}
		if err := r.checkLayers(img); err != nil {
			return err
		}
		if err := r.keep("manifest "+d.Digest.String(), img.Read.Manifest, img.Read.Config); err != nil {
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

// checkLayers makes sure that the layers are there, and as long as they should be.
func (r *layoutReader) checkLayers(img *Image) error {
	for _, l := range img.Layers {
		b := l.Blob()
		f, err := r.openFile(blobName(b.Digest))
		if err != nil {
			return err
		}
		info, err := f.Stat()
		f.Close()
		if err != nil {
			return err
		}
		if info.Size() != b.Size {
			return faultf(b.name(), "has %d bytes, not %d", info.Size(), b.Size)
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
