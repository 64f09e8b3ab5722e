package registry

import (
	"context"
	"io"

	"github.com/harvest-oci/harvest/pack"
)

// A File is where layers are kept: an *os.File is one.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// A TempFile is a File that is needed until it is closed.
type TempFile interface {
	File
	io.Closer
}

// A spool keeps what a push has compressed to learn its digest, so that it need
// not be compressed once more to be sent. It does without what it has no room for.
type spool struct {
	open   func() (TempFile, error) // nil for no spool
	file   TempFile                 // nil before the first blob
	failed bool
	end    int64
}

// Close closes the file.
func (s *spool) Close() {
	if s.file != nil {
		_ = s.file.Close() // which has nothing to lose
	}
}

// keep writes a layer's blob to the file, and returns what writes it from there,
// nil if it is not there.
func (s *spool) keep(ctx context.Context, l pack.Layer, c pack.Compression) (pack.Blob, func(io.Writer) error, error) {
	if s.file == nil && s.open != nil && !s.failed {
		var err error
		if s.file, err = s.open(); err != nil {
			s.file, s.failed = nil, true
		}
	}
	at := s.end
	w := &spoolWriter{spool: s}
	b, err := pack.WriteBlob(until{ctx, w}, l, c)
	if err != nil || s.file == nil || s.failed {
		s.end = at
		return b, nil, err
	}
	return b, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(s.file, at, b.Size))
		return err
	}, nil
}

// A spoolWriter appends to a spool, and goes on where that fails.
type spoolWriter struct{ *spool }

func (w *spoolWriter) Write(p []byte) (int, error) {
	if w.file != nil && !w.failed {
		_, err := w.file.WriteAt(p, w.end)
		w.failed = err != nil
		w.end += int64(len(p))
	}
	return len(p), nil
}
