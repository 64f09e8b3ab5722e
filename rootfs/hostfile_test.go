package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestOpenFilesReadAsReadersDo(t *testing.T) {
	host := hostOf(t, "/etc/passwd file 0644 9")
	f, err := host.Open("etc/passwd")
	must(t, err)
	buf := make([]byte, 6)
	for _, want := range []string{"passwd", "\npa"} {
		n, err := f.Read(buf)
		must(t, err)
		same(t, string(buf[:n]), want)
	}
	if n, err := f.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing at the end: %d, %v", n, err)
	}
	at := f.(io.ReaderAt)
	n, err := at.ReadAt(buf, 5)
	if string(buf[:n]) != "d\npa" || !errors.Is(err, io.EOF) {
		t.Errorf("past the end: %q, %v", buf[:n], err)
	}
	n, err = at.ReadAt(buf, 0)
	must(t, err)
	same(t, string(buf[:n]), "passwd")
	_, err = at.ReadAt(buf, -1)
	wantError(t, err, "read /etc/passwd: invalid argument")
}

// A number that is closed twice may be another file's by then.
func TestOpenFilesAreClosedOnce(t *testing.T) {
	host := hostOf(t, "/etc/passwd file 0644 6")
	f, err := host.Open("etc/passwd")
	must(t, err)
	must(t, f.Close())
	for name, call := range map[string]func() error{
		"close": f.Close,
		"read":  func() error { _, err := f.Read(make([]byte, 1)); return err },
	} {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s a closed file: %v", name, err)
		}
		wantError(t, call(), name+" /etc/passwd: file already closed")
	}
}

// What resolving does with a thousand programs, but for looking at their bytes.
func BenchmarkHost(b *testing.B) {
	const dir = "/usr/bin"
	list, err := os.ReadDir(dir)
	if err != nil {
		b.Skip(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		host, err := rootfs.OpenHost("/")
		must(b, err)
		workers := runtime.GOMAXPROCS(0)
		var all sync.WaitGroup
		for first := range workers {
			all.Go(func() {
				buf := make([]byte, 64)
				for i := first; i < len(list); i += workers {
					readHead(b, host, filepath.Join(dir, list[i].Name())[1:], buf)
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(len(list)), "files")
}

func readHead(b *testing.B, host *rootfs.Host, name string, buf []byte) {
	info, err := host.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return // a link to nothing
	}
	f, err := host.Open(name)
	if err != nil {
		b.Error(err)
		return
	}
	if _, err := f.(io.ReaderAt).ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		b.Error(err)
	}
	if err := f.Close(); err != nil {
		b.Error(err)
	}
}
