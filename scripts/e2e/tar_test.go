package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// A member is one path of a tar, with its contents.
type member struct {
	*tar.Header
	content []byte
}

func readTar(t *testing.T, r io.Reader) []member {
	t.Helper()
	var members []member
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, member{h, content})
	}
}

// An archive is an image file, taken apart.
type archive struct {
	t       *testing.T
	members []member
}

func openArchive(t *testing.T, file string) archive {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return archive{t, readTar(t, f)}
}

// names lists the members, a line each.
func (a archive) names() string { return names(a.members) }

func names(members []member) string {
	var b strings.Builder
	for _, m := range members {
		fmt.Fprintln(&b, m.Name)
	}
	return b.String()
}

func (a archive) member(name string) []byte {
	a.t.Helper()
	for _, m := range a.members {
		if m.Name == name {
			return m.content
		}
	}
	a.t.Fatalf("no member %s in\n%s", name, a.names())
	return nil
}

// config returns the bytes whose digest is the image ID.
func (a archive) config() []byte {
	a.t.Helper()
	return a.member(a.manifest().Config)
}

// layer returns what is in the image's only layer.
func (a archive) layer() []member {
	a.t.Helper()
	layers := a.manifest().Layers
	if len(layers) != 1 {
		a.t.Fatalf("the image has %d layers, want 1", len(layers))
	}
	return readTar(a.t, bytes.NewReader(a.member(layers[0])))
}

// A dockerManifest is manifest.json's word on one image.
type dockerManifest struct {
	Config string
	Layers []string
}

func (a archive) manifest() dockerManifest {
	a.t.Helper()
	var list []dockerManifest
	if err := json.Unmarshal(a.member("manifest.json"), &list); err != nil {
		a.t.Fatal(err)
	}
	if len(list) != 1 {
		a.t.Fatalf("manifest.json has %d images, want 1", len(list))
	}
	return list[0]
}

// sum returns the digest of some bytes as images write it.
func sum[T string | []byte](b T) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(b))) }

func fileSum(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}
