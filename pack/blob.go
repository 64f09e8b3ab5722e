package pack

import (
	"cmp"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Blob is a layer as it is shipped, or as much as is known of that.
type Blob struct {
	MediaType string        // of the OCI image spec: a tar, or one with +gzip or +zstd
	Digest    digest.Digest // of the bytes; "" where only writing them tells
	Size      int64
	DiffID    digest.Digest // of the tar in it, and of a tar the digest; "" likewise
}

func (b Blob) compressed() bool {
	return b.MediaType == v1.MediaTypeImageLayerGzip || b.MediaType == v1.MediaTypeImageLayerZstd
}

// name is what faults call the blob.
func (b Blob) name() string {
	if id := cmp.Or(b.Digest, b.DiffID); id != "" {
		return "layer " + id.String()
	}
	return "layer"
}

// check compares what was written, or read, with what is known. The sum of what
// needs none may be "".
func (b Blob) check(size int64, sum digest.Digest) error {
	want := b.Digest
	if want == "" && !b.compressed() {
		want = b.DiffID
	}
	switch {
	case size != b.Size:
		return faultf(b.name(), "has %d bytes, not %d", size, b.Size)
	case want != "" && sum != want:
		return faultf(b.name(), "has the digest %s", sum)
	}
	return nil
}

// checkIDs refuses a tar whose digest is not its diff ID.
func (b Blob) checkIDs() error {
	if !b.compressed() && b.Digest != b.DiffID {
		return faultf(b.name(), "is not compressed, but its diff ID is %s", b.DiffID)
	}
	return nil
}

// checkTar compares the tar in a blob with what is known of it.
func (b Blob) checkTar(_ int64, sum digest.Digest) error {
	if b.DiffID != "" && sum != b.DiffID {
		return faultf(b.name(), "has a tar of the diff ID %s, not %s", sum, b.DiffID)
	}
	return nil
}

// BlobLayer returns a layer that exists already as it is to be shipped, in an
// archive, a layout or a registry. It is written byte for byte: whatever has
// another size or digest than the blob makes WriteTo return a *[FaultError]. A blob
// without a digest must have the diff ID, if that is known.
//
// The open function is called each time that the layer is read.
func BlobLayer(b Blob, open func() (io.ReadCloser, error)) Layer {
	return &blobLayer{b, open}
}

type blobLayer struct {
	blob Blob
	open func() (io.ReadCloser, error)
}

func (l *blobLayer) Blob() Blob           { return l.blob }
func (l *blobLayer) Size() (int64, error) { return l.blob.Size, nil }

func (l *blobLayer) WriteTo(w io.Writer) (n int64, err error) {
	if l.blob.Digest == "" && l.blob.DiffID != "" && l.blob.compressed() { // nothing else tells that it is right
		if _, err := WriteLayer(io.Discard, l); err != nil {
			return 0, err
		}
	}
	r, err := l.open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	t := newTee(w)
	n, err = io.Copy(t, io.LimitReader(r, l.blob.Size))
	sum, terr := t.Close()
	if err := cmp.Or(terr, err); err != nil {
		return n, err
	}
	if err := l.blob.check(n, sum); err != nil {
		return n, err
	}
	return n, atEnd(r, l.blob)
}

// atEnd makes sure that a blob has no more bytes than it should.
func atEnd(r io.Reader, b Blob) error {
	var more [1]byte
	_, err := io.ReadFull(r, more[:])
	switch {
	case err == nil:
		return faultf(b.name(), "has more than %d bytes", b.Size)
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// TarLayer returns the tar of a layer as one that is no blob yet, so that it is
// compressed anew, or not at all, as the image says that it then belongs to.
func TarLayer(l Layer, limits Limits) Layer {
	b := l.Blob()
	tar := &tarLayer{layer: l, limits: limits, blob: Blob{MediaType: v1.MediaTypeImageLayer, DiffID: b.DiffID}}
	tar.size = sync.OnceValues(l.Size)
	if b.compressed() {
		tar.size = sync.OnceValues(func() (int64, error) { return tar.WriteTo(io.Discard) })
	}
	return tar
}

type tarLayer struct {
	layer  Layer
	limits Limits
	blob   Blob
	size   func() (int64, error) // called once, because it may have to decompress all of it
}

func (l *tarLayer) Blob() Blob           { return l.blob }
func (l *tarLayer) Size() (int64, error) { return l.size() }

func (l *tarLayer) WriteTo(w io.Writer) (n int64, err error) {
	r, err := OpenTar(l.layer, l.limits)
	if err != nil {
		return 0, err
	}
	defer func() { err = cmp.Or(err, r.Close()) }()
	return io.Copy(w, r)
}

// WriteBlob writes a layer as it is to be shipped, and returns what came of it:
// a blob is written as it is, the tar of a tree is compressed as c says.
func WriteBlob(w io.Writer, l Layer, c Compression) (Blob, error) {
	b := l.Blob()
	var err error
	switch {
	case b.Digest != "":
		b.Size, err = l.WriteTo(w)
		return b, err
	case compresses(c, b):
		return compressedBlob(w, l, c)
	}
	t := newTee(w)
	b.Size, err = l.WriteTo(t)
	b.Digest, err = t.end(err)
	if err == nil && !b.compressed() {
		b.DiffID = b.Digest
	}
	if err == nil && b.DiffID == "" {
		b.DiffID, err = WriteLayer(io.Discard, l)
	}
	return b, err
}

// compresses reports whether a layer is compressed when it is written: a tar that
// is no blob yet.
func compresses(c Compression, b Blob) bool {
	return c.Method != "" && !b.compressed() && b.Digest == ""
}

// compressedBlob overlaps making the tar, hashing it, compressing it, hashing
// that and writing it.
func compressedBlob(w io.Writer, l Layer, c Compression) (Blob, error) {
	b := Blob{MediaType: c.mediaType()}
	count := &counter{w: w}
	out := newTee(count)
	err := c.compress(out, func(w io.Writer) error {
		var err error
		b.DiffID, err = writeTar(w, l)
		return err
	})
	b.Digest, err = out.end(err)
	b.Size = count.n
	return b, err
}

// WriteLayer writes the bare tar of a layer, decompressed if it is a blob that
// is compressed, and returns its diff ID.
func WriteLayer(w io.Writer, l Layer) (digest.Digest, error) {
	if !l.Blob().compressed() {
		return writeTar(w, l)
	}
	r, err := OpenTar(l, Limits{})
	if err != nil {
		return "", err
	}
	defer r.Close()
	t := newTee(w)
	_, err = io.Copy(t, r)
	return t.end(err)
}

// writeTar writes a layer that is a tar.
func writeTar(w io.Writer, l Layer) (digest.Digest, error) {
	size, err := l.Size()
	if err != nil {
		return "", err
	}
	t := newTee(w)
	n, err := l.WriteTo(t)
	sum, err := t.end(err)
	if err == nil && n != size {
		err = errors.New("BUG: a layer of another size than it said")
	}
	return sum, err
}

// A counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// changed reports that a layer was not the same when it was written again.
func changed(was, is Blob) error {
	if was != is {
		return rootfs.ErrChanged
	}
	return nil
}
