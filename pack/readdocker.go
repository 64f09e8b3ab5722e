package pack

import (
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
)

// readDocker reads manifest.json and what it names.
func (s *Store) readDocker() error {
	list, err := s.dockerImages()
	if err != nil {
		return err
	}
	for _, entry := range list {
		img, err := s.dockerImage(entry)
		if err != nil {
			return err
		}
		s.Images = append(s.Images, img)
		s.names[img] = []string{digest.FromBytes(img.Read.Config).String()}
	}
	return nil
}

func (s *Store) dockerImages() ([]dockerImage, error) {
	var list []dockerImage
	if _, err := s.document(manifestFile, maxManifest, &list); err != nil {
		return nil, err
	}
	if len(list) > maxImages {
		return nil, faultf(manifestFile, "lists %d images, which is more than %d", len(list), maxImages)
	}
	return list, nil
}

func (s *Store) dockerImage(entry dockerImage) (*Image, error) {
	config, err := s.readFile(path.Clean(entry.Config), maxDocument)
	if err != nil {
		return nil, err
	}
	if want := digestIn(entry.Config); want != "" && want != digest.FromBytes(config) {
		return nil, faultf(entry.Config, "has the digest %s", digest.FromBytes(config))
	}
	img, diffIDs, err := imageOf(entry.Config, config, len(entry.Layers))
	if err != nil {
		return nil, err
	}
	for i, name := range entry.Layers {
		l, err := s.layer(path.Clean(name), Blob{DiffID: diffIDs[i], Digest: blobDigest(name)})
		if err != nil {
			return nil, err
		}
		img.Layers = append(img.Layers, l)
	}
	return img, img.tagAll(entry.RepoTags)
}

// tagAll gives an image the names in a docker archive.
func (img *Image) tagAll(names []string) error {
	for _, name := range names {
		full, err := ParseTag(name)
		if err != nil {
			return faultf(manifestFile, "%s", err)
		}
		img.tag(full)
	}
	return nil
}

// dockerNames gives the images of a layout without names of its own those that
// manifest.json has for their configs.
func (s *Store) dockerNames() error {
	list, err := s.dockerImages()
	if err != nil {
		return err
	}
	for _, img := range s.Images {
		for _, entry := range list {
			if len(img.Tags) > 0 || digestIn(entry.Config) != digest.FromBytes(img.Read.Config) {
				continue
			}
			if err := img.tagAll(entry.RepoTags); err != nil {
				return err
			}
		}
	}
	return nil
}

// digestIn returns the digest that is the name of a config, as "<hex>.json" or
// "blobs/sha256/<hex>", or "".
func digestIn(name string) digest.Digest {
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(path.Base(name), ".json"))
	if d.Validate() != nil {
		return ""
	}
	return d
}

// blobDigest returns the digest that is the name of a layer, or "".
func blobDigest(name string) digest.Digest {
	if hex, ok := strings.CutPrefix(path.Clean(name), blobFolder); ok {
		return digestIn(hex)
	}
	return ""
}
