package pack

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// readV1 reads an archive of version 1. It says nothing of digests, so those of
// its layers are known only once they have been read.
func (s *Store) readV1() error {
	var names repositories
	if _, err := s.document(repositoriesFile, maxManifest, &names); err != nil {
		return err
	}
	images := make(map[string]*Image) // by the ID of the topmost layer
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, tag := range slices.Sorted(maps.Keys(names[name])) {
			id := names[name][tag]
			full, err := ParseTag(name + ":" + tag)
			if err != nil {
				return faultf(repositoriesFile, "%s", err)
			}
			if images[id] == nil {
				if images[id], err = s.v1Image(id); err != nil {
					return err
				}
				s.Images = append(s.Images, images[id])
				s.names[images[id]] = []string{id}
			}
			images[id].tag(full)
		}
	}
	return nil
}

// v1Image reads the chain of layers that ends with an ID.
func (s *Store) v1Image(id string) (*Image, error) {
	var img *Image
	for where := repositoriesFile; id != ""; {
		l, err := s.v1Folder(where, id)
		if err != nil {
			return nil, err
		}
		if img == nil {
			img = l.image()
		}
		layer, err := s.layer(id+"/"+v1Layer, Blob{})
		if err != nil {
			return nil, err
		}
		img.Layers = append(img.Layers, layer)
		img.History = append(img.History, l.history())
		if len(img.Layers) > maxLayers {
			return nil, faultf(repositoriesFile, "more than %d layers lead down from %s", maxLayers, id)
		}
		where, id = id+"/"+v1File, l.Parent
	}
	slices.Reverse(img.Layers)
	slices.Reverse(img.History)
	return img, nil
}

func (s *Store) v1Folder(where, id string) (l v1Image, err error) {
	if digest.NewDigestFromEncoded(digest.SHA256, id).Validate() != nil {
		return l, faultf(where, "%q is no ID of a layer", id)
	}
	version, err := s.readFile(id+"/"+versionFile, maxManifest)
	if err != nil {
		return l, err
	}
	if v := strings.TrimSpace(string(version)); v != v1Version {
		return l, faultf(id+"/"+versionFile, "is %q, not %s", v, v1Version)
	}
	if _, err := s.document(id+"/"+v1File, maxDocument, &l); err != nil {
		return l, err
	}
	if l.ID != id {
		return l, faultf(id+"/"+v1File, "is of another layer: %q", l.ID)
	}
	return l, nil
}

// image returns the image that ends with a layer.
func (l v1Image) image() *Image {
	img := &Image{Architecture: l.Architecture, Variant: l.Variant, OS: l.OS, Author: l.Author, Created: timeOf(l.Created)}
	if l.Config != nil {
		img.Config = *l.Config
	}
	return img
}

func (l v1Image) history() v1.History {
	h := v1.History{Created: l.Created, Author: l.Author, Comment: l.Comment}
	if l.ContainerConfig != nil {
		h.CreatedBy = strings.Join(l.ContainerConfig.Cmd, " ")
	}
	return h
}
