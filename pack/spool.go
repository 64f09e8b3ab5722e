package pack

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Spool opens an archive that cannot be read in place, because it comes through
// a pipe or is compressed as a whole, by copying it to an empty file first.
func Spool(f *os.File, r io.Reader, limits Limits) (*Store, error) {
	plain, err := decompressedArchive(r, limits)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(f, plain)
	if err = errors.Join(err, plain.Close()); err != nil {
		return nil, err
	}
	return OpenAt(f, n)
}

// decompressedArchive returns what is in r if that is compressed, else r. What is
// wrong with either is a *[FaultError], unless reading r fails.
func decompressedArchive(r io.Reader, limits Limits) (io.ReadCloser, error) {
	head := make([]byte, magicSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	whole := &countedReader{r: io.MultiReader(bytes.NewReader(head[:n]), r)}
	b := Blob{MediaType: mediaTypeOf(head[:n])}
	if !b.compressed() {
		return io.NopCloser(&limitedReader{r: whole, most: limits.all}), nil
	}
	plain, closePlain := decompressed(&checkedReader{r: whole, name: archiveName, most: math.MaxInt64}, b)
	plain = &limitedReader{r: plain, most: func() int64 { return limits.tar(whole.n.Load()) }}
	return &tarReader{plain, []func() error{closePlain}}, nil
}

// archiveName is what faults call an archive as a whole.
const archiveName = "archive"

// magicSize is how many bytes tell what something is compressed with.
const magicSize = 4

// mediaTypeOf returns the media type of a layer that begins so.
func mediaTypeOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return v1.MediaTypeImageLayerGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return v1.MediaTypeImageLayerZstd
	}
	return v1.MediaTypeImageLayer
}
