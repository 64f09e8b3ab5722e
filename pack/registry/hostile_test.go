package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
)

const (
	zeros    = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	ociImage = v1.MediaTypeImageManifest
	ociIndex = v1.MediaTypeImageIndex
)

// described returns the descriptor of some bytes as JSON.
func described(mediaType, data string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest.FromString(data), len(data))
}

func TestDocumentsAreNotTakenOnTrust(t *testing.T) {
	const config = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + zeros + `"]}}`
	layer := described(v1.MediaTypeImageLayer, "layer")
	image := `{"schemaVersion":2,"config":` + described(v1.MediaTypeImageConfig, config) + `,"layers":[` + layer + `]}`
	replaced := func(old, new string) string {
		if !strings.Contains(image, old) {
			t.Fatalf("%s has no %s", image, old)
		}
		return strings.Replace(image, old, new, 1)
	}
	for _, test := range []struct{ name, mediaType, doc, want string }{
		{"index and manifest at once (CVE-2021-41190)", ociImage, replaced(`"layers"`, `"manifests":[],"layers"`),
			"manifest v1: is an index and a manifest at once"},
		{"a manifest that says it is an index (CVE-2021-41190)", ociImage, replaced(`"config"`, `"mediaType":"`+ociIndex+`","config"`),
			"manifest v1: was served as " + `"` + ociImage + `" and says that it is "` + ociIndex + `"`},
		{"a manifest that is served as an index", ociIndex, image,
			"manifest v1: has the media type " + ociIndex + ", which is not what is in it"},
		{"an index that is served as a manifest", ociImage, `{"schemaVersion":2,"manifests":[]}`,
			"manifest v1: has the media type " + ociImage + ", which is not what is in it"},
		{"a document without media type", "application/json", image, `manifest v1: has the media type "application/json"`},
		{"something else", "text/html", "<html>", "manifest v1: is not JSON as it should be: invalid character '<' looking for beginning of value"},
		{"nothing", ociImage, `{"schemaVersion":2}`, "manifest v1: is neither an index nor a manifest"},
		{"version 1", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`,
			"manifest v1: is a manifest of version 1, which docker gave up in 2016"},
		{"4 MiB (CVE-2020-1702, CVE-2023-25153)", ociImage, image + strings.Repeat(" ", 4<<20), "manifest v1: has more than 4194304 bytes"},
		{"100,000 layers", ociImage, replaced(`"layers":[`, `"layers":[`+strings.Repeat("0,", 100_000)), "manifest v1: has more than 100000 values"},
		{"a path for a digest (CVE-2024-3727)", ociImage, replaced(string(digest.FromString("layer")), "sha256:../../../../etc/passwd"),
			`manifest DIGEST: "sha256:../../../../etc/passwd" is no sha256 digest`},
		{"no digest", ociImage, replaced(string(digest.FromString("layer")), ""), `manifest DIGEST: "" is no sha256 digest`},
		{"a weak digest", ociImage, replaced(string(digest.FromString("layer")), "md5:d41d8cd98f00b204e9800998ecf8427e"),
			`manifest DIGEST: "md5:d41d8cd98f00b204e9800998ecf8427e" is no sha256 digest`},
		{"a negative size", ociImage, replaced(`"size":5`, `"size":-5`), "manifest DIGEST: says that the layer DIGEST has -5 bytes"},
		{"a foreign layer", ociImage, replaced("image.layer.v1.tar", "image.layer.nondistributable.v1.tar"),
			"manifest DIGEST: the layer DIGEST is foreign: its bytes are not part of the image"},
		{"a layer with URLs", ociImage, replaced(`"size":5`, `"size":5,"urls":["http://10.0.0.1/"]`),
			"manifest DIGEST: the layer DIGEST is foreign: its bytes are not part of the image"},
		{"a layer that is none", ociImage, replaced("image.layer.v1.tar", "artifact"),
			`manifest DIGEST: the layer DIGEST has the media type "application/vnd.oci.artifact"`},
		{"an artifact", ociImage, replaced(v1.MediaTypeImageConfig, "application/vnd.cncf.helm.config.v1+json"),
			`manifest DIGEST: its config has the media type "application/vnd.cncf.helm.config.v1+json": this is no image`},
		{"a big config", ociImage, replaced(fmt.Sprintf(`"size":%d`, len(config)), `"size":4194305`),
			"config DIGEST: has 4194305 bytes, which is more than 4194304"},
		{"a config of another size", ociImage, replaced(fmt.Sprintf(`"size":%d`, len(config)), `"size":7`),
			fmt.Sprintf("config DIGEST: the registry sends %d bytes, not 7", len(config))},
		{"more layers than diff_ids", ociImage, replaced(`"layers":[`, `"layers":[`+layer+","), "config DIGEST: has 1 diff_ids for 2 layers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{}
			g.Put("app", "v1", test.mediaType, []byte(test.doc))
			g.Put("app", string(digest.FromString(config)), "", []byte(config))
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				_, err := c.Pull(t.Context(), local+"/app:v1", v1.Platform{})
				fails(t, err, "pulling 127.0.0.1:5000/app: "+test.want)
				if _, err := c.Copy(t.Context(), local+"/app:v1", local+"/copy", nil); err == nil && !strings.Contains(test.name, "artifact") {
					t.Error("it can be copied")
				}
			})
		})
	}
}

func TestWhatADigestNamesHasThatDigest(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		p := pushed(t, c, image(t, 1, 0), app)
		pushed(t, c, image(t, 1, 1), app)
		other := g.Get("team/app", "v1")
		named := "127.0.0.1:5000/team/app@" + p.Digest.String()
		if got := digest.FromBytes(pulled(t, c, named).Read.Manifest); got != p.Digest {
			t.Errorf("got the manifest %s, want %s", got, p.Digest)
		}
		g.Put("team/app", p.Digest.String(), ociImage, other)
		_, err := c.Pull(t.Context(), named, v1.Platform{})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: manifest DIGEST: has the digest DIGEST, not DIGEST")
		g.Fault = fault("GET", "manifests", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", ociImage)
			w.Header().Set("Docker-Content-Digest", p.Digest.String())
			send(w, other)
			return true
		})
		_, err = c.Pull(t.Context(), app, v1.Platform{})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: manifest v1: has the digest DIGEST, not DIGEST")
	})
}

func TestManifestOfAnIndexIsWhatTheIndexSays(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		p := pushed(t, c, image(t, 1, 0), app)
		size := len(g.Get("team/app", "v1"))
		for _, test := range []struct{ entry, want string }{
			{fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, ociImage, p.Digest, size), ""},
			{fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":7}`, ociImage, p.Digest),
				fmt.Sprintf("manifest DIGEST: is %s of %d bytes, and %s of 7 in the index", ociImage, size, ociImage)},
			{fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, ociIndex, p.Digest, size),
				fmt.Sprintf("manifest DIGEST: is %s of %d bytes, and %s of %d in the index", ociImage, size, ociIndex, size)},
			{`{"mediaType":"x","digest":"sha256:../x","size":7}`, `index DIGEST: "sha256:../x" is no sha256 digest`},
		} {
			g.Put("team/app", "index", ociIndex, []byte(`{"schemaVersion":2,"manifests":[`+test.entry+`]}`))
			_, err := c.Pull(t.Context(), local+"/team/app:index", v1.Platform{})
			if test.want == "" && err == nil {
				continue
			}
			fails(t, err, "pulling 127.0.0.1:5000/team/app: "+test.want)
		}
	})
}

func TestLayersAreNotTakenOnTrust(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(w http.ResponseWriter, r *http.Request, data []byte)
		want string
	}{
		{"other bytes", func(w http.ResponseWriter, _ *http.Request, data []byte) {
			send(w, append([]byte("x"), data[1:]...))
		}, "layer DIGEST: has the digest DIGEST"},
		{"a byte more", func(w http.ResponseWriter, _ *http.Request, data []byte) {
			http.NewResponseController(w).Flush() // so that it says no length
			send(w, append(data, 'x'))
		}, "layer DIGEST: has more than 301568 bytes"},
		{"another length", func(w http.ResponseWriter, _ *http.Request, data []byte) {
			w.Header().Set("Content-Length", "9999999999")
			send(w, data)
		}, "layer DIGEST: the registry sends 9999999999 bytes, not 301568"},
		{"a shorter one", func(w http.ResponseWriter, _ *http.Request, data []byte) {
			send(w, data[:1000])
		}, "layer DIGEST: the registry sends 1000 bytes, not 301568"},
		{"an end that is none", func(w http.ResponseWriter, r *http.Request, data []byte) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", "bytes 0-301567/301568")
				w.WriteHeader(http.StatusPartialContent)
				return
			}
			w.Header().Set("Content-Length", "301568")
			send(w, data[:1000])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, `layer DIGEST: asked for what follows 1000 bytes, the registry sent "bytes 0-301567/301568"`},
		{"a redirect without end", func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, "layer DIGEST: redirected more than 10 times"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &registrytest.Registry{}
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				pushed(t, c, image(t, 1, 0), app)
				img := pulled(t, c, app)
				data := g.Get("team/app", img.Layers[0].Blob().Digest.String())
				g.Fault = func(w http.ResponseWriter, r *http.Request) bool { test.do(w, r, data); return true }
				fails(t, written(img.Layers[0]), "pulling 127.0.0.1:5000/team/app: "+test.want)
			})
		})
	}
}

// A blob that the registry sends wrong must not arrive anywhere else.
func TestCopyOfAWrongBlobIsNotTagged(t *testing.T) {
	here, there := &registrytest.Registry{}, &registrytest.Registry{}
	inWorld(t, world{local: here, "registry.example.com:443": there}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), app)
		d := pulled(t, c, app).Layers[0].Blob().Digest.String()
		data := here.Get("team/app", d)
		data[1000] ^= 1
		_, err := c.Copy(t.Context(), app, "registry.example.com/app", nil)
		var wrong *pack.FaultError
		if !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
		if there.Get("app", "latest") != nil || there.Get("app", d) != nil {
			t.Error("it is there")
		}
	})
}

func TestBlobOfAnotherSizeIsNotTakenForTheSame(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		pushed(t, c, image(t, 1, 0), app)
		d := pulled(t, c, app).Layers[0].Blob().Digest.String()
		g.Put("team/app", d, "", []byte("short"))
		_, err := c.Push(t.Context(), image(t, 1, 0), app)
		fails(t, err, "pushing to 127.0.0.1:5000/team/app: layer DIGEST: the registry has it with 5 bytes, not 301568")
	})
}

func TestManifestThatTheRegistryChangesIsAnError(t *testing.T) {
	g := &registrytest.Registry{Fault: fault("PUT", "manifests", func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Docker-Content-Digest", zeros)
		w.WriteHeader(http.StatusCreated)
		return true
	})}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		_, err := c.Push(t.Context(), image(t, 1, 0), app)
		fails(t, err, "pushing to 127.0.0.1:5000/team/app: manifest v1: the registry says that it has the digest DIGEST, not DIGEST")
	})
}

func TestEndlessListsEnd(t *testing.T) {
	long := strings.Repeat("x", 3<<19)
	for _, test := range []struct {
		name  string
		names func(page int) []string
		asked int
		want  string
	}{
		{"again", func(int) []string { return []string{"a"} }, 2, "the list has the same page again and again"},
		{"no names", func(int) []string { return nil }, 10_000, "the list has more than 10000 pages or 33554432 bytes"},
		{"long names", func(page int) []string { return []string{strconv.Itoa(page) + long} }, 22, "the list has more than 10000 pages or 33554432 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := 0
			g := &registrytest.Registry{Fault: func(w http.ResponseWriter, r *http.Request) bool {
				page++
				w.Header().Set("Link", "<"+r.URL.Path+">; rel=next")
				_ = json.NewEncoder(w).Encode(map[string]any{"tags": test.names(page), "repositories": test.names(page)})
				return true
			}}
			inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
				_, err := c.Tags(t.Context(), app)
				fails(t, err, "listing the tags of 127.0.0.1:5000/team/app: "+test.want)
				page = 0
				_, err = c.Catalog(t.Context(), local)
				fails(t, err, "listing the repositories of 127.0.0.1:5000: "+test.want)
				if page != test.asked {
					t.Errorf("asked for %d pages, want %d", page, test.asked)
				}
			})
		})
	}
}

func TestEndlessIndexesEnd(t *testing.T) {
	g := &registrytest.Registry{}
	inWorld(t, world{local: g}, func(t *testing.T, c *registry.Client) {
		p := pushed(t, c, image(t, 1, 0), app)
		doc, mediaType := g.Get("team/app", "v1"), ociImage
		for range 10 {
			entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, p.Digest, len(doc))
			doc, mediaType = []byte(`{"schemaVersion":2,"manifests":[`+entry+`]}`), ociIndex
			p.Digest = digest.FromBytes(doc)
			g.Put("team/app", p.Digest.String(), ociIndex, doc)
		}
		name := local + "/team/app@" + p.Digest.String()
		_, err := c.Copy(t.Context(), name, local+"/copy", nil)
		fails(t, err, "copying 127.0.0.1:5000/team/app to 127.0.0.1:5000/copy: leads to more than 1000 manifests, or through more than 3 indexes")
		_, err = c.Pull(t.Context(), name, v1.Platform{})
		fails(t, err, "pulling 127.0.0.1:5000/team/app: manifest DIGEST: is an index in an index")
	})
}

func TestNamesThatAreNone(t *testing.T) {
	c := &registry.Client{}
	for _, test := range []struct{ name, want string }{
		{"user:password@127.0.0.1:5000/app", "a name has no room for a password"},
		{"https://user:password@127.0.0.1:5000/app:v1", "a name has no room for a password"},
		{"user:pass/word@127.0.0.1:5000/app@" + zeros, "a name has no room for a password"},
		{"UPPER", `image name "UPPER": invalid reference format: repository name (library/UPPER) must be lowercase`},
		{"a b", `image name "a b": invalid reference format`},
		{"", `image name "": invalid reference format`},
		{"app@md5:d41d8cd98f00b204e9800998ecf8427e", `image name "app@md5:d41d8cd98f00b204e9800998ecf8427e": "md5:d41d8cd98f00b204e9800998ecf8427e" is no sha256 digest`},
	} {
		_, err := c.Pull(t.Context(), test.name, v1.Platform{})
		fails(t, err, test.want)
	}
	_, err := c.Push(t.Context(), image(t, 1, 0))
	fails(t, err, "there is no name to push to")
	_, err = c.Push(t.Context(), image(t, 1, 0), "app@"+zeros)
	fails(t, err, `image name "app@DIGEST": a digest cannot be given to an image`)
	_, err = c.Push(t.Context(), image(t, 1, 0), "user:password@127.0.0.1:5000/app")
	fails(t, err, "a name has no room for a password")
	_, err = c.Catalog(t.Context(), "user:password@127.0.0.1:5000")
	fails(t, err, "a name has no room for a password")
	for _, host := range []string{"", "a/b", "http://127.0.0.1:5000", "library"} {
		_, err := c.Catalog(t.Context(), host)
		fails(t, err, fmt.Sprintf("%q is not the name of a registry, as in registry.example.com or 127.0.0.1:5000", host))
	}
}
