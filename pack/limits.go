package pack

import (
	"archive/tar"
	"cmp"
	"io"
	"math"
	"sync/atomic"
)

// Limits bound what reading an image may cost, as a few bytes of it can stand for
// any number of them. Zero fields mean the default. What exceeds them is a
// *[FaultError].
type Limits struct {
	// Bytes are those of the tars of all layers of an image, decompressed, and
	// those of an archive that is. By default they are 64 GiB, and not more than
	// 200 times as many as are compressed where they are more than 1 GiB.
	Bytes   int64
	Entries int // in all layers of an image: 1,000,000
}

const (
	maxTar     = 64 << 30
	maxRatio   = 200
	smallTar   = 1 << 30 // whose ratio does not matter
	maxEntries = 1_000_000
	maxPaths   = 64 << 20 // bytes in all paths and links of an image
	maxPath    = 4096     // bytes in one of them, as PATH_MAX of Linux
)

// tar returns how long what is in a blob of the given size may be.
func (l Limits) tar(blob int64) int64 {
	if l.Bytes != 0 {
		return l.Bytes
	}
	return min(maxTar, max(smallTar, maxRatio*min(blob, math.MaxInt64/maxRatio)))
}

// all returns how long all tars of an image may be.
func (l Limits) all() int64 { return cmp.Or(l.Bytes, maxTar) }

// A budget is what of the limits is left for the layers to come.
type budget struct {
	entries int
	paths   int
	bytes   int64
	most    int64 // bytes to begin with
}

func (l Limits) budget() *budget {
	return &budget{cmp.Or(l.Entries, maxEntries), maxPaths, l.all(), l.all()}
}

// spend returns an error if a layer's entry is one too many.
func (b *budget) spend(blob string, h *tar.Header) error {
	b.entries--
	b.paths -= len(h.Name) + len(h.Linkname)
	var text string
	switch {
	case len(h.Name) > maxPath || len(h.Linkname) > maxPath:
		text = "is a path of more than 4096 bytes"
	case b.entries < 0:
		text = "is one entry more than the limit"
	case b.paths < 0:
		text = "makes the paths of the image longer than 64 MiB"
	default:
		return nil
	}
	return &FaultError{Blob: blob, Path: shortened(h.Name), Text: text}
}

// read returns an error if the next bytes of a blob's tar are too many.
func (b *budget) read(blob string, n int64) error {
	if b.bytes -= n; b.bytes < 0 {
		return limitf(blob, "makes the tars of the image longer than %d bytes, which is the limit", b.most)
	}
	return nil
}

// limitf returns a fault that a higher limit of bytes would not find.
func limitf(blob, format string, args ...any) *FaultError {
	fault := faultf(blob, format, args...)
	fault.Limit = true
	return fault
}

// A limitedReader reads an archive up to a limit, which may grow meanwhile.
type limitedReader struct {
	r    io.Reader
	most func() int64
	n    int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.n += int64(n)
	if most := l.most(); l.n > most {
		return 0, limitf(archiveName, "has more than %d bytes, which is the limit", most)
	}
	return n, err
}

// A countedReader counts what is read of r, maybe by another goroutine.
type countedReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
