package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// What became of a blob on its way into a repository.
const (
	Sent    = "sent"
	Mounted = "mounted" // from another repository of the registry
	Present = "present"
)

// A Transfer is a blob that a repository has now, and how that came about.
type Transfer struct {
	Repository string // "docker.io/library/debian"
	Digest     digest.Digest
	Size       int64
	How        string // Sent, Mounted or Present
}

// A Push is what a push or a copy came to.
type Push struct {
	Digest    digest.Digest // of the manifest or the index
	Transfers []Transfer    // layers from the lowest up, then the config, for each image and repository
}

// Push writes an image under names, which may be in different repositories and
// registries. No name is written before all of the image is everywhere.
//
// Layers that are no blobs yet become some as [pack.Image.Compression] says.
func (c *Client) Push(ctx context.Context, img *pack.Image, names ...string) (*Push, error) {
	targets, err := c.targets(names)
	if err != nil {
		return nil, err
	}
	kept := &spool{open: c.Spool}
	defer kept.Close()
	p, err := c.prepare(ctx, img, kept)
	if err != nil {
		return nil, err
	}
	return c.push(ctx, []*prepared{p}, p.manifest, targets)
}

// PushIndex writes an index of images, each for another platform, under names.
func (c *Client) PushIndex(ctx context.Context, images []*pack.Image, names ...string) (*Push, error) {
	targets, err := c.targets(names)
	if err != nil {
		return nil, err
	}
	kept := &spool{open: c.Spool}
	defer kept.Close()
	var all []*prepared
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for i, img := range images {
		platform := img.Platform()
		for _, other := range images[:i] {
			if pack.SamePlatform(platform, other.Platform()) {
				return nil, &pack.PlatformError{Platform: platformText(platform)}
			}
		}
		p, err := c.prepare(ctx, img, kept)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		d := p.manifest.Descriptor
		d.Platform = &platform
		index.Manifests = append(index.Manifests, d)
	}
	data, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	return c.push(ctx, all, documentOf(v1.MediaTypeImageIndex, data), targets)
}

func documentOf(mediaType string, data []byte) document {
	return document{v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
}

// A prepared image is one of which all digests are known.
type prepared struct {
	parts    []part // layers, config
	manifest document
}

// A part is a blob that can be written as often as need be.
type part struct {
	v1.Descriptor
	kind     string // "layer", "config"
	compress bool   // while it is written
	write    func(w io.Writer) error
}

func (p part) String() string { return p.kind + " " + p.Digest.String() }

// prepare finds out the digests of an image.
func (c *Client) prepare(ctx context.Context, img *pack.Image, kept *spool) (*prepared, error) {
	p := &prepared{parts: make([]part, len(img.Layers))}
	blobs := make([]pack.Blob, len(img.Layers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.parallel())
	if img.Compression.Method != "" {
		g.SetLimit(1)
	}
	for i, l := range img.Layers {
		g.Go(func() (err error) {
			if blobs[i], p.parts[i], err = layerPart(ctx, l, img.Compression, kept); err != nil {
				err = fmt.Errorf("reading layer %d: %w", i, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	docs, digests, err := img.Documents(blobs)
	if err != nil {
		return nil, err
	}
	p.manifest = documentOf(v1.MediaTypeImageManifest, docs.Manifest)
	config := v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digests.Image, Size: int64(len(docs.Config))}
	p.parts = append(p.parts, bytesPart("config", config, docs.Config))
	return p, nil
}

// layerPart returns the blob that a layer is or becomes, and how it is written.
func layerPart(ctx context.Context, l pack.Layer, c pack.Compression, kept *spool) (b pack.Blob, p part, err error) {
	b = l.Blob()
	p.kind = "layer"
	switch {
	case b.Digest != "" && b.DiffID != "":
	case c.Method != "" && b.Digest == "":
		b, p.write, err = kept.keep(ctx, l, c)
		p.compress = p.write == nil
	default:
		b, err = pack.WriteBlob(until{ctx, io.Discard}, l, c)
	}
	p.Descriptor = v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
	if p.write == nil {
		p.write = func(w io.Writer) error {
			is, err := pack.WriteBlob(w, l, c)
			if err == nil && is.Digest != b.Digest {
				err = rootfs.ErrChanged
			}
			return err
		}
	}
	return b, p, err
}

// until writes until a context is done.
type until struct {
	ctx context.Context
	w   io.Writer
}

func (u until) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.w.Write(p)
}

// A target is a repository, and the tags that an image gets there.
type target struct {
	*repository
	tags []string
}

// targets opens the repositories of names, in order.
func (c *Client) targets(names []string) ([]*target, error) {
	if len(names) == 0 {
		return nil, errors.New("there is no name to push to")
	}
	var list []*target
	byPlace := make(map[string]*target)
	for _, name := range names {
		if err := checkName(name); err != nil {
			return nil, err
		}
		full, err := pack.ParseTag(name)
		if err != nil {
			return nil, err
		}
		r, tag, err := c.open(full)
		if err != nil {
			return nil, err
		}
		t := byPlace[r.String()]
		if t == nil {
			t = &target{repository: r}
			byPlace[r.String()] = t
			list = append(list, t)
		}
		t.tags = append(t.tags, tag)
	}
	return list, nil
}

// push writes images to all targets, and top, which is one of their manifests or
// an index of all, under the tags.
func (c *Client) push(ctx context.Context, images []*prepared, top document, targets []*target) (*Push, error) {
	result := &Push{Digest: top.Digest}
	m := &mover{client: c}
	for _, t := range targets {
		for _, p := range images {
			done, err := m.move(ctx, t.repository, p.parts)
			if err == nil && p.manifest.Digest != top.Digest {
				err = t.putNamed(ctx, p.manifest, p.manifest.Digest.String())
			}
			if err != nil {
				return nil, c.failed("pushing to "+t.String(), err)
			}
			result.Transfers = append(result.Transfers, done...)
		}
	}
	for _, t := range targets {
		for _, tag := range t.tags {
			if err := t.putNamed(ctx, top, tag); err != nil {
				return nil, c.failed("pushing to "+t.String(), err)
			}
		}
	}
	return result, nil
}

// putNamed is put with an error that says what it is about.
func (r *repository) putNamed(ctx context.Context, doc document, ref string) error {
	err := r.put(ctx, doc, ref)
	if err != nil {
		err = fmt.Errorf("manifest %s: %w", ref, explained(err))
	}
	return err
}

// bytesPart returns a part that lies in memory.
func bytesPart(kind string, d v1.Descriptor, data []byte) part {
	return part{Descriptor: d, kind: kind, write: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}
}
