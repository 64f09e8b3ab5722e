package pack

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxWindow is how much memory a zstd frame may ask for, as zstd(1) has it.
const maxWindow = 128 << 20

// OpenTar returns the tar of a layer, decompressed. At its end, a layer that has
// not the digest, the size or the diff ID of its blob makes Read return a
// *[FaultError] instead of io.EOF.
func OpenTar(l Layer, limits Limits) (io.ReadCloser, error) {
	b := l.Blob()
	var err error
	if b.Size, err = l.Size(); err != nil {
		return nil, err
	}
	raw, err := openLayer(l)
	if err != nil {
		return nil, err
	}
	blob := &checkedReader{r: raw, most: b.Size, over: "has more than %d bytes", name: b.name(), check: b.check}
	if b.Digest != "" || b.DiffID != "" && !b.compressed() {
		blob.hash = sha256.New()
	}
	if !b.compressed() {
		return &tarReader{blob, []func() error{raw.Close}}, nil
	}
	plain, closePlain := decompressed(blob, b)
	tar := &checkedReader{r: plain, most: limits.tar(b.Size), name: b.name(), check: b.checkTar,
		over: "its tar has more than %d bytes, which is the limit", limit: true}
	if b.DiffID != "" {
		tar.hash = sha256.New()
	}
	return &tarReader{tar, []func() error{closePlain, raw.Close}}, nil
}

// openLayer opens the bytes of a layer as it is.
func openLayer(l Layer) (io.ReadCloser, error) {
	if b, ok := l.(*blobLayer); ok {
		return b.open()
	}
	r, w := io.Pipe()
	go func() {
		_, err := l.WriteTo(w)
		w.CloseWithError(err)
	}()
	return r, nil
}

// decompressed returns the tar in a blob, and what frees its decompressor.
func decompressed(blob *checkedReader, b Blob) (io.Reader, func() error) {
	d := &decompressor{blob: blob}
	if b.MediaType == v1.MediaTypeImageLayerZstd {
		z, err := zstd.NewReader(blob, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return errReader{d.fault(err)}, func() error { return nil }
		}
		d.r, d.stop = z, z.Close
		return d, func() error { z.Close(); return nil }
	}
	z, err := gzip.NewReader(blob)
	if err != nil {
		return errReader{d.fault(err)}, func() error { return nil }
	}
	d.r = z
	return d, z.Close
}

// A decompressor says which blob it is that cannot be decompressed.
type decompressor struct {
	blob *checkedReader
	r    io.Reader
	stop func() // ends reading ahead; nil if there is none
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.fault(err)
	}
	return n, err
}

// fault returns the error that reading the blob met, if that is why.
func (d *decompressor) fault(err error) error {
	if d.stop != nil {
		d.stop()
	}
	if d.blob.err != nil && !errors.Is(d.blob.err, io.EOF) {
		return d.blob.err
	}
	return faultf(d.blob.name, "cannot be decompressed: %s", err)
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// A tarReader closes all that it is made of.
type tarReader struct {
	io.Reader
	closers []func() error
}

func (t *tarReader) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// A checkedReader gives what r gives, and at its end says whether that is what it
// should be.
type checkedReader struct {
	r     io.Reader
	name  string
	most  int64  // more bytes are a fault
	over  string // its text
	limit bool   // it is one that another limit would not find
	hash  hash.Hash
	check func(n int64, sum digest.Digest) error // nil for none

	n   int64
	err error
}

func (c *checkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	switch {
	case c.n > c.most:
		n -= int(c.n - c.most)
		fault := faultf(c.name, c.over, c.most)
		fault.Limit = c.limit
		err = fault
	case errors.Is(err, io.EOF):
		err = c.end()
	}
	c.err = err
	return n, err
}

// end returns io.EOF if all is well.
func (c *checkedReader) end() error {
	if c.check == nil {
		return io.EOF
	}
	var sum digest.Digest
	if c.hash != nil {
		sum = digest.NewDigest(digest.SHA256, c.hash)
	}
	if err := c.check(c.n, sum); err != nil {
		return err
	}
	return io.EOF
}
