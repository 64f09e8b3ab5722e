package pack_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// hostile are archives that nobody should open, each with the one thing in it
// that is wrong, and what is said of it. <name> stands for the digest of one.
var hostile = []struct {
	name  string
	build func(l *layoutBuilder) []byte
	want  string
}{
	{"a digest with a path in it, CVE-2024-3727", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		d.Digest = "sha256:../../etc/passwd"
		l.list(d, "a", "")
		return l.bytes()
	}, `manifest: "sha256:../../etc/passwd" is no sha256 digest`},
	{"a digest of another algorithm", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		d.Digest = digest.Digest("sha512:" + strings.Repeat("0", 128))
		l.list(d, "a", "")
		return l.bytes()
	}, `manifest: "sha512:` + strings.Repeat("0", 128) + `" is no sha256 digest`},
	{"a layer's digest with a path in it", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers[0].Digest = "sha256:../x" }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: "sha256:../x" is no sha256 digest`},
	{"an index and a manifest at once, CVE-2021-41190", func(l *layoutBuilder) []byte {
		manifest := doc(l.t, l.manifest())
		l.list(l.blob(v1.MediaTypeImageManifest, manifest[:len(manifest)-1]+`,"manifests":[]}`), "a", "")
		return l.bytes()
	}, `manifest <manifest>: is an index and a manifest at once`},
	{"a manifest that says it is an index, CVE-2021-41190", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.MediaType = v1.MediaTypeImageIndex }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: says that it is "application/vnd.oci.image.index.v1+json", and what leads to it says "application/vnd.oci.image.manifest.v1+json"`},
	{"an index where a manifest should be", func(l *layoutBuilder) []byte {
		d := l.blob(v1.MediaTypeImageManifest, `{"schemaVersion":2,"manifests":[]}`)
		l.list(d, "a", "")
		return l.bytes()
	}, `manifest <manifest>: is not a manifest`},
	{"a manifest over 4 MiB, CVE-2020-1702 and CVE-2023-25153", func(l *layoutBuilder) []byte {
		l.list(l.blob(v1.MediaTypeImageManifest, doc(l.t, l.manifest())+strings.Repeat(" ", 4<<20)), "a", "")
		return l.bytes()
	}, `manifest <manifest>: has 4194698 bytes, which is more than 4194304`},
	{"a config over 4 MiB", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Config.Size = 5 << 20 }), "a", "")
		return l.bytes()
	}, `config <config>: has 5242880 bytes, which is more than 4194304`},
	{"one large config of many images", func(l *layoutBuilder) []byte {
		m := l.manifest()
		m.Config = l.blob(v1.MediaTypeImageConfig, `{"rootfs":{"type":"layers","diff_ids":["`+m.Layers[0].Digest.String()+`"]}}`+strings.Repeat(" ", 4_000_000))
		for i := range 9 {
			m.Annotations = map[string]string{"n": fmt.Sprint(i)}
			l.list(l.blob(v1.MediaTypeImageManifest, doc(l.t, m)), "a", "")
		}
		return l.bytes()
	}, `manifest <manifest>: makes the documents of all images longer than 33554432 bytes`},
	{"an index over 4 MiB", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`},
			member{name: "index.json", content: strings.Repeat(" ", 4<<20+1)})
	}, `index.json: has 4194305 bytes, which is more than 4194304`},
	{"an index that is small, but not in memory", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`},
			member{name: "index.json", content: `{"schemaVersion":2,"manifests":[` + strings.Repeat("0,", 100_000) + `0]}`})
	}, `index.json: has more than 100000 values`},
	{"a manifest of as many", func(l *layoutBuilder) []byte {
		l.list(l.blob(v1.MediaTypeImageManifest, `{"schemaVersion":2,"layers":[`+strings.Repeat("{},", 100_000)+`{}]}`), "a", "")
		return l.bytes()
	}, `manifest <manifest>: has more than 100000 values`},
	{"a config of as many", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) {
			m.Config = l.blob(v1.MediaTypeImageConfig, `{"rootfs":{},"history":[`+strings.Repeat("{},", 100_000)+`{}]}`)
		}), "a", "")
		return l.bytes()
	}, `config <config>: has more than 100000 values`},
	{"configs of as many together", func(l *layoutBuilder) []byte {
		m := l.manifest()
		m.Config = l.blob(v1.MediaTypeImageConfig, `{"rootfs":{"type":"layers","diff_ids":["`+m.Layers[0].Digest.String()+`"]},"history":[`+strings.Repeat("{},", 40_000)+`{}]}`)
		for i := range 9 {
			m.Annotations = map[string]string{"n": fmt.Sprint(i)}
			l.list(l.blob(v1.MediaTypeImageManifest, doc(l.t, m)), "a", "")
		}
		return l.bytes()
	}, `manifest <manifest>: makes the documents of all images have more than 500000 values`},
	{"a manifest.json over 1 MiB", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json", content: strings.Repeat(" ", 1<<20+1)})
	}, `manifest.json: has 1048577 bytes, which is more than 1048576`},
	{"a manifest of another digest", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		l.blobs[len(l.blobs)-1].content = strings.Replace(l.blobs[len(l.blobs)-1].content, "schema", "Schema", 1)
		l.list(d, "a", "")
		return l.bytes()
	}, `manifest <manifest>: has the digest <changed>`},
	{"a manifest of another size", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		d.Size--
		l.list(d, "a", "")
		return l.bytes()
	}, `manifest <manifest>: has 394 bytes, not 393`},
	{"a config of another digest", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		l.blobs[0].content = strings.Replace(l.blobs[0].content, "amd64", "arm64", 1)
		l.list(d, "a", "")
		return l.bytes()
	}, `config <config>: has the digest <changed>`},
	{"a config that is no config", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Config.MediaType = "application/vnd.cncf.helm.config.v1+json" }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: its config has the media type "application/vnd.cncf.helm.config.v1+json": this is no image`},
	{"a layer of another size", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers[0].Size = 4 }), "a", "")
		return l.bytes()
	}, `layer <layer>: has 5 bytes, not 4`},
	{"a layer that is missing", func(l *layoutBuilder) []byte {
		d := l.image("amd64", "", "layer")
		l.blobs = append(l.blobs[:1], l.blobs[2:]...)
		l.list(d, "a", "")
		return l.bytes()
	}, `blobs/sha256/<layer hex>: is missing`},
	{"a layer of a wrong media type", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers[0].MediaType = "application/zip" }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: the layer <layer> has the media type "application/zip"`},
	{"a foreign layer", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) {
			m.Layers[0].MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
		}), "a", "")
		return l.bytes()
	}, `manifest <manifest>: the layer <layer> is foreign: its bytes are not part of the image`},
	{"a layer at an address", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers[0].URLs = []string{"http://169.254.169.254/"} }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: the layer <layer> is foreign: its bytes are not part of the image`},
	{"fewer diff_ids than layers", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) }), "a", "")
		return l.bytes()
	}, `config <config>: has 1 diff_ids for 2 layers`},
	{"a tar with another diff ID", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.Layers[0] = l.blob(v1.MediaTypeImageLayer, "other") }), "a", "")
		return l.bytes()
	}, `layer <other>: is not compressed, but its diff ID is <layer>`},
	{"nothing that is an image", func(l *layoutBuilder) []byte {
		l.list(l.blob("application/vnd.example", "{}"), "a", "")
		return l.bytes()
	}, `index.json: lists no image, but something of the media type "application/vnd.example"`},
	{"an index that is missing", func(l *layoutBuilder) []byte {
		l.index = []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("other"), Size: 3}}
		return l.bytes()
	}, `index.json: the manifest <other> is missing`},
	{"an index in an index in an index in an index", func(l *layoutBuilder) []byte {
		l.list(l.nested(l.nested(l.nested(l.image("amd64", "", "layer")))), "a", "")
		return l.bytes()
	}, `index.json: leads to more than 1000 manifests, or through more than 3 indexes`},
	{"an old schema", func(l *layoutBuilder) []byte {
		l.list(l.changed(func(m *v1.Manifest) { m.SchemaVersion = 1 }), "a", "")
		return l.bytes()
	}, `manifest <manifest>: is of schema version 1, not 2`},
	{"a layout of another version", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "oci-layout", content: `{"imageLayoutVersion":"2.0.0"}`}, member{name: "index.json", content: "{}"})
	}, `oci-layout: is of version "2.0.0"; 1.0.0 is what can be read`},
	{"no oci-layout", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "index.json", content: "{}"})
	}, `oci-layout: is missing`},
	{"names that lead out of the archive, umoci#27", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "../manifest.json", content: "[]"})
	}, `../manifest.json: is no name of a member: it leads out of the archive`},
	{"a member twice", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json", content: "[]"}, member{name: "./manifest.json", content: "{}"})
	}, `./manifest.json: is there twice`},
	{"a config outside of the archive", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json", content: `[{"Config":"../../etc/passwd","Layers":[]}]`})
	}, `../../etc/passwd: is no name of a member: it leads out of the archive`},
	{"a link that leads out of the archive", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json", content: `[{"Config":"c","Layers":[]}]`},
			member{name: "c", link: "../../../etc/passwd", typ: tar.TypeSymlink})
	}, `c: is missing`},
	{"links in a circle", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json", content: `[{"Config":"c","Layers":[]}]`},
			member{name: "c", link: "d", typ: tar.TypeSymlink}, member{name: "d", link: "c", typ: tar.TypeSymlink})
	}, `open c: too many links`},
	{"a folder in place of a file", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "manifest.json/", typ: tar.TypeDir})
	}, `manifest.json: is not a file`},
	{"a name that docker refuses", func(l *layoutBuilder) []byte {
		config := `{"rootfs":{"type":"layers"}}`
		return makeTar(l.t, member{name: "manifest.json", content: `[{"Config":"c","RepoTags":["A"],"Layers":[]}]`}, member{name: "c", content: config})
	}, `manifest.json: image name "A": invalid reference format: repository name (library/A) must be lowercase`},
	{"legacy layers in a circle", func(l *layoutBuilder) []byte {
		a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
		list := []member{{name: "repositories", content: `{"x":{"v1":"` + a + `"}}`}}
		for id, parent := range map[string]string{a: b, b: a} {
			list = append(list, member{name: id + "/VERSION", content: "1.0"}, member{name: id + "/layer.tar", content: "x"},
				member{name: id + "/json", content: `{"id":"` + id + `","parent":"` + parent + `"}`})
		}
		return makeTar(l.t, list...)
	}, `repositories: more than 1000 layers lead down from ` + strings.Repeat("a", 64)},
	{"a legacy ID with a path in it", func(l *layoutBuilder) []byte {
		return makeTar(l.t, member{name: "repositories", content: `{"x":{"v1":"../../etc"}}`})
	}, `repositories: "../../etc" is no ID of a layer`},
	{"no tar", func(l *layoutBuilder) []byte { return bytes.Repeat([]byte("no tar "), 1000) }, `this is no tar`},
	{"a sparse file", func(l *layoutBuilder) []byte { return sparseTar(l.t, "0\n"+strings.Repeat("\x00", 510)) }, `sparse: is a sparse file, which cannot be read in place`},
	{"a sparse map without end, CVE-2025-58183", func(l *layoutBuilder) []byte {
		return sparseTar(l.t, "999999999\n"+strings.Repeat("1\n", 2<<20))
	}, `the archive is broken before byte 1050112: archive/tar: sparse map too long`},
}

// manifest returns a manifest of one layer, and adds what it needs.
func (l *layoutBuilder) manifest() *v1.Manifest {
	config := doc(l.t, v1.Image{RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("layer")}}})
	return &v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    l.blob(v1.MediaTypeImageConfig, config),
		Layers:    []v1.Descriptor{l.blob(v1.MediaTypeImageLayer, "layer")},
	}
}

func (l *layoutBuilder) changed(change func(m *v1.Manifest)) v1.Descriptor {
	m := l.manifest()
	change(m)
	return l.blob(v1.MediaTypeImageManifest, doc(l.t, m))
}

// sparseTar returns a tar with a GNU sparse file, format 1.0, of the given map.
func sparseTar(t testing.TB, sparseMap string) []byte {
	plain := makeTar(t, member{name: "x"})[:512]
	var records strings.Builder
	for _, record := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=1000", "GNU.sparse.name=sparse"} {
		fmt.Fprintf(&records, "%d %s\n", len(record)+4, record) // which all have a length of two digits
	}
	var b bytes.Buffer
	for _, part := range []struct {
		typ  byte
		data string
	}{{'x', records.String()}, {'0', sparseMap}} {
		b.Write(retype(plain, part.typ, len(part.data)))
		b.WriteString(part.data)
		b.Write(make([]byte, -len(part.data)&511))
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// retype changes type and size in a header, and its checksum with them.
func retype(header []byte, typ byte, size int) []byte {
	h := bytes.Clone(header)
	h[156] = typ
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func TestHostileArchivesAreRefused(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			l := &layoutBuilder{t: t}
			s, err := openBytes(tt.build(l))
			if err == nil {
				t.Fatalf("opened: %+v", s)
			}
			if got := l.named(err.Error()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// named replaces the digests in an error by what they are of.
func (l *layoutBuilder) named(s string) string {
	s = strings.NewReplacer(
		digest.FromString("layer").String(), "<layer>",
		digest.FromString("layer").Encoded(), "<layer hex>",
		digest.FromString("other").String(), "<other>",
	).Replace(s)
	for _, d := range l.index {
		if d.Digest.Validate() == nil {
			s = strings.ReplaceAll(s, d.Digest.String(), "<manifest>")
		}
	}
	for _, m := range l.blobs {
		s = strings.ReplaceAll(s, digest.FromString(m.content).String(), "<changed>")
		if strings.Contains(m.content, `"rootfs"`) {
			s = strings.ReplaceAll(s, "sha256:"+strings.TrimPrefix(m.name, "blobs/sha256/"), "<config>")
			s = strings.ReplaceAll(s, "config <changed>", "config <config>")
		}
	}
	return s
}

// Wherever an archive ends too early, that is an error, now or when its layers
// are read.
func TestArchiveThatIsCutOffIsAnError(t *testing.T) {
	for format, write := range map[string]writer{pack.FormatArchive: pack.WriteArchive, pack.FormatDocker: pack.WriteDocker} {
		data, _ := archiveOf(t, sampleImage(t), write)
		for n := 0; n < len(data)-2*512; n += 100 {
			s, err := openBytes(data[:n])
			if err != nil {
				continue
			}
			if len(data)-n > 3*512 { // all but oci-layout's padding and the end are needed
				t.Errorf("%s: %d of %d bytes give %+v", format, n, len(data), s)
			}
		}
	}
}

// A pipe in a folder must not make anybody wait.
func TestFolderWithAPipeIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "manifest.json"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := pack.Open(dir); err == nil || err.Error() != "manifest.json: is not a file" {
		t.Errorf("got %v", err)
	}
}

func TestFolderDoesNotLeadOutside(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "index.json"), "[]")
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(outside, "index.json"), filepath.Join(dir, "manifest.json")); err != nil {
		t.Skip(err)
	}
	if s, err := pack.Open(dir); err == nil || errors.Is(err, os.ErrExist) {
		t.Errorf("opened %+v, %v", s, err)
	}
}

func FuzzOpen(f *testing.F) {
	img := &pack.Image{OS: "linux", Architecture: "amd64", Layers: []pack.Layer{pack.TreeLayer(newTree(f, rootfs.File("/a", 0o644, nil)), epoch)}}
	for _, w := range []writer{pack.WriteArchive, pack.WriteDocker} {
		data, _ := archiveOf(f, img, w)
		f.Add(data)
	}
	for _, tt := range hostile {
		if data := tt.build(&layoutBuilder{t: f}); len(data) < 8<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := openBytes(data)
		if err != nil {
			return
		}
		for _, img := range s.Images {
			for _, l := range img.Layers {
				if _, err := pack.WriteLayer(io.Discard, l); err == nil && l.Blob().DiffID == "" && s.Format != pack.FormatV1 {
					t.Errorf("a layer without a diff ID: %+v", l.Blob())
				}
			}
		}
	})
}
