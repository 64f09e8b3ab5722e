package pack

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The formats of a [Store].
const (
	FormatArchive = "archive" // docker archive and OCI layout in one, as WriteArchive writes it
	FormatOCI     = "oci"     // an OCI layout, in a tar or a folder
	FormatDocker  = "docker"  // a docker archive
	FormatV1      = "v1"      // a docker archive of before 2016, without manifest.json
)

const (
	maxDocument = 4 << 20  // bytes of a config, a manifest or an index
	maxManifest = 1 << 20  // of manifest.json and what is like it
	maxStore    = 32 << 20 // of all of these that a store has
	maxImages   = 1000
	maxLayers   = 1000 // of an image; docker mounts 125

	maxStoreValues = 5 * maxValues
)

var (
	// ErrNoImage is the error for a tar or a folder that holds no image.
	ErrNoImage = errors.New("no image: there is no index.json, manifest.json or repositories in it")
	// ErrCompressed is the error for an archive that is compressed as a whole, so
	// that nothing in it can be read in place. [Spool] decompresses it.
	ErrCompressed = errors.New("the archive is compressed as a whole")
)

// A Store is an archive or a layout that is read in place: opening one reads
// the JSON in it, and of layers nothing. Manifests and configs have the digests
// that lead to them; layers are checked when they are read.
type Store struct {
	Format string
	Images []*Image
	// Missing are manifests of the index that are not there: an engine that saves
	// an image of many platforms leaves out those that it has not got.
	Missing []v1.Descriptor

	fsys   fs.FS
	read   int64               // bytes of documents so far
	values int                 // in them
	names  map[*Image][]string // besides Tags: digests, and what the layout calls it
	closer io.Closer
}

// Open opens an archive, or the folder of a layout. What is wrong with its
// contents is a *[FaultError], or an error that says where the tar is broken.
func Open(name string) (*Store, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		root, err := os.OpenRoot(name)
		if err != nil {
			return nil, err
		}
		return open(folder{root}, root)
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("neither a file nor a folder")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return openTar(f, info.Size(), f)
}

// OpenAt opens an archive of the given size. Closing the store does not close r.
func OpenAt(r io.ReaderAt, size int64) (*Store, error) {
	return openTar(r, size, io.NopCloser(nil))
}

// OpenFS opens an archive that somebody has unpacked, or a layout. Closing the store
// does nothing to it.
func OpenFS(fsys fs.FS) (*Store, error) { return open(fsys, io.NopCloser(nil)) }

func openTar(r io.ReaderAt, size int64, closer io.Closer) (*Store, error) {
	head := make([]byte, magicSize)
	if _, err := r.ReadAt(head, 0); err == nil && mediaTypeOf(head) != v1.MediaTypeImageLayer {
		closer.Close()
		return nil, ErrCompressed
	}
	index, err := indexTar(r, size)
	if err != nil {
		closer.Close()
		return nil, err
	}
	return open(index, closer)
}

func open(fsys fs.FS, closer io.Closer) (*Store, error) {
	s := &Store{fsys: fsys, closer: closer, names: make(map[*Image][]string)}
	err := s.readAll()
	if err == nil && len(s.Images) == 0 {
		err = s.empty()
	}
	if err != nil {
		closer.Close()
		return nil, err
	}
	return s, nil
}

// readAll finds out which format it is: what has the most to check comes first.
func (s *Store) readAll() error {
	switch {
	case s.has(v1.ImageIndexFile):
		s.Format = FormatOCI
		if s.has(manifestFile) {
			s.Format = FormatArchive
		}
		return s.readLayout()
	case s.has(manifestFile):
		s.Format = FormatDocker
		return s.readDocker()
	case s.has(repositoriesFile):
		s.Format = FormatV1
		return s.readV1()
	}
	return ErrNoImage
}

// empty says why there is no image.
func (s *Store) empty() error {
	if len(s.Missing) > 0 {
		return faultf(v1.ImageIndexFile, "the manifest %s is missing", s.Missing[0].Digest)
	}
	return errors.New("it lists no image")
}

// Close closes the file or folder, after which layers cannot be read any more.
func (s *Store) Close() error { return s.closer.Close() }

func (s *Store) has(name string) bool {
	_, err := fs.Stat(s.fsys, name)
	return err == nil
}

// document reads a JSON document of up to most bytes into v, and returns it.
func (s *Store) document(name string, most int64, v any) ([]byte, error) {
	data, err := s.readFile(name, most)
	if err != nil {
		return nil, err
	}
	return data, parseDocument(name, data, v)
}

func (s *Store) readFile(name string, most int64) ([]byte, error) {
	f, err := s.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, faultf(name, "has %d bytes, which is more than %d", info.Size(), most)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = faultf(name, "has more than %d bytes", most)
	}
	return data, cmp.Or(err, s.keep(name, data))
}

// keep counts documents, which stay in memory, and of which one may be the config
// of a thousand images.
func (s *Store) keep(name string, documents ...[]byte) error {
	for _, data := range documents {
		s.read += int64(len(data))
		s.values += countValues(data)
	}
	switch {
	case s.read > maxStore:
		return faultf(name, "makes the documents of all images longer than %d bytes", maxStore)
	case s.values > maxStoreValues:
		return faultf(name, "makes the documents of all images have more than %d values", maxStoreValues)
	}
	return nil
}

// openFile opens a member by a name that may come from another one.
func (s *Store) openFile(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, faultf(name, "is no name of a member: it leads out of the archive")
	}
	f, err := s.fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, faultf(name, "is missing")
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = faultf(name, "is not a file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// layer returns the layer that is the file of a name, of which not more than its
// digests is known.
func (s *Store) layer(name string, b Blob) (Layer, error) {
	f, err := s.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b.Size = info.Size()
	head := make([]byte, magicSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	b.MediaType = mediaTypeOf(head[:n])
	if b.Digest == "" && !b.compressed() {
		b.Digest = b.DiffID
	}
	return BlobLayer(b, func() (io.ReadCloser, error) { return s.openFile(name) }), b.checkIDs()
}

// checkDigest refuses what cannot be the name of a blob.
func checkDigest(where string, d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
		return faultf(where, "%q is no sha256 digest", string(d))
	}
	return nil
}

// A folder is a directory as an fs.FS whose files are opened without waiting for
// anybody, as one would at a pipe.
type folder struct{ root *os.Root }

func (d folder) Open(name string) (fs.File, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}
