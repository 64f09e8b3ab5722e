package pack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/rootfs"
)

// A Layer is a tar of file system changes, which may be compressed. Writing it
// twice gives the same bytes.
type Layer interface {
	// Size returns the number of bytes that WriteTo writes.
	Size() (int64, error)
	WriteTo(w io.Writer) (int64, error)
	// Blob returns what is known of these bytes before they are written: of a
	// tree that they are a tar, of what was read from an image all of it.
	Blob() Blob
}

const blockSize = 512 // of a tar

// TreeLayer returns the layer that creates a whole tree, with no mtime later
// than latest. Contents are read from the tree's host while the layer is
// written; an entry that has changed since makes WriteTo fail. The tree must not
// change any more.
func TreeLayer(t *rootfs.Tree, latest time.Time) Layer {
	l := &treeLayer{tree: t, latest: latest}
	l.size = sync.OnceValues(l.measure)
	return l
}

type treeLayer struct {
	tree   *rootfs.Tree
	latest time.Time
	size   func() (int64, error) // measure, called once
}

func (l *treeLayer) Size() (int64, error) { return l.size() }
func (l *treeLayer) Blob() Blob           { return Blob{MediaType: v1.MediaTypeImageLayer} }

// measure adds up headers and padded contents.
func (l *treeLayer) measure() (int64, error) {
	size := int64(2 * blockSize)
	var buf bytes.Buffer
	for e := range l.tree.All() {
		h, err := l.header(&buf, e)
		if err != nil {
			return 0, err
		}
		size += int64(len(h)) + contentSize(e) + padding(contentSize(e))
	}
	return size, nil
}

func (l *treeLayer) WriteTo(w io.Writer) (int64, error) {
	var n int64
	var buf bytes.Buffer
	for e := range l.tree.All() {
		m, err := l.writeEntry(w, &buf, e)
		n += m
		if err != nil {
			return n, fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	m, err := w.Write(zeros[:2*blockSize])
	return n + int64(m), err
}

func (l *treeLayer) writeEntry(w io.Writer, buf *bytes.Buffer, e *rootfs.Entry) (int64, error) {
	h, err := l.header(buf, e)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(h)
	if err != nil || !hasContents(e) {
		return int64(n), err
	}
	m, err := writeContents(w, e)
	if err != nil {
		return int64(n) + m, err
	}
	p, err := w.Write(zeros[:padding(m)])
	return int64(n) + m + int64(p), err
}

// writeContents copies the bytes that the header promises: an open entry has
// just as many. Empty files are opened too, because those of /proc only seem so.
func writeContents(w io.Writer, e *rootfs.Entry) (n int64, err error) {
	f, err := e.Open()
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(w, f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return n, err
}

// Header returns what a layer has of an entry before its contents: one block of
// USTAR, or several where PAX records say what that cannot.
func Header(e *rootfs.Entry, latest time.Time) ([]byte, error) {
	return entryHeader(&bytes.Buffer{}, e, latest)
}

func (l *treeLayer) header(buf *bytes.Buffer, e *rootfs.Entry) ([]byte, error) {
	return entryHeader(buf, e, l.latest)
}

// entryHeader returns the tar header of an entry, PAX records included where USTAR
// cannot say it, in buf's bytes.
func entryHeader(buf *bytes.Buffer, e *rootfs.Entry, latest time.Time) ([]byte, error) {
	if strings.HasPrefix(path.Base(e.Path), ".wh.") {
		return nil, fmt.Errorf("%s: a name that begins with .wh. deletes files in an image", e.Path)
	}
	h := &tar.Header{
		Name:    e.Path[1:],
		Mode:    int64(rootfs.UnixPerm(e.Mode)),
		Uid:     e.UID,
		Gid:     e.GID,
		ModTime: rootfs.Clamp(e.ModTime, latest),
	}
	switch {
	case e.Hardlink != "":
		h.Typeflag, h.Linkname = tar.TypeLink, e.Hardlink[1:]
	case e.Mode.IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	case e.Mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case e.Mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
	case e.Mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	case e.Mode&fs.ModeCharDevice != 0:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(e.Major), int64(e.Minor)
	case e.Mode&fs.ModeDevice != 0:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(e.Major), int64(e.Minor)
	default:
		return nil, fmt.Errorf("%s: %v cannot be part of an image", e.Path, e.Mode)
	}
	for name, value := range e.XAttrs {
		if h.PAXRecords == nil {
			h.PAXRecords = make(map[string]string)
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	return tarHeader(buf, h)
}

// tarHeader encodes h: in USTAR if that can hold it, else with PAX records. It
// returns the bytes of buf, which are its own until buf is used again.
func tarHeader(buf *bytes.Buffer, h *tar.Header) ([]byte, error) {
	buf.Reset()
	err := tar.NewWriter(buf).WriteHeader(h)
	return buf.Bytes(), err
}

func hasContents(e *rootfs.Entry) bool { return e.Mode.IsRegular() && e.Hardlink == "" }

func contentSize(e *rootfs.Entry) int64 {
	if !hasContents(e) {
		return 0
	}
	return e.Size
}

var zeros [2 * blockSize]byte

// padding returns how many bytes fill n up to whole blocks.
func padding(n int64) int64 { return -n & (blockSize - 1) }
