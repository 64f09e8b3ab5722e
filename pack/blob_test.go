package pack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// blobOf returns a layer as the blob that it becomes.
func blobOf(t testing.TB, l pack.Layer, c pack.Compression) (pack.Blob, []byte) {
	t.Helper()
	var b bytes.Buffer
	blob, err := pack.WriteBlob(&b, l, c)
	if err != nil {
		t.Fatal(err)
	}
	return blob, b.Bytes()
}

func opener(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

func TestBlobsAreWrittenAsTheyAre(t *testing.T) {
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			blob, data := blobOf(t, threeLayers(t, c).Layers[1], c)
			l := pack.BlobLayer(blob, opener(data))
			for _, again := range compressions {
				got, written := blobOf(t, l, again)
				if got != blob || !bytes.Equal(written, data) {
					t.Errorf("with %s, %+v became %+v", again, blob, got)
				}
			}
			var tar bytes.Buffer
			diff, err := pack.WriteLayer(&tar, l)
			if err != nil || diff != blob.DiffID || digest.FromBytes(tar.Bytes()) != diff {
				t.Errorf("the tar has the diff ID %s, %v; want %s", diff, err, blob.DiffID)
			}
		})
	}
}

func TestBlobsAreCompressedAnew(t *testing.T) {
	for _, c := range compressions {
		blob, data := blobOf(t, threeLayers(t, c).Layers[1], c)
		l := pack.TarLayer(pack.BlobLayer(blob, opener(data)), pack.Limits{})
		for _, again := range compressions {
			want, _ := blobOf(t, threeLayers(t, again).Layers[1], again)
			if got, _ := blobOf(t, l, again); got != want {
				t.Errorf("%s as %s is %+v, want %+v", c, again, got, want)
			}
		}
		tree := openFiles(t, imageOf(l))
		if got, want := tree.Entry("/words").Size, int64(5<<18); got != want {
			t.Errorf("%s: /words has %d bytes, want %d", c, got, want)
		}
		data[len(data)/2] ^= 1
		if _, err := pack.WriteBlob(io.Discard, l, pack.Compression{Method: pack.Gzip}); err == nil {
			t.Errorf("%s: a damaged blob was compressed anew", c)
		}
	}
}

// A docker archive has no digests of compressed layers, a legacy one has none at all.
func TestWhatIsNotKnownOfABlobIsFoundOut(t *testing.T) {
	for _, c := range compressions {
		want, data := blobOf(t, threeLayers(t, c).Layers[1], c)
		for _, known := range []pack.Blob{
			{MediaType: want.MediaType, Size: want.Size},
			{MediaType: want.MediaType, Size: want.Size, DiffID: want.DiffID},
		} {
			if got, _ := blobOf(t, pack.BlobLayer(known, opener(data)), pack.Compression{}); got != want {
				t.Errorf("%+v became %+v, want %+v", known, got, want)
			}
		}
	}
}

func TestWrongBlobsAreFaults(t *testing.T) {
	other := digest.FromString("other")
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			right, data := blobOf(t, threeLayers(t, c).Layers[2], c)
			damaged := bytes.Clone(data)
			damaged[len(data)/2] ^= 1
			name := "layer " + right.Digest.String()
			for what, tt := range map[string]struct {
				data   []byte
				change func(b *pack.Blob)
				want   string
			}{
				"bytes":     {damaged, func(*pack.Blob) {}, name + ": has the digest " + digest.FromBytes(damaged).String()},
				"truncated": {data[:len(data)-1], func(*pack.Blob) {}, ""},
				"longer":    {append(bytes.Clone(data), 0), func(*pack.Blob) {}, ""},
				"digest":    {data, func(b *pack.Blob) { b.Digest = other }, "layer " + other.String() + ": has the digest " + right.Digest.String()},
			} {
				blob := right
				tt.change(&blob)
				l := pack.BlobLayer(blob, opener(tt.data))
				_, err := l.WriteTo(io.Discard)
				fault := (*pack.FaultError)(nil)
				if !errors.As(err, &fault) || tt.want != "" && err.Error() != tt.want {
					t.Errorf("%s: got %v, want %s", what, err, tt.want)
				}
				if _, err := readTar(l, pack.Limits{}); !errors.As(err, &fault) {
					t.Errorf("%s, read as a tar: got %v", what, err)
				}
			}
		})
	}
}

func readTar(l pack.Layer, limits pack.Limits) (int64, error) {
	r, err := pack.OpenTar(l, limits)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}

// Decompressing reads ahead while it finds out that something is wrong: with the
// race detector, this shows who else looks at what it reads.
func TestBlobThatIsBrokenSomewhereIsAFault(t *testing.T) {
	for _, c := range compressions[1:] {
		blob, data := blobOf(t, rawLayer(words(2<<20)), c)
		for _, at := range []int{100, len(data) / 2, len(data) - 100} {
			broken := bytes.Clone(data)
			for i := range broken[at : at+64] {
				broken[at+i] ^= 0x55
			}
			var fault *pack.FaultError
			if _, err := readTar(pack.BlobLayer(blob, opener(broken)), pack.Limits{}); !errors.As(err, &fault) {
				t.Errorf("%s, broken at %d: got %v", c, at, err)
			}
		}
	}
}

func TestWrongDiffIDsAreFaults(t *testing.T) {
	other := digest.FromString("other")
	for _, c := range compressions {
		for _, known := range []bool{true, false} {
			blob, data := blobOf(t, threeLayers(t, c).Layers[2], c)
			blob.DiffID = other
			if !known || c.Method == "" {
				blob.Digest = ""
			}
			_, err := readTar(pack.BlobLayer(blob, opener(data)), pack.Limits{})
			if fault := (*pack.FaultError)(nil); !errors.As(err, &fault) {
				t.Errorf("%s: got %v", c, err)
			}
		}
	}
}

func TestLayerBombIsAFault(t *testing.T) {
	tree := newTree(t, rootfs.File("/zeros", 0o644, make([]byte, 10<<20)))
	for _, c := range compressions[1:] {
		blob, data := blobOf(t, pack.TreeLayer(tree, epoch), c)
		l := pack.BlobLayer(blob, opener(data))
		if _, err := readTar(l, pack.Limits{}); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		n, err := readTar(l, pack.Limits{Bytes: 1 << 20})
		want := "layer " + blob.Digest.String() + ": its tar has more than 1048576 bytes, which is the limit"
		if err == nil || err.Error() != want || n != 1<<20 {
			t.Errorf("%s: got %d bytes, %v, want %s", c, n, err, want)
		}
	}
}

// A registry's layer is read over a connection that may break.
func TestErrorsOfABlobsSourceAreReturned(t *testing.T) {
	broken := errors.New("connection reset")
	blob, data := blobOf(t, threeLayers(t, pack.Compression{Method: pack.Gzip}).Layers[1], pack.Compression{Method: pack.Gzip})
	for name, open := range map[string]func() (io.ReadCloser, error){
		"open": func() (io.ReadCloser, error) { return nil, broken },
		"read": func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:1000]), errReader{broken})), nil
		},
	} {
		l := pack.BlobLayer(blob, open)
		if _, err := l.WriteTo(io.Discard); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := readTar(l, pack.Limits{}); !errors.Is(err, broken) {
			t.Errorf("%s, as a tar: got %v", name, err)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// readConfig is a config with all that this package knows of, and more.
const readConfig = `{"docker_version":"20.10","created":"2024-05-06T07:08:09.5+02:00","author":"somebody","architecture":"arm64",` +
	`"os":"linux","os.version":"6","variant":"v8","config":{"Cmd":["sh"],"Healthcheck":{"Test":["CMD","true"]},"Env":["A=1"]},` +
	`"rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000001"]},` +
	`"history":[{"created_by":"base"},{"created_by":"CMD","empty_layer":true}]}`

func readImage(t testing.TB) (*pack.Image, pack.Blob) {
	var c struct {
		v1.Image
		Config pack.Config `json:"config"`
	}
	parse(t, []byte(readConfig), &c)
	blob := pack.Blob{MediaType: v1.MediaTypeImageLayer, Digest: c.RootFS.DiffIDs[0], DiffID: c.RootFS.DiffIDs[0], Size: 1024}
	return &pack.Image{
		Architecture: c.Architecture, Variant: c.Variant, OS: c.OS, Author: c.Author, Created: *c.Created, Config: c.Config, History: c.History,
		Layers: []pack.Layer{pack.BlobLayer(blob, nil)},
		Read:   pack.Documents{Config: []byte(readConfig)},
	}, blob
}

func TestConfigThatWasReadStaysToTheByte(t *testing.T) {
	img, blob := readImage(t)
	doc, d, err := img.Documents([]pack.Blob{blob})
	if err != nil || string(doc.Config) != readConfig || d.Image != digest.FromString(readConfig) {
		t.Errorf("got %s, %s, %v", doc.Config, d.Image, err)
	}
	img.Read.Manifest = append(bytes.Clone(doc.Manifest), '\n')
	again, d, err := img.Documents([]pack.Blob{blob})
	if err != nil || !bytes.Equal(again.Manifest, img.Read.Manifest) || d.Manifest != digest.FromBytes(again.Manifest) {
		t.Errorf("got %q, %v", again.Manifest, err)
	}
	blob.MediaType = v1.MediaTypeImageLayerGzip
	if other, _, err := img.Documents([]pack.Blob{blob}); err != nil || bytes.Equal(other.Manifest, again.Manifest) {
		t.Errorf("another media type: %q, %v", other.Manifest, err)
	}
}

func TestChangedConfigKeepsWhatIsNotKnown(t *testing.T) {
	img, blob := readImage(t)
	img.Config.Cmd = nil
	img.Config.Entrypoint = []string{"/bin/new"}
	img.Created = time.Unix(1, 0)
	img.Append(pack.BlobLayer(blob, nil), "new")
	doc, _, err := img.Documents([]pack.Blob{blob, blob})
	if err != nil {
		t.Fatal(err)
	}
	const id = `"sha256:0000000000000000000000000000000000000000000000000000000000000001"`
	want := `{"architecture":"arm64","author":"somebody","config":{"Entrypoint":["/bin/new"],"Env":["A=1"],"Healthcheck":{"Test":["CMD","true"]}},` +
		`"created":"1970-01-01T00:00:01Z","docker_version":"20.10",` +
		`"history":[{"created_by":"base"},{"created_by":"CMD","empty_layer":true},{"created":"1970-01-01T00:00:01Z","created_by":"new"}],` +
		`"os":"linux","os.version":"6","rootfs":{"type":"layers","diff_ids":[` + id + `,` + id + `]},"variant":"v8"}`
	if string(doc.Config) != want {
		t.Errorf("got  %s\nwant %s", doc.Config, want)
	}
}

func TestEachLayerHasAnEntryInTheHistory(t *testing.T) {
	img := sampleImage(t)
	img.History = nil
	img.Append(img.Layers[0], "second")
	img.Append(img.Layers[0], "third")
	blobs := make([]pack.Blob, 3)
	doc, _, err := img.Documents(blobs)
	if err != nil {
		t.Fatal(err)
	}
	var c v1.Image
	parse(t, doc.Config, &c)
	got, err := json.Marshal(c.History)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"created":"2001-09-09T01:46:40Z"},{"created":"2001-09-09T01:46:40Z","created_by":"second"},{"created":"2001-09-09T01:46:40Z","created_by":"third"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, _, err := img.Documents(blobs[:2]); err == nil ||
		err.Error() != "the history has 3 entries with a layer, the image has 2 layers" {
		t.Errorf("too long a history: %v", err)
	}
}

func TestImagesOfOneBaseDoNotDisturbEachOther(t *testing.T) {
	base := sampleImage(t)
	base.Append(base.Layers[0], "base")
	a, b := *base, *base
	a.Append(base.Layers[0], "a")
	b.Append(base.Layers[1], "b")
	if a.History[2].CreatedBy != "a" || b.History[2].CreatedBy != "b" || a.Layers[2] != base.Layers[0] || len(base.Layers) != 2 {
		t.Errorf("a has %+v, b has %+v", a.History, b.History)
	}
}
