package owner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
)

// maxText bounds how large a text file of a database may be. The largest in
// practice, the status file of a desktop system, has some 5 MB.
const maxText = 1 << 28

// readInto reads a file, into buf if it fits.
func readInto(fsys fs.FS, name string, buf []byte) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size > maxText {
		return nil, fmt.Errorf("reading /%s: %w: %d bytes", name, ErrDamaged, size)
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("reading /%s: %w", name, err)
	}
	return buf[:n], nil
}

// readText is readInto for what is kept.
func readText(fsys fs.FS, name string) (string, error) {
	data, err := readInto(fsys, name, nil)
	return string(data), err
}

// inParallel calls do with each number below n, several at a time, and returns
// the error of the lowest number that has one.
func inParallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
