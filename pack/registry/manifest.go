package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
)

// Docker's own names of the same things.
const (
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
)

var documentTypes = []string{v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, dockerManifest, dockerIndex}

// fields are those of an index and those of a manifest: a document with both is
// one thing to one reader and another to the next (CVE-2021-41190).
type fields struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Manifests     []v1.Descriptor `json:"manifests"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
}

// documentType returns the media type of a document, on which what it was served
// as, what it says and what it has must agree. OCI documents need not say it, and
// some registries serve all JSON alike.
func documentType(data []byte, served string) (string, error) {
	if err := pack.CheckValues(data); err != nil {
		return "", err
	}
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return "", fmt.Errorf("is not JSON as it should be: %w", err)
	}
	index := f.Manifests != nil
	switch {
	case f.SchemaVersion == 1:
		return "", errors.New("is a manifest of version 1, which docker gave up in 2016")
	case f.SchemaVersion != 2:
		return "", fmt.Errorf("is of schema version %d, not 2", f.SchemaVersion)
	case index && (f.Layers != nil || f.Config != nil):
		return "", errors.New("is an index and a manifest at once")
	case !index && f.Config == nil:
		return "", errors.New("is neither an index nor a manifest")
	case slices.Contains(documentTypes, served) && f.MediaType != "" && f.MediaType != served:
		return "", fmt.Errorf("was served as %q and says that it is %q", served, printable(f.MediaType))
	}
	mediaType := f.MediaType
	if mediaType == "" {
		mediaType = served
	}
	if !slices.Contains(documentTypes, mediaType) {
		return "", fmt.Errorf("has the media type %q", printable(mediaType))
	}
	if isIndex(mediaType) != index {
		return "", fmt.Errorf("has the media type %s, which is not what is in it", mediaType)
	}
	return mediaType, nil
}

func isIndex(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == dockerIndex
}

// parsed returns the fields of a document that was read, and makes sure that its
// digests are such.
func (d document) parsed() (fields, error) {
	var f fields
	if err := json.Unmarshal(d.data, &f); err != nil {
		return f, err
	}
	all := slices.Concat(f.Manifests, f.Layers)
	if f.Config != nil {
		all = append(all, *f.Config)
	}
	for _, part := range all {
		if err := checkDigest(part.Digest); err != nil {
			return f, err
		}
		if part.Size < 0 {
			return f, fmt.Errorf("says that %s has %d bytes", part.Digest, part.Size)
		}
	}
	return f, nil
}

// choose returns the image of an index that is for a platform.
func choose(list []v1.Descriptor, p v1.Platform) (v1.Descriptor, error) {
	if p.OS == "" {
		p.OS = "linux"
	}
	if p.Architecture == "" {
		p.Architecture = runtime.GOARCH
	}
	var have []string
	for _, d := range list {
		switch {
		case d.Platform == nil || pack.IsAttestation(d):
			continue
		case pack.PlatformFits(p, *d.Platform):
			return d, nil
		}
		have = append(have, platformText(*d.Platform))
	}
	if len(list) == 1 && list[0].Platform == nil { // the config will tell
		return list[0], nil
	}
	return v1.Descriptor{}, &PlatformError{Want: platformText(p), Have: have}
}

// A PlatformError is the error for an image that there is, but not for the
// platform that was asked for.
type PlatformError struct {
	Want string   // "linux/arm64"
	Have []string // in the order of the index
}

func (e *PlatformError) Error() string {
	have := "none"
	if len(e.Have) > 0 {
		have = strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("there is no image for %s; there is %s", e.Want, have)
}

// platformText is what may be shown of a platform that a registry names.
func platformText(p v1.Platform) string { return printable(pack.PlatformText(p)) }

// isForeign reports whether the bytes of a layer are in no registry.
func isForeign(d v1.Descriptor) bool {
	return len(d.URLs) > 0 || strings.Contains(d.MediaType, "foreign") || strings.Contains(d.MediaType, "nondistributable")
}
