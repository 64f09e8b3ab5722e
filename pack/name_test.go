package pack_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"

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

// FuzzTagsAreWhatTheReferenceSays compares with the package that docker uses.
func FuzzTagsAreWhatTheReferenceSays(f *testing.F) {
	for _, s := range []string{
		"", "basic", "basic:v1", "Basic", "a:b:c", "team/basic", "a/b/c:1", "docker.io/basic", "docker.io/library/a/b:c",
		"index.docker.io/basic", "library/basic", "localhost/basic", "LOCALHOST/basic", "localhost:5000/basic:v1", "host/",
		"127.0.0.1:5000/a", "[::1]:5000/a:b", "[::1]/a", "[fe80::1%eth0]/a", "ex-ample.com/a", "-example.com/a", "a_b.c/x",
		"a.b_/x", "a:5000x/y", "a__b", "a___b", "a--b", "a.-b", "a..b", "A.b/c", "a.B/C", "é/a", "É/a", "a/É:x", "a:é",
		"a@sha256:ecf0db1245d39050e30f4d2d0d1813c8595b6d1756fa426869805c7f6b6d9921", "a:b@c", "@", "a\n", "a:\n", "/", "//", ":",
		strings.Repeat("a", 64), strings.Repeat("g", 64), strings.Repeat("a", 63) + "/b", "a:" + strings.Repeat("t", 128),
		"a:" + strings.Repeat("t", 129), strings.Repeat("r", 247), strings.Repeat("r", 248), "x.y/" + strings.Repeat("r", 256),
		"a_.b/" + strings.Repeat("r", 251), "docker.io:443/a", "docker.io/", "Docker.io/a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		full, err := pack.ParseTag(s)
		ref, wantErr := reference.ParseNormalizedNamed(s)
		if wantErr != nil || strings.Contains(s, "@") {
			if err == nil {
				t.Fatalf("%q is taken for %s; the reference says %v", s, full, wantErr)
			}
			return
		}
		want := reference.TagNameOnly(ref)
		if err != nil || full != want.String() {
			t.Fatalf("%q: got %q, %v; the reference says %q", s, full, err, want)
		}
		if short := pack.ShortTag(full); short != reference.FamiliarString(want) {
			t.Fatalf("%q is %q in short; the reference says %q", full, short, reference.FamiliarString(want))
		}
		if tag := pack.TagOf(full); tag != want.(reference.Tagged).Tag() {
			t.Fatalf("%q has the tag %q", full, tag)
		}
	})
}

func BenchmarkParseTag(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pack.ParseTag("registry.example/team/basic:v1"); err != nil {
			b.Fatal(err)
		}
	}
}
