package registry_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

// memory is a file of a size that it does not outgrow.
type memory struct {
	data   []byte
	closed bool
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, at)
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > int64(len(m.data)) {
		return 0, errors.New("there is no room left")
	}
	return copy(m.data[at:], p), nil
}

func (m *memory) Close() error { m.closed = true; return nil }

// countedLayer counts how often it is written.
type countedLayer struct {
	pack.Layer
	times *int
}

func (l countedLayer) WriteTo(w io.Writer) (int64, error) {
	*l.times++
	return l.Layer.WriteTo(w)
}

func TestLayerIsCompressedOnce(t *testing.T) {
	for _, test := range []struct {
		name  string
		room  int // of the spool, -1 for none
		times int
	}{
		{"with room", 1 << 20, 3},
		{"with room for one", 400_000, 5},
		{"without room", 0, 6},
		{"without a spool", -1, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{}
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				file := &memory{data: make([]byte, max(0, test.room))}
				c.Spool = func() (registry.TempFile, error) { return file, nil }
				if test.room < 0 {
					c.Spool = func() (registry.TempFile, error) { return nil, errors.New("no such folder") }
				}
				img := image(t, 3, 2)
				img.Compression.Method = pack.Gzip
				times := 0
				for i, l := range img.Layers {
					img.Layers[i] = countedLayer{l, &times}
				}
				p := pushed(t, c, img, app)
				if times != test.times {
					t.Errorf("layers were read %d times, want %d", times, test.times)
				}
				if got := how(p); got != "sent sent sent sent" {
					t.Errorf("blobs are %s", got)
				}
				if test.room >= 0 && !file.closed {
					t.Error("the spool is left open")
				}
				got := pulled(t, c, app)
				for i := range got.Layers {
					if err := written(got.Layers[i]); err != nil {
						t.Error(err)
					}
					id, err := pack.WriteLayer(io.Discard, got.Layers[i])
					if want, werr := pack.WriteLayer(io.Discard, img.Layers[i]); err != nil || werr != nil || id != want {
						t.Errorf("layer %d is %s, want %s, %v, %v", i, id, want, err, werr)
					}
				}
				if got := how(pushed(t, c, img, app)); got != "present present present present" {
					t.Errorf("again, blobs are %s", got)
				}
			})
		})
	}
}
