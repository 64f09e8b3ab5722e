package pack

import (
	"fmt"

	"github.com/distribution/reference"
)

// ParseTag returns the full form of an image name as docker understands it:
// "basic" is "docker.io/library/basic:latest". A name with a digest is an
// error, because a digest is computed and not given.
func ParseTag(s string) (string, error) {
	ref, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return "", fmt.Errorf("image name %q: %w", s, err)
	}
	if _, ok := ref.(reference.Digested); ok {
		return "", fmt.Errorf("image name %q: a digest cannot be given to an image", s)
	}
	return reference.TagNameOnly(ref).String(), nil
}

// ShortTag returns the form of a full name that docker prints:
// "docker.io/library/basic:v1" is "basic:v1".
func ShortTag(full string) string {
	ref, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return full
	}
	return reference.FamiliarString(ref)
}

// tagOf returns the part of a full name after the colon.
func tagOf(full string) string {
	ref, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return ""
	}
	if t, ok := ref.(reference.Tagged); ok {
		return t.Tag()
	}
	return ""
}
