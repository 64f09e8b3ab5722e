package pack_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/harvest-oci/harvest/pack"
)

// BenchmarkLayer packs a thousand small files, where headers and opening count,
// and one large one, where reading and hashing do.
func BenchmarkLayer(b *testing.B) {
	for _, bb := range []struct {
		name        string
		files, size int
	}{
		{"1000x4kB", 1000, 4 << 10},
		{"1x64MB", 1, 64 << 20},
	} {
		b.Run(bb.name, func(b *testing.B) {
			dir := b.TempDir()
			names := make([]string, bb.files)
			contents := string(make([]byte, bb.size))
			for i := range names {
				names[i] = fmt.Sprintf("/%04d", i)
				write(b, filepath.Join(dir, names[i]), contents)
			}
			l := pack.TreeLayer(hostTree(b, dir, names...), epoch)
			b.SetBytes(int64(bb.files * bb.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pack.WriteLayer(io.Discard, l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
