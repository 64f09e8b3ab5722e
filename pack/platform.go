package pack

import (
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Platform returns the platform that an image is for.
func (img *Image) Platform() v1.Platform {
	return v1.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}
}

// PlatformFits reports whether what is for one platform is what is wanted, as far
// as that is given. An arm without a variant is v7, and an arm64 v8, as in the
// image spec.
func PlatformFits(want, have v1.Platform) bool {
	return (want.OS == "" || want.OS == have.OS) &&
		(want.Architecture == "" || want.Architecture == have.Architecture) &&
		(want.Variant == "" || variant(want) == variant(have))
}

// SamePlatform reports whether an engine takes two platforms for one.
func SamePlatform(a, b v1.Platform) bool {
	return a.OS == b.OS && a.Architecture == b.Architecture && variant(a) == variant(b)
}

// variant returns the variant that is meant where there is none.
func variant(p v1.Platform) string {
	switch {
	case p.Variant != "":
		return p.Variant
	case p.Architecture == "arm64":
		return "v8"
	case p.Architecture == "arm":
		return "v7"
	}
	return ""
}

// PlatformText writes a platform as docker does: "linux/arm/v7".
func PlatformText(p v1.Platform) string {
	return strings.Trim(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// IsAttestation reports whether a manifest that an index lists is what BuildKit
// says about an image rather than one.
func IsAttestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}
