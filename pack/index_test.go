package pack_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
)

// indexed returns an index of two images that have a layer in common.
func indexed(t *testing.T) *pack.Index {
	t.Helper()
	common := rawLayer(makeTar(t, file("data", "the same for all")))
	arm := &pack.Image{OS: "linux", Architecture: "arm", Variant: "v7", Compression: pack.Compression{Method: pack.Gzip}}
	arm.Append(common, "test")
	arm.Append(rawLayer(makeTar(t, file("bin/app", "arm"))), "test")
	amd := &pack.Image{OS: "linux", Architecture: "amd64"}
	amd.Append(common, "test")
	amd.Append(rawLayer(makeTar(t, file("bin/app", "amd64"))), "test")
	return &pack.Index{Tags: []string{"docker.io/library/app:v1", "docker.io/library/app:latest"}, Images: []*pack.Image{amd, arm}}
}

func TestIndexIsReadBack(t *testing.T) {
	dir := t.TempDir()
	sum, digests, err := pack.WriteIndexLayout(dir, indexed(t))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	again, _, err := pack.WriteIndexArchive(&archive, indexed(t))
	if err != nil || again != sum {
		t.Errorf("the archive's index is %s, %v, the layout's %s", again, err, sum)
	}
	for name, open := range map[string]func() (*pack.Store, error){
		"layout":  func() (*pack.Store, error) { return pack.Open(dir) },
		"archive": func() (*pack.Store, error) { return openBytes(archive.Bytes()) },
	} {
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if faults, err := s.Verify(t.Context(), pack.Limits{}); err != nil || len(faults) > 0 || s.Format != pack.FormatOCI {
			t.Errorf("%s: %s with %v, %v", name, s.Format, faults, err)
		}
		for i, p := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}} {
			img, err := s.Find("app:v1", p)
			if err != nil {
				t.Fatal(err)
			}
			_, is, err := img.Documents(blobs(img))
			if err != nil || is.Manifest != digests[i].Manifest || is.Image != digests[i].Image {
				t.Errorf("%s: %s is %v, %v, want %v", name, p.Architecture, is, err, digests[i])
			}
			if strings.Join(img.Tags, " ") != "docker.io/library/app:v1 docker.io/library/app:latest" {
				t.Errorf("%s: %s has the names %v", name, p.Architecture, img.Tags)
			}
		}
	}
	if n := strings.Count(archive.String(), "the same for all"); n != 1 {
		t.Errorf("the common layer is there %d times", n)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil || len(entries) != 9 { // two layers each, the one that is common once compressed; two documents each; the index
		t.Errorf("%d blobs, %v", len(entries), err)
	}
}

// blobs returns what the layers of an image that was read are.
func blobs(img *pack.Image) []pack.Blob {
	var list []pack.Blob
	for _, l := range img.Layers {
		list = append(list, l.Blob())
	}
	return list
}

func TestIndexOfAPlatformTwiceIsAnError(t *testing.T) {
	x := indexed(t)
	x.Images[0].Architecture = "arm" // which means v7
	var twice *pack.PlatformError
	if _, _, err := pack.WriteIndexArchive(io.Discard, x); !errors.As(err, &twice) || err.Error() != "two images are for linux/arm/v7" {
		t.Errorf("got %v", err)
	}
	if _, _, err := pack.WriteIndexLayout(t.TempDir(), &pack.Index{}); err == nil {
		t.Error("an index of nothing is written")
	}
}

func TestIndexReturnsErrorsOfItsLayers(t *testing.T) {
	x := indexed(t)
	failed := errors.New("no more")
	x.Images[1].Layers[1] = pack.BlobLayer(pack.Blob{Size: 5, MediaType: v1.MediaTypeImageLayer},
		func() (io.ReadCloser, error) { return nil, failed })
	const want = "writing the image for linux/arm/v7: writing layer 1: no more"
	if _, _, err := pack.WriteIndexArchive(io.Discard, x); !errors.Is(err, failed) || err.Error() != want {
		t.Errorf("archive: got %v", err)
	}
	if _, _, err := pack.WriteIndexLayout(t.TempDir(), x); !errors.Is(err, failed) || err.Error() != want {
		t.Errorf("layout: got %v", err)
	}
}
