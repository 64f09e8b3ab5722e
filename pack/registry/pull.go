package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
)

// Pull returns the image of a name. Of an index it takes the image for platform,
// whose empty fields mean linux and the architecture that this program runs on;
// an image without an index must be for the platform as far as that is given.
//
// Layers are read from the registry each time that they are written, which must
// happen before ctx is done. One that breaks off is continued.
func (c *Client) Pull(ctx context.Context, name string, platform v1.Platform) (*pack.Image, error) {
	r, ref, err := c.open(name)
	if err != nil {
		return nil, err
	}
	img, err := r.pull(ctx, ref, platform)
	if err != nil {
		return nil, c.failed("pulling "+r.String(), err)
	}
	if full, err := pack.ParseTag(name); err == nil {
		img.Tags = []string{full}
	}
	return img, nil
}

func (r *repository) pull(ctx context.Context, ref string, platform v1.Platform) (*pack.Image, error) {
	doc, err := r.document(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !isIndex(doc.MediaType) {
		return r.image(ctx, doc, platform)
	}
	child, err := r.chosen(ctx, doc, platform)
	if err != nil {
		return nil, err
	}
	return r.image(ctx, child, platform)
}

// document is manifest with an error that names it.
func (r *repository) document(ctx context.Context, ref string) (document, error) {
	doc, err := r.manifest(ctx, ref)
	if err != nil {
		err = fmt.Errorf("manifest %s: %w", ref, explained(err))
	}
	return doc, err
}

// chosen returns the manifest in an index that is for a platform.
func (r *repository) chosen(ctx context.Context, index document, platform v1.Platform) (document, error) {
	f, err := index.parsed()
	if err != nil {
		return document{}, fmt.Errorf("index %s: %w", index.Digest, err)
	}
	d, err := choose(f.Manifests, platform)
	if err != nil {
		return document{}, err
	}
	doc, err := r.document(ctx, d.Digest.String())
	switch {
	case err != nil:
		return doc, err
	case isIndex(doc.MediaType):
		return doc, fmt.Errorf("manifest %s: is an index in an index", d.Digest)
	case doc.MediaType != d.MediaType || doc.Size != d.Size:
		return doc, fmt.Errorf("manifest %s: is %s of %d bytes, and %s of %d in the index",
			d.Digest, doc.MediaType, doc.Size, printable(d.MediaType), d.Size)
	}
	return doc, nil
}

// image returns the image of a manifest.
func (r *repository) image(ctx context.Context, manifest document, platform v1.Platform) (*pack.Image, error) {
	img, err := pack.ReadImage(manifest.Descriptor, func(d v1.Descriptor) (io.ReadCloser, error) {
		if d.Digest == manifest.Digest {
			return io.NopCloser(bytes.NewReader(manifest.data)), nil
		}
		return &blobReader{ctx: ctx, repo: r, desc: d}, nil
	})
	if err != nil {
		return nil, err
	}
	if have := img.Platform(); !pack.PlatformFits(platform, have) {
		return nil, &PlatformError{Want: platformText(platform), Have: []string{platformText(have)}}
	}
	for i, l := range img.Layers {
		r.client.remember(r, l.Blob().Digest)
		img.Layers[i] = &layer{r, l}
	}
	return img, nil
}

// A layer says where it comes from if it cannot be read as it should be.
type layer struct {
	repo *repository
	pack.Layer
}

func (l *layer) WriteTo(w io.Writer) (int64, error) {
	n, err := l.Layer.WriteTo(w)
	var fault *pack.FaultError
	var read *failure
	if errors.As(err, &fault) || errors.As(err, &read) {
		err = l.repo.client.failed("pulling "+l.repo.String(), err)
	}
	return n, err
}

// until returns the layer for as long as a context is not done.
func (l *layer) until(ctx context.Context) *layer {
	b := l.Blob()
	desc := v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
	return &layer{l.repo, pack.BlobLayer(b, func() (io.ReadCloser, error) {
		return &blobReader{ctx: ctx, repo: l.repo, desc: desc}, nil
	})}
}

const enough = 64 << 10 // bytes that a connection must bring before it may break once more

// A blobReader reads a blob over as many connections as it takes. It does not
// check what it reads.
type blobReader struct {
	ctx  context.Context
	repo *repository
	desc v1.Descriptor

	body     io.ReadCloser // nil before the first connection, and between two
	at       int64         // in the blob
	from     int64         // where this row of attempts began
	attempts int
}

func (b *blobReader) Read(p []byte) (int, error) {
	for {
		if b.body == nil {
			if err := b.connect(); err != nil {
				return 0, b.failed(err)
			}
			continue
		}
		n, err := b.body.Read(p)
		b.at += int64(n)
		switch {
		case n > 0 || err == nil:
			return n, nil
		case b.at >= b.desc.Size:
			return 0, io.EOF
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		}
		if err := b.pause(err); err != nil {
			return 0, b.failed(err)
		}
	}
}

// pause ends a connection that broke, and waits before the next attempt or
// returns the reason not to make one.
func (b *blobReader) pause(err error) error {
	b.Close()
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	if b.at >= b.from+enough {
		b.from, b.attempts = b.at, 0
	}
	if b.attempts >= retries {
		return fmt.Errorf("breaks off after %d of %d bytes: %w", b.at, b.desc.Size, err)
	}
	b.attempts++
	return wait(b.ctx, pause(b.attempts-1))
}

// connect opens the blob where it is to be read on.
func (b *blobReader) connect() error {
	span := ""
	if b.at > 0 {
		span = fmt.Sprintf("bytes=%d-%d", b.at, b.desc.Size-1)
	}
	resp, err := b.repo.do(b.ctx, http.MethodGet, b.repo.url("blobs/"+b.desc.Digest.String()), nil, "Range", span)
	if err != nil {
		return err
	}
	if err := b.check(resp); err != nil {
		resp.Body.Close()
		return err
	}
	b.body = resp.Body
	if resp.StatusCode == http.StatusOK && b.at > 0 { // it cannot start in the middle
		return b.skip()
	}
	return nil
}

// check makes sure that a response is the blob, or the rest of it.
func (b *blobReader) check(resp *http.Response) error {
	want := b.desc.Size
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		want -= b.at
		var from int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != b.at {
			return fmt.Errorf("asked for what follows %d bytes, the registry sent %q", b.at, printable(resp.Header.Get("Content-Range")))
		}
	case http.StatusNotFound:
		return errors.New("the registry has not got it")
	default:
		return statusOf(resp)
	}
	if resp.ContentLength >= 0 && resp.ContentLength != want {
		return fmt.Errorf("the registry sends %d bytes, not %d", resp.ContentLength, want)
	}
	return nil
}

// skip reads again what has been read.
func (b *blobReader) skip() error {
	if _, err := io.CopyN(io.Discard, b.body, b.at); err != nil {
		return b.pause(err)
	}
	return nil
}

func (b *blobReader) failed(err error) error {
	if b.ctx.Err() != nil {
		return err
	}
	kind := "layer"
	if b.desc.MediaType == v1.MediaTypeImageConfig || b.desc.MediaType == dockerConfig {
		kind = "config"
	}
	return b.repo.client.failed(fmt.Sprintf("%s %s", kind, b.desc.Digest), err)
}

func (b *blobReader) Close() error {
	if b.body == nil {
		return nil
	}
	err := b.body.Close()
	b.body = nil
	return err
}
