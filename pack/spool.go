package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Spool opens an archive that cannot be read in place, because it comes through
// a pipe or is compressed as a whole, by copying it to an empty file first.
func Spool(f *os.File, r io.Reader, limits Limits) (*Store, error) {
	r, err := decompressedArchive(r)
	if err != nil {
		return nil, err
	}
	most := limits.archive()
	n, err := io.Copy(f, io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("the archive has more than %d bytes, which is the limit", most)
	}
	return OpenAt(f, n)
}

// decompressedArchive returns what is in r if that is compressed, else r.
func decompressedArchive(r io.Reader) (io.Reader, error) {
	head := make([]byte, magicSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	switch mediaTypeOf(head[:n]) {
	case v1.MediaTypeImageLayerGzip:
		return gzip.NewReader(whole)
	case v1.MediaTypeImageLayerZstd:
		z, err := zstd.NewReader(whole, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return whole, nil
}

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
