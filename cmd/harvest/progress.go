package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
)

// progressDelay is how long work must last before it is worth a line.
const progressDelay = 500 * time.Millisecond

// A progress shows on a terminal how much of a layer has been read, or sent.
type progress struct {
	w           io.Writer // nil for nothing to show
	doing       string    // "packing"
	done, total atomic.Int64
	stopped     chan struct{}
	idle        sync.WaitGroup
}

// startProgress starts a line on a terminal; elsewhere it shows nothing.
func startProgress(s streams, quiet bool, doing string) *progress {
	p := &progress{doing: doing, stopped: make(chan struct{})}
	if s.progress && !quiet {
		p.w = s.err
		p.idle.Go(p.show)
	}
	return p
}

// stop takes the line away.
func (p *progress) stop() {
	close(p.stopped)
	p.idle.Wait()
}

func (p *progress) show() {
	select {
	case <-p.stopped:
		return
	case <-time.After(progressDelay):
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, total := p.done.Load(), max(p.total.Load(), 1)
		fmt.Fprintf(p.w, "\r\x1b[K%s %s of %s, %d %%", p.doing, units.Size(done), units.Size(total), done*100/total)
		select {
		case <-p.stopped:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		case <-tick.C:
		}
	}
}

// A watchedLayer is a layer whose progress is shown while it is written, and that
// is not written any further once its context is done.
type watchedLayer struct {
	pack.Layer
	ctx context.Context
	p   *progress
}

func (l watchedLayer) WriteTo(w io.Writer) (int64, error) {
	total, err := l.Size()
	if err != nil {
		return 0, err
	}
	l.p.total.Store(total)
	l.p.done.Store(0)
	return l.Layer.WriteTo(watchedWriter{l, w})
}

// moved counts n bytes and says whether to go on.
func (l watchedLayer) moved(n int) error {
	l.p.done.Add(int64(n))
	return l.ctx.Err()
}

type watchedWriter struct {
	l watchedLayer
	w io.Writer
}

func (w watchedWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	return n, cmp.Or(err, w.l.moved(n))
}

// ReadFrom leaves it to the writer below how contents are copied.
func (w watchedWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(w.w, watchedReader{w.l, r})
}

type watchedReader struct {
	l watchedLayer
	r io.Reader
}

func (r watchedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	return n, cmp.Or(err, r.l.moved(n))
}
