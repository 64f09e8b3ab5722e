package pack_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	stdgzip "compress/gzip"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

var compressions = []pack.Compression{{}, {Method: pack.Gzip}, {Method: pack.Gzip, Level: 1}, {Method: pack.Zstd}, {Method: pack.Zstd, Level: 1}}

// threeLayers returns an image of three layers, the second of several blocks.
func threeLayers(t testing.TB, c pack.Compression) *pack.Image {
	img := sampleImage(t)
	img.Compression = c
	img.Append(pack.TreeLayer(newTree(t, rootfs.File("/words", 0o644, words(5<<18))), epoch), "words")
	img.Append(pack.TreeLayer(newTree(t, rootfs.File("/etc/last", 0o644, []byte("last"))), epoch), "last")
	return img
}

// words returns n bytes that compress about as well as programs do.
func words(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%x %s ", random.Uint32(), []string{"closure", "tree", "image"}[random.IntN(3)])
	}
	return b.Bytes()[:n]
}

// tarOf decompresses a blob with other code than the one that is tested, where
// there is some.
func tarOf(t testing.TB, mediaType string, blob []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(blob)
	switch mediaType {
	case v1.MediaTypeImageLayer:
		return blob
	case v1.MediaTypeImageLayerGzip:
		z, err := stdgzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		if !z.ModTime.IsZero() || z.Name != "" {
			t.Errorf("the header says %+v", z.Header)
		}
		r = z
	case v1.MediaTypeImageLayerZstd:
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	default:
		t.Fatalf("media type %s", mediaType)
	}
	tar, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return tar
}

func TestCompressionChangesBlobsAndNotDiffIDs(t *testing.T) {
	plain, err := pack.WriteArchive(io.Discard, threeLayers(t, pack.Compression{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			var b bytes.Buffer
			d, err := pack.WriteArchive(&b, threeLayers(t, c))
			if err != nil {
				t.Fatal(err)
			}
			checkLayout(t, files(t, b.Bytes()), d)
			if d.Image != plain.Image {
				t.Errorf("image ID %s, uncompressed %s", d.Image, plain.Image)
			}
			for i, l := range d.Layers {
				if l.DiffID != plain.Layers[i].DiffID || (l.Digest == l.DiffID) != (c.Method == "") {
					t.Errorf("layer %d is %+v", i, l)
				}
			}
		})
	}
}

func TestEveryWayOfWritingGivesTheSameBlobs(t *testing.T) {
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			var pipe bytes.Buffer
			want, err := pack.WriteArchive(&pipe, threeLayers(t, c))
			if err != nil {
				t.Fatal(err)
			}
			file, data := intoFile(t, func(w io.Writer) (pack.Digests, error) { return pack.WriteArchive(w, threeLayers(t, c)) })
			if !bytes.Equal(data, pipe.Bytes()) {
				t.Errorf("the file has %d bytes, the pipe got %d", len(data), pipe.Len())
			}
			layout, err := pack.WriteLayout(t.TempDir(), threeLayers(t, c))
			if err != nil {
				t.Fatal(err)
			}
			var dockerPipe bytes.Buffer
			docker, err := pack.WriteDocker(&dockerPipe, threeLayers(t, c))
			if err != nil {
				t.Fatal(err)
			}
			_, data = intoFile(t, func(w io.Writer) (pack.Digests, error) { return pack.WriteDocker(w, threeLayers(t, c)) })
			if !bytes.Equal(data, dockerPipe.Bytes()) {
				t.Errorf("docker: the file has %d bytes, the pipe got %d", len(data), dockerPipe.Len())
			}
			var v1Pipe bytes.Buffer
			legacy, err := pack.WriteV1(&v1Pipe, threeLayers(t, c))
			if err != nil {
				t.Fatal(err)
			}
			_, data = intoFile(t, func(w io.Writer) (pack.Digests, error) { return pack.WriteV1(w, threeLayers(t, c)) })
			if !bytes.Equal(data, v1Pipe.Bytes()) {
				t.Errorf("v1: the file has %d bytes, the pipe got %d", len(data), v1Pipe.Len())
			}
			for i, d := range []pack.Digests{file, layout, docker, legacy} {
				if d.Image != want.Image || !slices.Equal(d.Layers, want.Layers) {
					t.Errorf("way %d gives %+v, want %+v", i, d, want)
				}
			}
			for i, l := range want.Layers {
				member := files(t, dockerPipe.Bytes())[fmt.Sprintf("layer%d.tar", i+1)]
				if digest.FromBytes(member) != l.Digest || digest.FromBytes(tarOf(t, l.MediaType, member)) != l.DiffID {
					t.Errorf("layer%d.tar is not %+v", i+1, l)
				}
			}
		})
	}
}

// intoFile returns what was written into a file that can be written over.
func intoFile(t testing.TB, write func(io.Writer) (pack.Digests, error)) (pack.Digests, []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := write(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return d, data
}

func TestBlobsDoNotDependOnTheNumberOfProcessors(t *testing.T) {
	for _, c := range compressions[1:] {
		t.Run(c.String(), func(t *testing.T) {
			l := threeLayers(t, c).Layers[1]
			var want pack.Blob
			for i, n := range []int{1, 2, 8, 3} {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
				b, err := pack.WriteBlob(io.Discard, slicedLayer{l, 1 + i*i*100_000}, c)
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 && b != want {
					t.Errorf("with %d processors %+v, with one %+v", n, b, want)
				}
				want = b
			}
		})
	}
}

// slicedLayer is a layer that is written in pieces of another length.
type slicedLayer struct {
	pack.Layer
	length int
}

func (l slicedLayer) WriteTo(w io.Writer) (total int64, err error) {
	var b bytes.Buffer
	if _, err := l.Layer.WriteTo(&b); err != nil {
		return 0, err
	}
	for piece := range slices.Chunk(b.Bytes(), l.length) {
		n, err := w.Write(piece)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func TestErrorsOfTheOutputEndCompression(t *testing.T) {
	for _, c := range compressions {
		var whole bytes.Buffer
		if _, err := pack.WriteArchive(&whole, threeLayers(t, c)); err != nil {
			t.Fatal(err)
		}
		for room := 0; room < whole.Len(); room += 150_007 {
			_, err := pack.WriteArchive(&failing{room}, threeLayers(t, c))
			if err == nil || !strings.HasSuffix(err.Error(), errFull.Error()) || strings.Count(err.Error(), errFull.Error()) != 1 {
				t.Fatalf("%s with room for %d of %d bytes: got %v", c, room, whole.Len(), err)
			}
		}
	}
}

func TestChangedFileEndsCompression(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "contents")
	img := &pack.Image{Layers: []pack.Layer{pack.TreeLayer(hostTree(t, dir, "/file"), epoch)}, Compression: pack.Compression{Method: pack.Gzip}}
	write(t, filepath.Join(dir, "file"), "other contents")
	_, err := pack.WriteArchive(io.Discard, img)
	if want := "writing layer 0: /file: /file: file changed while packing"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLayerThatIsThereTwiceIsStoredOnce(t *testing.T) {
	for _, c := range compressions {
		t.Run(c.String(), func(t *testing.T) {
			img := threeLayers(t, c)
			img.Append(img.Layers[1], "words again")
			img.Append(img.Layers[0], "the first again")
			var pipe bytes.Buffer
			d, err := pack.WriteArchive(&pipe, img)
			if err != nil {
				t.Fatal(err)
			}
			m := files(t, pipe.Bytes()) // which fails for a name that is there twice
			checkLayout(t, m, d)
			if len(d.Layers) != 5 || d.Layers[3] != d.Layers[1] || len(m) != 2+3+5 {
				t.Errorf("%d members for the layers %+v", len(m), d.Layers)
			}
			if _, data := intoFile(t, func(w io.Writer) (pack.Digests, error) { return pack.WriteArchive(w, img) }); !bytes.Equal(data, pipe.Bytes()) {
				t.Errorf("the file has %d bytes, the pipe got %d", len(data), pipe.Len())
			}
			_, data := intoFile(t, func(w io.Writer) (pack.Digests, error) { return pack.WriteArchive(untruncated{w.(*os.File)}, img) })
			if rest := bytes.TrimRight(data, "\x00"); !bytes.HasPrefix(pipe.Bytes(), rest) || len(data)%512 != 0 {
				t.Errorf("%d bytes remain where the file cannot be cut", len(data))
			}
		})
	}
}

// untruncated is a file that cannot be made shorter.
type untruncated struct{ f *os.File }

func (u untruncated) Write(p []byte) (int, error)              { return u.f.Write(p) }
func (u untruncated) WriteAt(p []byte, at int64) (int, error)  { return u.f.WriteAt(p, at) }
func (u untruncated) Seek(at int64, whence int) (int64, error) { return u.f.Seek(at, whence) }

func TestCompressionsAreReadAndWritten(t *testing.T) {
	for in, want := range map[string]pack.Compression{
		"none":    {},
		"gzip":    {Method: pack.Gzip},
		"gzip:1":  {Method: pack.Gzip, Level: 1},
		"zstd":    {Method: pack.Zstd},
		"zstd:22": {Method: pack.Zstd, Level: 22},
	} {
		c, err := pack.ParseCompression(in)
		if err != nil || c != want || c.String() != in {
			t.Errorf("%s: got %+v (%s), %v", in, c, c, err)
		}
	}
	for in, want := range map[string]string{
		"":        `compression "": there are none, gzip and zstd`,
		"xz":      `compression "xz": there are none, gzip and zstd`,
		"none:1":  `compression "none:1": none has no level`,
		"gzip:0":  `compression "gzip:0": the level of gzip is a number from 1 to 9`,
		"gzip:10": `compression "gzip:10": the level of gzip is a number from 1 to 9`,
		"zstd:x":  `compression "zstd:x": the level of zstd is a number from 1 to 22`,
		"zstd:":   `compression "zstd:": the level of zstd is a number from 1 to 22`,
	} {
		if _, err := pack.ParseCompression(in); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}
