package pack

import (
	"cmp"
	"crypto/sha256"
	"io"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

const (
	chunkSize = 256 << 10
	maxChunks = 8
)

// A tee writes to w and hashes what is written, each in a goroutine of its own,
// so that reading, hashing and writing overlap:
//
//	           ┌─► hash ──┐
//	Write ─► chunk        ├─► free chunk ─► Write ...
//	           └─► write ─┘
//
// It holds at most maxChunks chunks. Close must be called.
type tee struct {
	w io.Writer

	now   *chunk
	made  int
	free  chan *chunk
	queue [2]chan *chunk // to the hasher, to the writer
	done  sync.WaitGroup
	sum   digest.Digest

	failed atomic.Bool // err is set
	err    error
}

type chunk struct {
	data []byte
	refs atomic.Int32 // consumers that have not let go of it
}

func newTee(w io.Writer) *tee {
	t := &tee{w: w, free: make(chan *chunk, maxChunks)}
	for i := range t.queue {
		t.queue[i] = make(chan *chunk, maxChunks)
	}
	t.done.Go(t.hash)
	t.done.Go(t.write)
	return t
}

func (t *tee) hash() {
	h := sha256.New()
	for c := range t.queue[0] {
		h.Write(c.data)
		t.release(c)
	}
	t.sum = digest.NewDigest(digest.SHA256, h)
}

func (t *tee) write() {
	for c := range t.queue[1] {
		if t.err == nil {
			if _, err := t.w.Write(c.data); err != nil {
				t.err = err
				t.failed.Store(true)
			}
		}
		t.release(c)
	}
}

func (t *tee) release(c *chunk) {
	if c.refs.Add(-1) == 0 {
		t.free <- c
	}
}

// room returns the unused part of the current chunk, which is never empty.
func (t *tee) room() []byte {
	if t.now != nil && len(t.now.data) == cap(t.now.data) {
		t.flush()
	}
	if t.now == nil {
		t.now = t.take()
	}
	return t.now.data[len(t.now.data):cap(t.now.data)]
}

func (t *tee) take() *chunk {
	select {
	case c := <-t.free:
		c.data = c.data[:0]
		return c
	default:
	}
	if t.made < maxChunks {
		t.made++
		return &chunk{data: make([]byte, 0, chunkSize)}
	}
	c := <-t.free
	c.data = c.data[:0]
	return c
}

func (t *tee) flush() {
	c := t.now
	t.now = nil
	c.refs.Store(int32(len(t.queue)))
	for _, q := range t.queue {
		q <- c
	}
}

// filled says that n bytes of room have been used.
func (t *tee) filled(n int) { t.now.data = t.now.data[:len(t.now.data)+n] }

func (t *tee) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if t.failed.Load() {
			return total - len(p), t.err
		}
		n := copy(t.room(), p)
		t.filled(n)
		p = p[n:]
	}
	return total, nil
}

// ReadFrom reads straight into the chunks.
func (t *tee) ReadFrom(r io.Reader) (total int64, err error) {
	for {
		if t.failed.Load() {
			return total, t.err
		}
		n, err := r.Read(t.room())
		t.filled(n)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close waits until everything is hashed and written, and returns the digest
// of it, or the first error of w.
func (t *tee) Close() (digest.Digest, error) {
	if t.now != nil {
		t.flush()
	}
	for _, q := range t.queue {
		close(q)
	}
	t.done.Wait()
	return t.sum, t.err
}

// end closes the tee after err, the end of what wrote to it, for which an error
// of w may be the reason.
func (t *tee) end(err error) (digest.Digest, error) {
	sum, terr := t.Close()
	if err := cmp.Or(terr, err); err != nil {
		return "", err
	}
	return sum, nil
}
