package pack

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// The members of a docker archive of version 1: one folder for each layer, and
// the names of the topmost ones.
const (
	repositoriesFile = "repositories"
	versionFile      = "VERSION"
	v1File           = "json"
	v1Layer          = "layer.tar"
	v1Version        = "1.0"
)

// A v1Image is the JSON of one layer of such an archive, which says how to run
// an image that ends there.
type v1Image struct {
	ID              string     `json:"id"`
	Parent          string     `json:"parent,omitempty"`
	Created         *time.Time `json:"created,omitempty"`
	Author          string     `json:"author,omitempty"`
	Comment         string     `json:"comment,omitempty"`
	ContainerConfig *v1Command `json:"container_config,omitempty"`
	Config          *Config    `json:"config,omitempty"`
	Architecture    string     `json:"architecture,omitempty"`
	Variant         string     `json:"variant,omitempty"`
	OS              string     `json:"os,omitempty"`
}

// A v1Command is how a layer came about.
type v1Command struct {
	Cmd []string
}

// repositories is the file of that name: names, and below them tags, of layers.
type repositories map[string]map[string]string

// WriteV1 writes img as a docker archive of version 1, as docker did before 2016:
// a folder for each layer, in which VERSION, json and layer.tar are, and
// repositories, which says what the topmost of them is called. Each layer names
// the one that it lies on.
//
// No engine of today reads that alone, so there is a manifest.json too, which
// says where config and layers are: with it the archive loads everywhere.
// The name of a folder depends on the layer, which therefore is read once or
// twice as by [WriteArchive].
func WriteV1(w io.Writer, img *Image) (Digests, error) {
	if len(img.Layers) == 0 {
		return Digests{}, errors.New("the legacy format has no images without layers")
	}
	a := newArchive(w, img)
	chain := img.v1Chain()
	blobs, names, err := a.layers(func(i int, b Blob) string { return chain.id(i, b.DiffID) + "/" + v1Layer })
	if err != nil {
		return Digests{}, err
	}
	for i, l := range chain {
		data, err := json.Marshal(l)
		if err != nil {
			return Digests{}, err
		}
		folder := strings.TrimSuffix(names[i], v1Layer)
		a.member(folder+versionFile, []byte(v1Version))
		a.member(folder+v1File, data)
	}
	doc, digests, err := img.Documents(blobs)
	if err != nil {
		return Digests{}, err
	}
	config := digests.Image.Encoded() + ".json"
	docker, err := img.dockerManifest(config, names)
	if err != nil {
		return Digests{}, err
	}
	repositories, err := img.repositories(chain)
	if err != nil {
		return Digests{}, err
	}
	a.member(config, doc.Config)
	a.member(manifestFile, docker)
	a.member(repositoriesFile, repositories)
	digests.Manifest = ""
	return digests, a.close()
}

// A v1Chain is the JSON of all layers, from the lowest up.
type v1Chain []v1Image

// v1Chain returns the layers without IDs, which depend on their contents. How to
// run the image is said by the topmost.
func (img *Image) v1Chain() v1Chain {
	c := make(v1Chain, len(img.Layers))
	i := 0
	for _, h := range img.history(len(img.Layers)) {
		if h.EmptyLayer || i >= len(c) {
			continue
		}
		c[i] = v1Image{Created: h.Created, Author: h.Author, Comment: h.Comment,
			Architecture: img.Architecture, Variant: img.Variant, OS: img.OS}
		if h.CreatedBy != "" {
			c[i].ContainerConfig = &v1Command{[]string{h.CreatedBy}}
		}
		i++
	}
	if i > 0 {
		c[i-1].Config = &img.Config
		c[i-1].Author = cmp.Or(img.Author, c[i-1].Author)
	}
	return c
}

// id gives the layer of a diff ID its ID: the digest of the ID below it, of the
// diff ID, and of what its JSON says. Where the diff ID is not known, it returns
// something as long.
func (c v1Chain) id(i int, diffID digest.Digest) string {
	if diffID == "" {
		return noDigest
	}
	l := &c[i]
	l.ID, l.Parent = string(diffID), ""
	if i > 0 {
		l.Parent = c[i-1].ID
	}
	data, err := json.Marshal(l)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	l.ID = digest.FromBytes(data).Encoded()
	return l.ID
}

// repositories returns the file of that name, in the short names of docker.
func (img *Image) repositories(c v1Chain) ([]byte, error) {
	names := make(repositories)
	for _, full := range img.Tags {
		tag := tagOf(full)
		name := strings.TrimSuffix(ShortTag(full), ":"+tag)
		if names[name] == nil {
			names[name] = make(map[string]string)
		}
		names[name][tag] = c[len(c)-1].ID
	}
	return json.Marshal(names)
}
