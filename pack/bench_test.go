package pack_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
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

// BenchmarkCompression makes blobs of a tar like that of a program, with one
// processor and with all of them.
func BenchmarkCompression(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		b.Fatal(err)
	}
	l := pack.TreeLayer(newTree(b, rootfs.File("/program", 0o755, bytes.Repeat(program, 8))), epoch)
	size, err := l.Size()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []pack.Compression{{}, {Method: pack.Gzip}, {Method: pack.Zstd}} {
		for _, processors := range []int{1, runtime.NumCPU()} {
			b.Run(fmt.Sprintf("%s/processors=%d", c, processors), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
				b.SetBytes(size)
				for b.Loop() {
					blob, err := pack.WriteBlob(io.Discard, l, c)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(blob.Size)/float64(size), "ratio")
				}
			})
		}
	}
}

// BenchmarkReading opens an archive, looks at the headers of its layers, and
// verifies all of it. What it holds of memory does not grow with the layers.
func BenchmarkReading(b *testing.B) {
	for _, c := range []pack.Compression{{}, {Method: pack.Gzip}, {Method: pack.Zstd}} {
		img := imageOf(pack.TreeLayer(newTree(b, rootfs.File("/large", 0o644, words(64<<20))), epoch))
		img.Compression = c
		data, _ := archiveOf(b, img, pack.WriteArchive)
		for _, bb := range []struct {
			name string
			read func(s *pack.Store) error
		}{
			{"open", func(*pack.Store) error { return nil }},
			{"files", func(s *pack.Store) error {
				_, err := pack.OpenFiles(b.Context(), s.Images[0], pack.Limits{})
				return err
			}},
			{"verify", func(s *pack.Store) error {
				_, err := s.Verify(b.Context(), pack.Limits{})
				return err
			}},
		} {
			b.Run(bb.name+"/"+c.String(), func(b *testing.B) {
				b.SetBytes(64 << 20)
				b.ReportAllocs()
				for b.Loop() {
					s, err := openBytes(data)
					if err == nil {
						err = bb.read(s)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
