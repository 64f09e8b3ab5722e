package pack_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	stdgzip "compress/gzip"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// openBytes opens an archive in memory.
func openBytes(data []byte) (*pack.Store, error) {
	return pack.OpenAt(bytes.NewReader(data), int64(len(data)))
}

// A writer is one of the functions that write an archive.
type writer = func(io.Writer, *pack.Image) (pack.Digests, error)

// archiveOf returns an image as an archive.
func archiveOf(t testing.TB, img *pack.Image, write writer) ([]byte, pack.Digests) {
	t.Helper()
	var b bytes.Buffer
	d, err := write(&b, img)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), d
}

// onlyImage returns the image of a store that has no other.
func onlyImage(t testing.TB, s *pack.Store, err error) *pack.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Find("", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// A way is one of the forms in which an image is kept.
type way struct {
	format string
	write  func(t testing.TB, file string, img *pack.Image) pack.Digests
}

var ways = []way{
	{pack.FormatArchive, writeFile(pack.WriteArchive)},
	{pack.FormatDocker, writeFile(pack.WriteDocker)},
	{pack.FormatDocker, writeFile(pack.WriteV1)},
	{pack.FormatOCI, func(t testing.TB, dir string, img *pack.Image) pack.Digests {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		d, err := pack.WriteLayout(dir, img)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}},
}

func writeFile(write writer) func(testing.TB, string, *pack.Image) pack.Digests {
	return func(t testing.TB, file string, img *pack.Image) pack.Digests {
		data, d := archiveOf(t, img, write)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return d
	}
}

func TestEveryFormIsReadBack(t *testing.T) {
	for _, way := range ways {
		for _, c := range compressions {
			t.Run(way.format+" "+c.String(), func(t *testing.T) {
				name := filepath.Join(t.TempDir(), "image")
				want := threeLayers(t, c)
				digests := way.write(t, name, want)
				s, err := pack.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if s.Format != way.format || len(s.Images) != 1 {
					t.Fatalf("format %s with %d images", s.Format, len(s.Images))
				}
				checkReadImage(t, s.Images[0], want, digests)
			})
		}
	}
}

// checkReadImage makes sure that an image that was read is the one that was
// written, and that it stays so when it is written again.
func checkReadImage(t *testing.T, img, want *pack.Image, digests pack.Digests) {
	t.Helper()
	got := fmt.Sprint(img.Tags, img.OS, img.Architecture, img.Variant, img.Created, img.Config, len(img.History))
	if want := fmt.Sprint(want.Tags, want.OS, want.Architecture, want.Variant, want.Created, want.Config, len(want.History)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i, l := range img.Layers {
		blob, data := blobOf(t, l, pack.Compression{})
		if blob != digests.Layers[i] || digest.FromBytes(data) != blob.Digest {
			t.Errorf("layer %d is %+v, was %+v", i, blob, digests.Layers[i])
		}
	}
	var first, again bytes.Buffer
	if _, err := pack.WriteArchive(&first, want); err != nil {
		t.Fatal(err)
	}
	d, err := pack.WriteArchive(&again, img)
	if err != nil || d.Image != digests.Image || !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Errorf("written again it has image ID %s, %d bytes; was %s, %d bytes; %v", d.Image, again.Len(), digests.Image, first.Len(), err)
	}
}

// countingReader counts what is read of an archive.
type countingReader struct {
	io.ReaderAt
	n int
}

func (r *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, at)
	r.n += n
	return n, err
}

func TestOpeningReadsNoLayers(t *testing.T) {
	img := sampleImage(t)
	img.Append(pack.TreeLayer(newTree(t, rootfs.File("/large", 0o644, make([]byte, 4<<20))), epoch), "large")
	for _, write := range []writer{pack.WriteArchive, pack.WriteDocker} {
		data, _ := archiveOf(t, img, write)
		r := &countingReader{ReaderAt: bytes.NewReader(data)}
		s, err := pack.OpenAt(r, int64(len(data)))
		onlyImage(t, s, err)
		if r.n > 20<<10 {
			t.Errorf("opening %d bytes reads %d", len(data), r.n)
		}
	}
}

// A member is one of a tar that a test makes by hand.
type member struct {
	name, content, link string
	typ                 byte
	mode                int64 // 0644 if it is not said
	uid, gid            int64
	major, minor        int64
}

func makeTar(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: cmp.Or(m.mode, 0o644), Size: int64(len(m.content)), Linkname: m.link, Typeflag: m.typ, Uid: int(m.uid), Gid: int(m.gid), Devmajor: m.major, Devminor: m.minor}
		if m.typ == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// doc writes a document of an image.
func doc(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A layoutBuilder makes OCI layouts that say whatever a test wants them to.
type layoutBuilder struct {
	t     testing.TB
	blobs []member
	index []v1.Descriptor
}

func (l *layoutBuilder) blob(mediaType, content string) v1.Descriptor {
	d := digest.FromString(content)
	name := "blobs/sha256/" + d.Encoded()
	if !slices.ContainsFunc(l.blobs, func(m member) bool { return m.name == name }) {
		l.blobs = append(l.blobs, member{name: name, content: content})
	}
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

// image adds an image of one layer.
func (l *layoutBuilder) image(arch, variant, layer string) v1.Descriptor {
	config := doc(l.t, v1.Image{
		Platform: v1.Platform{OS: "linux", Architecture: arch, Variant: variant},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(layer)}},
	})
	d := l.blob(v1.MediaTypeImageManifest, doc(l.t, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    l.blob(v1.MediaTypeImageConfig, config),
		Layers:    []v1.Descriptor{l.blob(v1.MediaTypeImageLayer, layer)},
	}))
	d.Platform = &v1.Platform{OS: "linux", Architecture: arch, Variant: variant}
	return d
}

func (l *layoutBuilder) nested(list ...v1.Descriptor) v1.Descriptor {
	return l.blob(v1.MediaTypeImageIndex, doc(l.t, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: list,
	}))
}

func (l *layoutBuilder) list(d v1.Descriptor, name, tag string) {
	d.Annotations = map[string]string{"io.containerd.image.name": name, v1.AnnotationRefName: tag}
	l.index = append(l.index, d)
}

func (l *layoutBuilder) bytes() []byte {
	index := doc(l.t, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: l.index})
	return makeTar(l.t, append(l.blobs, member{name: "index.json", content: index}, member{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`})...)
}

func TestImageIsFoundByNameAndPlatform(t *testing.T) {
	l := &layoutBuilder{t: t}
	layer := string(makeTar(t, member{name: "a"}))
	attestation := l.image("unknown", "", layer)
	attestation.Platform.OS = "unknown"
	absent := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 7,
		Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}
	many := l.nested(l.image("amd64", "", layer), l.image("arm64", "v8", layer), l.image("arm", "v6", layer), attestation, absent)
	l.list(many, "docker.io/library/many:v1", "v1")
	l.list(l.image("riscv64", "", layer), "", "other")

	s, err := openBytes(l.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Images) != 4 || len(s.Missing) != 1 || s.Missing[0].Platform.Architecture != "s390x" {
		t.Fatalf("%d images, missing %+v", len(s.Images), s.Missing)
	}
	riscv := s.Images[3]
	const all = "many:v1 linux/amd64, many:v1 linux/arm64/v8, many:v1 linux/arm/v6"
	for _, tt := range []struct{ name, os, arch, variant, want string }{
		{"many:v1", "linux", "amd64", "", "amd64"},
		{"docker.io/library/many:v1", "", "arm64", "", "arm64"},
		{"", "", "arm64", "v8", "arm64"},
		{"", "", "arm", "v6", "arm"},
		{"other", "", "", "", "riscv64"},
		{digest.FromBytes(riscv.Read.Config).String(), "", "", "", "riscv64"},
		{digest.FromBytes(riscv.Read.Manifest).String(), "", "", "", "riscv64"},
		{"", "", "riscv64", "", "riscv64"},
		{"", "", "", "", "several images: " + all + ", other linux/riscv64"},
		{"many:v1", "linux", "", "", "several images: " + all},
		{"many:v1", "linux", "s390x", "", "no image many:v1 linux/s390x: there is " + all + ", other linux/riscv64"},
		{"many:v2", "", "", "", "no image many:v2: there is " + all + ", other linux/riscv64"},
		{"", "", "arm", "v7", "no image arm/v7: there is " + all + ", other linux/riscv64"},
	} {
		img, err := s.Find(tt.name, v1.Platform{OS: tt.os, Architecture: tt.arch, Variant: tt.variant})
		got := fmt.Sprint(err)
		if err == nil {
			got = img.Architecture
		}
		if got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

// A registry has an image by its manifest, often in docker's media types.
func TestImageIsReadFromItsManifest(t *testing.T) {
	l := &layoutBuilder{t: t}
	layer := makeTar(t, file("a", "1"))
	m := l.manifest()
	m.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
	m.Config = l.blob("application/vnd.docker.container.image.v1+json",
		doc(t, v1.Image{RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer), digest.FromBytes(layer)}}}))
	_, zipped := blobOf(t, rawLayer(layer), pack.Compression{Method: pack.Gzip})
	m.Layers = []v1.Descriptor{
		l.blob("application/vnd.docker.image.rootfs.diff.tar", string(layer)),
		l.blob("application/vnd.docker.image.rootfs.diff.tar.gzip", string(zipped)),
	}
	var asked []string
	open := func(d v1.Descriptor) (io.ReadCloser, error) {
		asked = append(asked, d.MediaType)
		i := slices.IndexFunc(l.blobs, func(m member) bool { return m.name == "blobs/sha256/"+d.Digest.Encoded() })
		return io.NopCloser(strings.NewReader(l.blobs[i].content)), nil
	}
	img, err := pack.ReadImage(l.blob(m.MediaType, doc(t, m)), open)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{m.MediaType, m.Config.MediaType}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	data, d := archiveOf(t, img, pack.WriteArchive)
	checkTypes(t, files(t, data)["blobs/sha256/"+d.Manifest.Encoded()])
	for i, l := range d.Layers {
		if l.Digest != m.Layers[i].Digest || l.DiffID != digest.FromBytes(layer) {
			t.Errorf("layer %d is %+v", i, l)
		}
	}
}

// checkTypes makes sure that a manifest has no media types but those of OCI.
func checkTypes(t *testing.T, manifest []byte) {
	t.Helper()
	var m v1.Manifest
	parse(t, manifest, &m)
	for _, d := range append(m.Layers, m.Config, v1.Descriptor{MediaType: m.MediaType}) {
		if !strings.HasPrefix(d.MediaType, "application/vnd.oci.image.") {
			t.Errorf("%s in a manifest of an OCI layout", d.MediaType)
		}
	}
}

// What an image that was read consists of stays what it was, to the byte, however
// others write it.
func TestDocumentsStayWhatTheyWere(t *testing.T) {
	layer := string(makeTar(t, file("a", "1")))
	diff := digest.FromString(layer)
	const rootfs = `"rootfs":{"type":"layers","diff_ids":["<diff>"]}`
	for _, tt := range []struct{ name, config, manifest string }{
		{"a time that Go takes for none", `{"created":"0001-01-01T00:00:00Z","os":"linux",` + rootfs + `}`, ""},
		{"a time in another zone, of which no UTC can be said", `{"created":"9999-12-31T23:59:59-01:00",` + rootfs + `}`, ""},
		{"null in place of objects", `{"created":null,"config":null,"history":null,` + rootfs + `}`, ""},
		{"a health check", `{"config":{"Healthcheck":{"Test":["CMD","/bin/true"],"Interval":1000000000,"StartInterval":5}},` + rootfs + `}`, ""},
		{"spaces, and fields of others", ` {"docker_version": "20.10", "config": {"Shell": ["sh"], "OnBuild": null}, ` + rootfs + `}`, ""},
		{"a manifest that does not say what it is", `{` + rootfs + `}`, `{"schemaVersion":2,"config":<config>,"layers":[<layer>]}`},
		{"a manifest with annotations", `{` + rootfs + `}`,
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":<config>,"layers":[<layer>],"annotations":{"a":"b"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &layoutBuilder{t: t}
			config := strings.ReplaceAll(tt.config, "<diff>", diff.String())
			manifest := cmp.Or(tt.manifest, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":<config>,"layers":[<layer>]}`)
			manifest = strings.NewReplacer("<config>", doc(t, l.blob(v1.MediaTypeImageConfig, config)),
				"<layer>", doc(t, l.blob(v1.MediaTypeImageLayer, layer))).Replace(manifest)
			l.list(l.blob(v1.MediaTypeImageManifest, manifest), "", "v1")
			s, err := openBytes(l.bytes())
			img := onlyImage(t, s, err)
			docs, _, err := img.Documents([]pack.Blob{img.Layers[0].Blob()})
			if err != nil {
				t.Fatal(err)
			}
			if string(docs.Config) != config || string(docs.Manifest) != manifest {
				t.Errorf("got  %s\nwant %s\ngot  %s\nwant %s", docs.Config, config, docs.Manifest, manifest)
			}
		})
	}
}

// Archives that other programs write.
func TestArchivesOfOthersAreRead(t *testing.T) {
	layer := string(makeTar(t, member{name: "etc/", typ: tar.TypeDir}, member{name: "etc/file", content: "x"}))
	diff := digest.FromString(layer)
	config := `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["` + string(diff) + `"]}}`
	hex := digest.FromString(config).Encoded()
	manifest := func(config, layer string) string {
		return `[{"Config":"` + config + `","RepoTags":["a:v1","b"],"Layers":["` + layer + `"]}]`
	}
	var zipped bytes.Buffer
	z := stdgzip.NewWriter(&zipped)
	_, err := io.WriteString(z, layer)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for name, members := range map[string][]member{
		"docker 20.10": {{name: "id/", typ: tar.TypeDir}, {name: "id/layer.tar", content: layer}, {name: hex + ".json", content: config},
			{name: "manifest.json", content: manifest(hex+".json", "id/layer.tar")}, {name: "repositories", content: `{}`}},
		"links": {{name: "blobs/sha256/x", content: layer}, {name: "id/layer.tar", link: "../blobs/sha256/x", typ: tar.TypeSymlink},
			{name: "c", content: config}, {name: "config.json", link: "c", typ: tar.TypeLink},
			{name: "manifest.json", content: manifest("config.json", "id/layer.tar")}},
		"dots": {{name: "./", typ: tar.TypeDir}, {name: "./layer.tar", content: layer}, {name: "./config.json", content: config},
			{name: "./manifest.json", content: manifest("config.json", "./layer.tar")}},
		"absolute link": {{name: "x", content: layer}, {name: "id/layer.tar", link: "/x", typ: tar.TypeSymlink},
			{name: "config.json", content: config}, {name: "manifest.json", content: manifest("config.json", "id/layer.tar")}},
		"gzip": {{name: "layer.tar", content: zipped.String()}, {name: "config.json", content: config},
			{name: "manifest.json", content: manifest("config.json", "layer.tar")}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openBytes(makeTar(t, members...))
			img := onlyImage(t, s, err)
			if want := []string{"docker.io/library/a:v1", "docker.io/library/b:latest"}; !slices.Equal(img.Tags, want) {
				t.Errorf("tags %q, want %q", img.Tags, want)
			}
			if got, err := pack.WriteLayer(io.Discard, img.Layers[0]); err != nil || got != diff {
				t.Errorf("diff ID %s, %v; want %s", got, err, diff)
			}
			if _, d, err := img.Documents([]pack.Blob{img.Layers[0].Blob()}); err != nil || d.Image.Encoded() != hex {
				t.Errorf("image ID %s, %v; want %s", d.Image, err, hex)
			}
		})
	}
}

func TestArchiveFromAPipeIsSpooled(t *testing.T) {
	plain, digests := archiveOf(t, threeLayers(t, pack.Compression{}), pack.WriteArchive)
	for _, c := range compressions {
		blob, data := blobOf(t, rawLayer(plain), c)
		if (c.Method != "") != (blob.Digest != blob.DiffID) {
			t.Fatalf("%+v", blob)
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "spool"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := pack.Spool(f, bytes.NewReader(data), pack.Limits{})
		checkReadImage(t, onlyImage(t, s, err), threeLayers(t, pack.Compression{}), digests)

		_, err = openBytes(data)
		if c.Method != "" && !errors.Is(err, pack.ErrCompressed) {
			t.Errorf("%s, opened in place: %v", c, err)
		}
		_, err = pack.Spool(f, bytes.NewReader(data), pack.Limits{Bytes: 1000})
		if err == nil || err.Error() != "archive: has more than 1000 bytes, which is the limit" {
			t.Errorf("%s with a limit: %v", c, err)
		}
	}
}

// A gigabyte of zeros in a megabyte is no archive, unless somebody says that it is.
func TestArchiveThatIsABombIsNotSpooled(t *testing.T) {
	_, mega := blobOf(t, rawLayer(make([]byte, 1<<20)), pack.Compression{Method: pack.Gzip})
	bomb := make([]io.Reader, 1025)
	for i := range bomb {
		bomb[i] = bytes.NewReader(mega)
	}
	f, err := os.Create(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fault *pack.FaultError
	_, err = pack.Spool(f, io.MultiReader(bomb...), pack.Limits{})
	if want := "archive: has more than 1073741824 bytes, which is the limit"; !errors.As(err, &fault) || fault.Error() != want || !fault.Limit {
		t.Errorf("got %v", err)
	}
}

func TestArchiveThatIsCutOffWhileCompressedIsAFault(t *testing.T) {
	plain, _ := archiveOf(t, threeLayers(t, pack.Compression{}), pack.WriteArchive)
	for _, c := range compressions[1:] {
		_, data := blobOf(t, rawLayer(plain), c)
		f, err := os.Create(filepath.Join(t.TempDir(), "spool"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var fault *pack.FaultError
		_, err = pack.Spool(f, bytes.NewReader(data[:len(data)/2]), pack.Limits{})
		if want := "archive: cannot be decompressed: unexpected EOF"; !errors.As(err, &fault) || fault.Error() != want {
			t.Errorf("%s: got %v", c, err)
		}
	}
}

// rawLayer is some bytes as a layer that is no blob yet.
func rawLayer(data []byte) pack.Layer {
	return pack.BlobLayer(pack.Blob{MediaType: v1.MediaTypeImageLayer, Size: int64(len(data))}, opener(data))
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	if _, err := pack.Open(filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := pack.Open(os.DevNull); err == nil || !strings.HasSuffix(err.Error(), "neither a file nor a folder") {
		t.Errorf("a device: %v", err)
	}
	if _, err := pack.Open(t.TempDir()); !errors.Is(err, pack.ErrNoImage) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := openBytes(nil); !errors.Is(err, pack.ErrNoImage) {
		t.Errorf("an empty file: %v", err)
	}
}
