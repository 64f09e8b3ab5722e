package registry

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/harvest-oci/harvest/pack"
)

// Fetch copies the layers of an image that was pulled into an empty file, several
// at a time, and returns the same image with its layers there. It is for layers
// that are read more than once; the file must stay open for that.
func (c *Client) Fetch(ctx context.Context, img *pack.Image, f File) (*pack.Image, error) {
	m := &mover{client: c}
	here := *img
	here.Layers = make([]pack.Layer, len(img.Layers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.parallel())
	places := make(map[digest.Digest]int64)
	end := int64(0)
	for i, l := range img.Layers {
		b := l.Blob()
		at, fetched := places[b.Digest]
		if !fetched {
			at = end
			places[b.Digest] = at
			end += b.Size
			m.count(0, b.Size)
			g.Go(func() error {
				_, err := l.WriteTo(counted{until{ctx, io.NewOffsetWriter(f, at)}, m})
				return err
			})
		}
		here.Layers[i] = pack.BlobLayer(b, func() (io.ReadCloser, error) {
			return section{io.NewSectionReader(f, at, b.Size)}, nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &here, nil
}

// A section is a layer in a file, which others close.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// counted counts what is written.
type counted struct {
	until
	m *mover
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.until.Write(p)
	c.m.count(int64(n), 0)
	return n, err
}
