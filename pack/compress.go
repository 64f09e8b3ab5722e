package pack

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The methods of a [Compression].
const (
	Gzip = "gzip"
	Zstd = "zstd"
)

const (
	gzipLevel = 5 // a quarter faster than 6, and no bigger than its result by more than a few percent
	gzipBlock = 1 << 20
	gzipAhead = 4 // blocks under way for each processor: while one waits for the hash before it, others are compressed
	zstdLevel = 3
	zstdMost  = 22
)

// A Compression says how the tar of a layer becomes its blob. The zero value
// leaves it as it is. The same tar gives the same blob on any machine, however
// many processors it has, as long as the libraries that compress stay the same.
type Compression struct {
	Method string // "", Gzip or Zstd
	Level  int    // of gzip 1 to 9, of zstd 1 to 22; 0 is 5 of gzip and 3 of zstd
}

// ParseCompression reads "none", "gzip", "zstd", or one of the latter with a
// level: "zstd:9".
func ParseCompression(s string) (Compression, error) {
	method, level, hasLevel := strings.Cut(s, ":")
	c := Compression{Method: method}
	most := 0
	switch method {
	case "none":
		c.Method = ""
	case Gzip:
		most = pgzip.BestCompression
	case Zstd:
		most = zstdMost
	default:
		return Compression{}, fmt.Errorf("compression %q: there are none, %s and %s", s, Gzip, Zstd)
	}
	if !hasLevel {
		return c, nil
	}
	if most == 0 {
		return Compression{}, fmt.Errorf("compression %q: none has no level", s)
	}
	n, err := strconv.Atoi(level)
	if err != nil || n < 1 || n > most {
		return Compression{}, fmt.Errorf("compression %q: the level of %s is a number from 1 to %d", s, method, most)
	}
	c.Level = n
	return c, nil
}

// String returns what ParseCompression reads.
func (c Compression) String() string {
	switch {
	case c.Method == "":
		return "none"
	case c.Level == 0:
		return c.Method
	}
	return fmt.Sprintf("%s:%d", c.Method, c.Level)
}

// NotReadBy returns the consumers that cannot read layers compressed so, each
// with the version from which on it can, if there is one.
func (c Compression) NotReadBy() []string {
	if c.Method != Zstd {
		return nil
	}
	return []string{"docker before 23", "umoci before 0.5", "crane where it reads an archive"}
}

// mediaType returns the OCI media type of a layer compressed so.
func (c Compression) mediaType() string {
	switch c.Method {
	case Gzip:
		return v1.MediaTypeImageLayerGzip
	case Zstd:
		return v1.MediaTypeImageLayerZstd
	}
	return v1.MediaTypeImageLayer
}

// writer returns a writer that compresses into w. Its Close does not close w.
//
// What goes to w must not depend on the machine. Gzip is cut into blocks of one
// size, each compressed on its own with the end of the one before as dictionary,
// and is a single member, as some consumers read no more than the first. Zstd
// does the same with one processor as with two.
func (c Compression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c.Method {
	case Gzip:
		z, err := pgzip.NewWriterLevel(w, cmp.Or(c.Level, gzipLevel))
		if err != nil {
			return nil, err
		}
		z.ModTime = time.Unix(0, 0) // which the format takes for none
		return z, z.SetConcurrency(gzipBlock, gzipAhead*runtime.GOMAXPROCS(0))
	case Zstd:
		return zstd.NewWriter(w,
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(cmp.Or(c.Level, zstdLevel))),
			zstd.WithEncoderConcurrency(2))
	}
	return nil, fmt.Errorf("compression %q is unknown", c.Method)
}

// compress copies what write writes into w, compressed.
func (c Compression) compress(w io.Writer, write func(io.Writer) error) error {
	z, err := c.writer(w)
	if err != nil {
		return err
	}
	err = write(z)
	return cmp.Or(err, z.Close())
}
