package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// A plainFile is an open regular file of a host. It costs the system calls that
// it makes and nothing else. An [os.File] is first offered to the poller, which
// takes no regular files, and then registered with the garbage collector: a
// quarter of the time that it takes to open a program, read its head and close it.
type plainFile struct {
	fd   int
	at   int64 // where Read goes on
	path string
	info fs.FileInfo
}

// openPlain opens a path that held a regular file when it was looked at, with
// the given result.
func (h *Host) openPlain(real string, info fs.FileInfo) (*plainFile, error) {
	for {
		fd, err := syscall.Open(h.osPath(real), openFlags|syscall.O_CLOEXEC, 0)
		if err == nil {
			return &plainFile{fd: fd, path: real, info: info}, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, err
		}
	}
}

// Stat returns what the host saw at the path.
func (f *plainFile) Stat() (fs.FileInfo, error) { return f.info, nil }

func (f *plainFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.pread(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *plainFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = f.pread(p[n:], off+int64(n))
		n += more
	}
	return n, err
}

// pread reads at least one byte, or returns io.EOF.
func (f *plainFile) pread(p []byte, off int64) (int, error) {
	const most = 1 << 30 // some systems refuse more at once
	if f.fd < 0 {
		return 0, f.error("read", fs.ErrClosed)
	}
	for {
		n, err := syscall.Pread(f.fd, p[:min(len(p), most)], off)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case !errors.Is(err, syscall.EINTR):
			return 0, f.error("read", err)
		}
	}
}

// Close closes the file. It is not to be called while another call runs.
func (f *plainFile) Close() error {
	if f.fd < 0 {
		return f.error("close", fs.ErrClosed)
	}
	err := syscall.Close(f.fd)
	f.fd = -1
	if err != nil && !errors.Is(err, syscall.EINTR) { // after which it is closed too
		return f.error("close", err)
	}
	return nil
}

func (f *plainFile) error(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.path, Err: err}
}
