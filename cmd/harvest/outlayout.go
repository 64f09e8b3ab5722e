package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// containerdName is the annotation of a manifest with the image's full name.
const containerdName = "io.containerd.image.name"

// maxDocument is how long an index or a manifest of a layout may be.
const maxDocument = 8 << 20

// supersedes returns what tells whether a folder is an OCI layout that an image
// of these names takes the place of: it holds no image of another name, and
// nothing that is no part of its images.
func supersedes(tags []string) func(dir string) bool {
	return func(dir string) bool {
		l := layout{fs: os.DirFS(dir), reached: map[string]bool{v1.ImageLayoutFile: true, v1.ImageIndexFile: true}}
		index, ok := l.document(v1.ImageIndexFile)
		if !ok || slices.ContainsFunc(index.Manifests, func(d v1.Descriptor) bool { return !named(d, tags) }) {
			return false
		}
		return l.reach(index) && l.holdsNothingElse()
	}
}

// named reports whether a manifest of a layout has no name or one of these.
func named(d v1.Descriptor, tags []string) bool {
	if full := d.Annotations[containerdName]; full != "" {
		return slices.Contains(tags, full)
	}
	return d.Annotations[v1.AnnotationRefName] == ""
}

// A layout is an OCI layout, be it a broken one, and what of it is known to
// belong to its images.
type layout struct {
	fs      fs.FS
	reached map[string]bool // by path
}

// A layoutDocument is an index or a manifest.
type layoutDocument struct {
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

func (l layout) document(name string) (d layoutDocument, ok bool) {
	info, err := fs.Stat(l.fs, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxDocument {
		return d, false
	}
	data, err := fs.ReadFile(l.fs, name)
	return d, err == nil && json.Unmarshal(data, &d) == nil
}

// reach marks what a document names. It fails if that cannot be known.
func (l layout) reach(doc layoutDocument) bool {
	blobs := doc.Layers
	if doc.Config != nil {
		blobs = append(blobs, *doc.Config)
	}
	for _, d := range blobs {
		if _, ok := l.mark(d.Digest); !ok {
			return false
		}
	}
	for _, d := range doc.Manifests {
		if l.reached[blobPath(d.Digest)] {
			continue // under another name
		}
		name, ok := l.mark(d.Digest)
		if !ok {
			return false
		}
		if inner, ok := l.document(name); !ok || !l.reach(inner) {
			return false
		}
	}
	return true
}

func (l layout) mark(d digest.Digest) (name string, ok bool) {
	if d.Validate() != nil {
		return "", false
	}
	l.reached[blobPath(d)] = true
	return blobPath(d), true
}

// blobPath returns where a layout has a blob; of a digest that is none, it is
// nowhere.
func blobPath(d digest.Digest) string {
	if d.Validate() != nil {
		return ""
	}
	return path.Join(v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// holdsNothingElse reports whether every file is reached, and every folder one
// of blobs.
func (l layout) holdsNothingElse() bool {
	err := fs.WalkDir(l.fs, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "." || name == v1.ImageBlobsDir || path.Dir(name) == v1.ImageBlobsDir):
			return nil
		case d.Type().IsRegular() && l.reached[name]:
			return nil
		}
		return errNotEmpty
	})
	return err == nil
}
