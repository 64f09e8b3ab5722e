package pack

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Find returns the image that has a name and a platform; what is empty fits any
// image. A name may also be a tag alone, an image ID or the digest of a manifest.
// It is an error that names the choices if there is not exactly one.
func (s *Store) Find(name string, p v1.Platform) (*Image, error) {
	var found []*Image
	for _, img := range s.Images {
		if s.goesBy(img, name) && PlatformFits(p, img.Platform()) {
			found = append(found, img)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("several images: %s", s.list(found))
	}
	want := strings.TrimSpace(name + " " + PlatformText(p))
	return nil, fmt.Errorf("no image %s: there is %s", want, s.list(s.Images))
}

func (s *Store) goesBy(img *Image, name string) bool {
	if name == "" || slices.Contains(s.names[img], name) {
		return true
	}
	full, err := ParseTag(name)
	return err == nil && slices.Contains(img.Tags, full)
}

// list names images, with their platforms.
func (s *Store) list(images []*Image) string {
	var list []string
	for _, img := range images {
		name := "<none>"
		if names := append(slices.Clone(img.Tags), s.names[img]...); len(names) > 0 {
			name = ShortTag(names[0])
		}
		list = append(list, name+" "+PlatformText(img.Platform()))
	}
	return strings.Join(list, ", ")
}
