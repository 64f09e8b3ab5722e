package pack

import (
	"errors"
	"io"
)

// FileLayer returns the layer that is a tar of so many bytes, which may be
// compressed with gzip or zstd, as it stands in r. It is written byte for byte;
// its digests are found out by that. Closing what is read from it leaves r open.
func FileLayer(r io.ReaderAt, size int64) (Layer, error) {
	head := make([]byte, magicSize)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	blob := Blob{MediaType: mediaTypeOf(head[:n]), Size: size}
	return BlobLayer(blob, func() (io.ReadCloser, error) {
		return section{io.NewSectionReader(r, 0, size)}, nil
	}), nil
}

// A section is part of a file that stays open when the section is closed.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }
