package pack_test

import (
	"testing"

	"github.com/harvest-oci/harvest/pack"
)

func TestTagsAreNormalisedAsDockerDoes(t *testing.T) {
	for _, tt := range []struct{ in, full, short string }{
		{"basic", "docker.io/library/basic:latest", "basic:latest"},
		{"basic:v1", "docker.io/library/basic:v1", "basic:v1"},
		{"team/basic:v1", "docker.io/team/basic:v1", "team/basic:v1"},
		{"localhost/basic", "localhost/basic:latest", "localhost/basic:latest"},
		{"127.0.0.1:5000/basic:v1", "127.0.0.1:5000/basic:v1", "127.0.0.1:5000/basic:v1"},
		{"registry.example/a/b:1", "registry.example/a/b:1", "registry.example/a/b:1"},
	} {
		full, err := pack.ParseTag(tt.in)
		if err != nil || full != tt.full || pack.ShortTag(full) != tt.short {
			t.Errorf("%s: got %q (%q), %v; want %q (%q)", tt.in, full, pack.ShortTag(full), err, tt.full, tt.short)
		}
	}
}

func TestBadTagsAreErrors(t *testing.T) {
	for in, want := range map[string]string{
		"Basic":     `image name "Basic": invalid reference format: repository name (library/Basic) must be lowercase`,
		"":          `image name "": invalid reference format`,
		"basic:v 1": `image name "basic:v 1": invalid reference format`,
		"basic@sha256:ecf0db1245d39050e30f4d2d0d1813c8595b6d1756fa426869805c7f6b6d9921": `image name "basic@sha256:ecf0db1245d39050e30f4d2d0d1813c8595b6d1756fa426869805c7f6b6d9921": a digest cannot be given to an image`,
	} {
		if _, err := pack.ParseTag(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}
