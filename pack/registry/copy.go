package registry

import (
	"context"
	"fmt"
	"io"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
)

// Copy brings what one name stands for under another, to the byte: an index
// with the images for all platforms or, if platform is not nil, the image for
// that one. Blobs go from registry to registry without being kept.
func (c *Client) Copy(ctx context.Context, from, to string, platform *v1.Platform) (*Push, error) {
	src, ref, err := c.open(from)
	if err != nil {
		return nil, err
	}
	targets, err := c.targets([]string{to})
	if err != nil {
		return nil, err
	}
	doc, err := src.document(ctx, ref)
	if err == nil && platform != nil && isIndex(doc.MediaType) {
		doc, err = src.chosen(ctx, doc, *platform)
	}
	if err != nil {
		return nil, c.failed("pulling "+src.String(), err)
	}
	dst := targets[0]
	job := &copying{mover: &mover{client: c}, src: src, dst: dst.repository}
	if err := job.below(ctx, doc, 0); err != nil {
		return nil, c.failed(fmt.Sprintf("copying %s to %s", src, dst), err)
	}
	if err := dst.putNamed(ctx, doc, dst.tags[0]); err != nil {
		return nil, c.failed("pushing to "+dst.String(), err)
	}
	return &Push{Digest: doc.Digest, Transfers: job.transfers}, nil
}

const (
	maxDepth     = 3 // indexes in indexes
	maxManifests = 1000
)

// copying is the work of a copy.
type copying struct {
	*mover
	src, dst  *repository
	manifests int
	transfers []Transfer
}

// below copies all that a document leads to.
func (c *copying) below(ctx context.Context, doc document, depth int) error {
	f, err := doc.parsed()
	if err != nil {
		return fmt.Errorf("manifest %s: %w", doc.Digest, err)
	}
	if c.manifests++; c.manifests > maxManifests || depth > maxDepth {
		return fmt.Errorf("leads to more than %d manifests, or through more than %d indexes", maxManifests, maxDepth)
	}
	if !isIndex(doc.MediaType) {
		done, err := c.move(ctx, c.dst, c.parts(ctx, f))
		c.transfers = append(c.transfers, done...)
		return err
	}
	for _, d := range f.Manifests {
		child, err := c.src.document(ctx, d.Digest.String())
		if err == nil {
			err = c.below(ctx, child, depth+1)
		}
		if err == nil {
			err = c.dst.putNamed(ctx, child, d.Digest.String())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parts returns the blobs of a manifest that are in the repository. Layers whose
// bytes are somewhere else stay there.
func (c *copying) parts(ctx context.Context, f fields) []part {
	var parts []part
	for _, d := range slices.Concat(f.Layers, []v1.Descriptor{*f.Config}) {
		if isForeign(d) {
			continue
		}
		kind := "layer"
		if d.Digest == f.Config.Digest {
			kind = "config"
		}
		c.client.remember(c.src, d.Digest)
		l := &layer{c.src, pack.BlobLayer(pack.Blob{Digest: d.Digest, Size: d.Size}, func() (io.ReadCloser, error) {
			return &blobReader{ctx: ctx, repo: c.src, desc: d}, nil
		})}
		parts = append(parts, part{Descriptor: d, kind: kind, write: func(w io.Writer) error {
			_, err := l.WriteTo(w)
			return err
		}})
	}
	return parts
}
