package registry_test

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

func TestLayersComeTogetherAndInOrder(t *testing.T) {
	for _, room := range []int{2 << 20, 500_000, 0} {
		g := &registrytest.Registry{}
		var barrier *sync.WaitGroup // that only requests at the same time get past
		var asked sync.Map
		g.Fault = fault("GET", "/blobs/", func(_ http.ResponseWriter, r *http.Request) bool {
			if _, again := asked.LoadOrStore(r.URL.Path, true); barrier != nil && !again {
				barrier.Done()
				barrier.Wait()
			}
			return false
		})
		inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
			img := image(t, 4, 3)
			img.Layers = append(img.Layers, img.Layers[1]) // which is there twice
			img.History = append(img.History, img.History[1])
			pushed(t, c, img, app)
			got := pulled(t, c, app)
			barrier = &sync.WaitGroup{}
			barrier.Add(4)
			here, end := c.Ahead(t.Context(), got, &memory{data: make([]byte, room)})
			defer end()
			if !bytes.Equal(archive(t, here), archive(t, img)) {
				t.Error("it is another image")
			}
			if !bytes.Equal(archive(t, here), archive(t, img)) {
				t.Error("the second time it is another image")
			}
		})
	}
}

func TestFaultOfALayerThatCameEarlyIsTold(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 3, 2), app)
		img := pulled(t, c, app)
		d := img.Layers[2].Blob().Digest.String()
		wrong := bytes.Clone(g.Get("team/app", d))
		wrong[1000]++
		g.Put("team/app", d, "", wrong)
		here, end := c.Ahead(t.Context(), img, &memory{data: make([]byte, 2<<20)})
		defer end()
		for i, l := range here.Layers {
			err := written(l)
			if i < 2 && err != nil {
				t.Error(err)
			}
			if i == 2 {
				fails(t, err, "pulling 127.0.0.1:5000/team/app: layer DIGEST: has the digest DIGEST")
			}
		}
	})
}

func TestNothingIsFetchedAfterTheEnd(t *testing.T) {
	g := &registrytest.Registry{}
	var slow bool
	g.Fault = fault("GET", "/blobs/", func(_ http.ResponseWriter, r *http.Request) bool {
		if slow {
			<-r.Context().Done()
		}
		return slow
	})
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 4, 3), app)
		here, end := c.Ahead(t.Context(), pulled(t, c, app), &memory{data: make([]byte, 2<<20)})
		slow = true
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			end()
		}()
		err := written(here.Layers[0])
		if took := time.Since(start); err == nil || took != time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		end()
		if err := written(here.Layers[3]); err == nil || errors.Is(err, registry.ErrNoV2) {
			t.Errorf("got %v", err)
		}
	})
}
