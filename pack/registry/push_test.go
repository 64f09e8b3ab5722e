package registry_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

func TestPulledImageIsTheOneThatWasPushed(t *testing.T) {
	for _, compression := range []pack.Compression{{}, {Method: pack.Gzip}, {Method: pack.Zstd}} {
		t.Run(compression.String(), func(t *testing.T) {
			inWorld(t, world{local: &registrytest.Registry{}}, func(t *testing.T, c *registry.Client) {
				img := image(t, 3, 2)
				img.Compression = compression
				p := pushed(t, c, img, app)
				got := pulled(t, c, app)
				if !bytes.Equal(archive(t, got), archive(t, img)) {
					t.Error("it is another one")
				}
				if len(got.Tags) != 1 || got.Tags[0] != app {
					t.Errorf("it has the names %q", got.Tags)
				}
				if want := digest.FromBytes(got.Read.Manifest); p.Digest != want {
					t.Errorf("the push says %s, the manifest has the digest %s", p.Digest, want)
				}
			})
		})
	}
}

func TestPushSendsWhatTheRegistryLacks(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		for _, step := range []struct {
			what string
			img  *pack.Image
			name string
			want string
		}{
			{"first", image(t, 3, 2), app, "sent sent sent sent"},
			{"again", image(t, 3, 2), app, "present present present present"},
			{"with another last layer", image(t, 3, 7), app, "present present sent sent"},
			{"to another repository", image(t, 3, 7), local + "/other", "mounted mounted mounted mounted"},
			{"there, with another last layer", image(t, 3, 8), local + "/other", "present present sent sent"},
		} {
			if got := how(pushed(t, c, step.img, step.name)); got != step.want {
				t.Errorf("%s: %s, want %s", step.what, got, step.want)
			}
		}
	})
}

func TestLayerThatIsThereTwiceIsSentOnce(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		img := image(t, 1, 0)
		img.Append(img.Layers[0], "again")
		if got := how(pushed(t, c, img, app)); got != "sent sent" {
			t.Errorf("layer and config are %s", got)
		}
		if got := pulled(t, c, app); len(got.Layers) != 2 {
			t.Errorf("the image has %d layers", len(got.Layers))
		}
	})
}

func TestNamesMayBeInSeveralPlaces(t *testing.T) {
	here, there := &registrytest.Registry{}, &registrytest.Registry{}
	inWorld(t, world{local: here, "registry.example.com:443": there}, func(t *testing.T, c *registry.Client) {
		names := []string{local + "/a:1", "registry.example.com/b", local + "/c:3", local + "/a:2"}
		p := pushed(t, c, image(t, 1, 0), names...)
		for _, name := range names {
			if got := digest.FromBytes(pulled(t, c, name).Read.Manifest); got != p.Digest {
				t.Errorf("%s is %s, want %s", name, got, p.Digest)
			}
		}
		if got := how(p); got != "sent sent sent sent mounted mounted" {
			t.Errorf("blobs are %s", got)
		}
	})
}

func TestTagIsTheLastThingThatIsWritten(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 2, 1), app)
		requests := g.Requests()
		if got, want := requests[len(requests)-1], "PUT 201 team/app/manifests/v1"; got != want {
			t.Errorf("got %s, want %s, in\n%s", got, want, strings.Join(requests, "\n"))
		}
	})
}

func TestIndexHoldsAnImageForEachPlatform(t *testing.T) {
	g := &registrytest.Registry{PageSize: 1}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		amd, arm := image(t, 2, 1), image(t, 2, 5)
		arm.Architecture, arm.Variant = "arm", "v7"
		p, err := c.PushIndex(t.Context(), []*pack.Image{amd, arm}, app)
		if err != nil {
			t.Fatal(err)
		}
		var index v1.Index
		data := g.Get("team/app", "v1")
		if err := json.Unmarshal(data, &index); err != nil || len(index.Manifests) != 2 || digest.FromBytes(data) != p.Digest {
			t.Fatalf("the index is %s, %v", data, err)
		}
		for _, test := range []struct {
			platform v1.Platform
			want     *pack.Image
		}{
			{v1.Platform{OS: "linux", Architecture: "amd64"}, amd},
			{v1.Platform{OS: "linux", Architecture: "arm"}, arm},
			{v1.Platform{Architecture: "arm", Variant: "v7"}, arm},
		} {
			got, err := c.Pull(t.Context(), app, test.platform)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(archive(t, got), archive(t, test.want)) {
				t.Errorf("%v: it is another image", test.platform)
			}
		}
		_, err = c.Pull(t.Context(), app, v1.Platform{Architecture: "s390x"})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: there is no image for linux/s390x; there is linux/amd64, linux/arm/v7")
		_, err = c.PushIndex(t.Context(), []*pack.Image{amd, amd}, app)
		fails(t, err, "two images are for linux/amd64")
		if tags, err := c.Tags(t.Context(), app); err != nil || len(tags) != 1 {
			t.Errorf("the tags are %q, %v", tags, err)
		}
	})
}

func TestImageWithoutIndexMustBeForThePlatform(t *testing.T) {
	inWorld(t, world{local: &registrytest.Registry{}}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), app)
		if _, err := c.Pull(t.Context(), app, v1.Platform{OS: "linux", Architecture: "amd64"}); err != nil {
			t.Error(err)
		}
		_, err := c.Pull(t.Context(), app, v1.Platform{Architecture: "arm64"})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: there is no image for arm64; there is linux/amd64")
	})
}

func TestCopyIsTheSameToTheByte(t *testing.T) {
	here, there := &registrytest.Registry{}, &registrytest.Registry{}
	inWorld(t, world{local: here, "registry.example.com:443": there}, func(t *testing.T, c *registry.Client) {
		amd, arm := image(t, 2, 1), image(t, 2, 5)
		arm.Architecture = "arm64"
		p, err := c.PushIndex(t.Context(), []*pack.Image{amd, arm}, app)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			to       string
			platform *v1.Platform
			how      string
		}{
			{"registry.example.com/copy:all", nil, "sent sent sent present sent sent"},
			{"registry.example.com/one", &v1.Platform{Architecture: "arm64"}, "mounted mounted mounted"},
			{local + "/there", nil, "mounted mounted mounted present mounted mounted"},
		} {
			got, err := c.Copy(t.Context(), app, step.to, step.platform)
			if err != nil {
				t.Fatal(err)
			}
			if step.platform == nil && got.Digest != p.Digest {
				t.Errorf("%s has the digest %s, want %s", step.to, got.Digest, p.Digest)
			}
			if how(got) != step.how {
				t.Errorf("blobs of %s are %s, want %s", step.to, how(got), step.how)
			}
		}
		want, err := c.Pull(t.Context(), app, v1.Platform{Architecture: "arm64"})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(archive(t, pulled(t, c, "registry.example.com/one")), archive(t, want)) {
			t.Error("the copy for one platform is another image")
		}
	})
}

func TestProgressEndsWhenAllIsSent(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		var done, total int64
		c.Progress = func(d, t int64) { done, total = d, t }
		p := pushed(t, c, image(t, 3, 2), app)
		var want int64
		for _, s := range p.Transfers {
			want += s.Size
		}
		if done != want || total != want {
			t.Errorf("%d of %d bytes, want %d", done, total, want)
		}
	})
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	g := &registrytest.Registry{PageSize: 2}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		img := image(t, 1, 0)
		pushed(t, c, img, local+"/a:3", local+"/a:1", local+"/a:5", local+"/a:2", local+"/a:4", local+"/b/c", local+"/d")
		tags, err := c.Tags(t.Context(), local+"/a")
		if got, _ := json.Marshal(tags); string(got) != `["1","2","3","4","5"]` || err != nil {
			t.Errorf("the tags are %s, %v", got, err)
		}
		repos, err := c.Catalog(t.Context(), local)
		if got, _ := json.Marshal(repos); string(got) != `["a","b/c","d"]` || err != nil {
			t.Errorf("the repositories are %s, %v", got, err)
		}
	})
}

func TestRegistryThatDoesNotMountGetsTheBlob(t *testing.T) {
	for name, g := range map[string]*registrytest.Registry{
		"another answer": {NoMount: true},
		"a refusal": {Fault: func(w http.ResponseWriter, r *http.Request) bool {
			refused := r.URL.Query().Has("mount")
			if refused {
				registrytest.Fail(w, http.StatusForbidden, "DENIED", "you may not read there")
			}
			return refused
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				pushed(t, c, image(t, 1, 0), app)
				if got := how(pushed(t, c, image(t, 1, 0), local+"/other")); got != "sent sent" {
					t.Errorf("blobs are %s", got)
				}
			})
		})
	}
}

func TestFetchedImageNeedsNoRegistry(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		img := image(t, 3, 2)
		img.Append(img.Layers[1], "again")
		pushed(t, c, img, app)
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var done, total int64
		c.Progress = func(d, t int64) { done, total = d, t }
		here, err := c.Fetch(t.Context(), pulled(t, c, app), file)
		if err != nil {
			t.Fatal(err)
		}
		g.Requests()
		for range 2 {
			if !bytes.Equal(archive(t, here), archive(t, img)) {
				t.Error("it is another image")
			}
		}
		info, err := file.Stat()
		if err != nil || done != info.Size() || total != done {
			t.Errorf("%d of %d bytes make a file of %d, %v", done, total, info.Size(), err)
		}
		if list := g.Requests(); len(list) > 0 {
			t.Errorf("the registry was asked %q", list)
		}
		g.Put("team/app", here.Layers[2].Blob().Digest.String(), "", make([]byte, here.Layers[2].Blob().Size))
		if _, err := c.Fetch(t.Context(), pulled(t, c, app), file); err == nil {
			t.Error("a wrong layer is no error")
		}
	})
}
