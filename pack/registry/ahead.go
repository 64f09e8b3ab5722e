package registry

import (
	"context"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/harvest-oci/harvest/pack"
)

// Ahead returns an image that was pulled with layers that come several at a time,
// although they are written one after the other. The first that is written comes
// straight from the registry; those after it are meanwhile kept in an empty file,
// if they are not written before their turn has come.
//
// The function that is returned ends what is still under way, after which no layer
// can be read and the file may be closed.
func (c *Client) Ahead(ctx context.Context, img *pack.Image, f File) (*pack.Image, func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{ctx: ctx, file: f, places: make(map[digest.Digest]*place)}
	here := *img
	here.Layers = make([]pack.Layer, len(img.Layers))
	end := int64(0)
	for i, l := range img.Layers {
		b := l.Blob()
		if pulled, ok := l.(*layer); ok {
			l = pulled.until(ctx)
		}
		p := a.places[b.Digest]
		if p == nil {
			p = &place{layer: l, at: end, done: make(chan struct{})}
			end += b.Size
			a.places[b.Digest] = p
			a.order = append(a.order, p)
		}
		here.Layers[i] = &aheadLayer{l, a, p}
	}
	a.workers = min(c.parallel()-1, len(a.order)-1)
	return &here, func() {
		cancel()
		a.idle.Wait()
	}
}

// ahead is the work of fetching layers before they are asked for.
type ahead struct {
	ctx     context.Context
	file    File
	workers int
	start   sync.Once
	idle    sync.WaitGroup

	mu     sync.Mutex
	order  []*place // in which layers are written
	places map[digest.Digest]*place
}

// A place is where in the file a layer is kept.
type place struct {
	layer pack.Layer
	at    int64
	taken bool          // by a worker, or by who reads it first
	done  chan struct{} // closed when that is over
	kept  bool          // in the file
	err   error         // of the registry
}

// take claims a layer that nobody has, and says whether that was so.
func (a *ahead) take(p *place) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	free := !p.taken
	p.taken = true
	return free
}

// work fetches layers in order, as long as there are any.
func (a *ahead) work() {
	for _, p := range a.order {
		if a.ctx.Err() == nil && a.take(p) {
			w := &keeper{w: io.NewOffsetWriter(a.file, p.at)}
			if _, err := p.layer.WriteTo(until{a.ctx, w}); !w.full {
				p.kept, p.err = err == nil, err
			}
			close(p.done)
		}
	}
}

// A keeper writes to a file, and knows whether it was that what failed.
type keeper struct {
	w    io.Writer
	full bool
}

func (k *keeper) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	k.full = err != nil
	return n, err
}

// An aheadLayer is one of the layers that are fetched.
type aheadLayer struct {
	pack.Layer
	ahead *ahead
	place *place
}

func (l *aheadLayer) WriteTo(w io.Writer) (int64, error) {
	first := l.ahead.take(l.place)
	l.ahead.start.Do(func() {
		for range l.ahead.workers {
			l.ahead.idle.Go(l.ahead.work)
		}
	})
	if first {
		defer close(l.place.done)
		return l.Layer.WriteTo(w)
	}
	select {
	case <-l.place.done:
	case <-l.ahead.ctx.Done():
		return 0, context.Cause(l.ahead.ctx)
	}
	switch {
	case l.place.err != nil:
		return 0, l.place.err
	case l.place.kept:
		return io.Copy(w, io.NewSectionReader(l.ahead.file, l.place.at, l.Blob().Size))
	}
	return l.Layer.WriteTo(w)
}
