package pack_test

import (
	"bytes"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
)

func TestFileBecomesALayerAsItIs(t *testing.T) {
	plain := makeTar(t, dir("d"), file("d/f", "text"))
	for _, test := range []struct {
		method, mediaType string
	}{
		{"", v1.MediaTypeImageLayer},
		{pack.Gzip, v1.MediaTypeImageLayerGzip},
		{pack.Zstd, v1.MediaTypeImageLayerZstd},
	} {
		want, data := blobOf(t, rawLayer(plain), pack.Compression{Method: test.method})
		l, err := pack.FileLayer(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		got, err := pack.WriteBlob(&out, l, pack.Compression{})
		if err != nil || got != want || got.MediaType != test.mediaType || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%s: got %v, %v, want %v, and the same bytes", test.method, got, err, want)
		}
		if got := show(t, openFiles(t, imageOf(l))); got != "/d dir 0755 layer 1\n/d/f file 0644 4 layer 1 \"text\"\n" {
			t.Errorf("%s: its files are\n%s", test.method, got)
		}
	}
}
