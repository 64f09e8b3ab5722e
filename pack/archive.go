package pack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	blobFolder = v1.ImageBlobsDir + "/sha256/"
	noDigest   = "0000000000000000000000000000000000000000000000000000000000000000"

	manifestFile = "manifest.json" // of docker archives
)

// WriteArchive writes img as one tar that is a docker archive and an OCI
// layout.
//
// The name of a layer in it is its digest, which comes before its contents. If
// w is a file, an io.Seeker and io.WriterAt, contents are read once and the name is
// filled in afterwards; else, as for a pipe, they are read once to learn the
// digest and once to be written.
func WriteArchive(w io.Writer, img *Image) (Digests, error) {
	a := newArchive(w, img)
	a.folder("blobs/")
	a.folder(blobFolder)
	blobs, names, err := a.layers(func(_ int, b Blob) string { return blobName(b.Digest) })
	if err != nil {
		return Digests{}, err
	}
	members, digests, err := img.archiveMembers(blobs, names)
	if err != nil {
		return Digests{}, err
	}
	for _, m := range members {
		a.member(m.Name, m.Data)
	}
	return digests, a.close()
}

// A Member is a small file of an archive.
type Member struct {
	Name string
	Data []byte
}

// ArchiveMembers returns what [WriteArchive] writes behind the layers, in that
// order, if these are the given blobs: config, manifest, index.json, manifest.json
// and oci-layout.
func ArchiveMembers(img *Image, layers []Blob) ([]Member, Digests, error) {
	names := make([]string, len(layers))
	for i, l := range layers {
		names[i] = blobName(l.Digest)
	}
	return img.archiveMembers(layers, names)
}

func (img *Image) archiveMembers(blobs []Blob, names []string) ([]Member, Digests, error) {
	doc, digests, err := img.Documents(blobs)
	if err != nil {
		return nil, Digests{}, err
	}
	index, err := img.index(doc.Manifest)
	if err != nil {
		return nil, Digests{}, err
	}
	config := blobName(digests.Image)
	docker, err := img.dockerManifest(config, names)
	if err != nil {
		return nil, Digests{}, err
	}
	return []Member{
		{config, doc.Config},
		{blobName(digests.Manifest), doc.Manifest},
		{v1.ImageIndexFile, index},
		{manifestFile, docker},
		{v1.ImageLayoutFile, layoutFile()},
	}, digests, nil
}

// WriteDocker writes img as a docker archive whose members have the names that
// tutorials give them: layer.tar (layer1.tar and so on if there are several),
// config.json, manifest.json. Contents are read once, whatever w is, unless they
// are to be compressed, because their size stands before them. There is no OCI
// manifest in it, and so no digest of one.
func WriteDocker(w io.Writer, img *Image) (Digests, error) {
	a := newArchive(w, img)
	a.named = true
	blobs, names, err := a.layers(func(i int, _ Blob) string { return img.dockerName(i) })
	if err != nil {
		return Digests{}, err
	}
	members, digests, err := img.dockerMembers(blobs, names)
	if err != nil {
		return Digests{}, err
	}
	for _, m := range members {
		a.member(m.Name, m.Data)
	}
	return digests, a.close()
}

// DockerMembers returns what [WriteDocker] writes behind the layers, in that order,
// if these are the given blobs: config.json and manifest.json.
func DockerMembers(img *Image, layers []Blob) ([]Member, Digests, error) {
	names := make([]string, len(layers))
	for i := range layers {
		names[i] = img.dockerName(i)
	}
	return img.dockerMembers(layers, names)
}

func (img *Image) dockerMembers(blobs []Blob, names []string) ([]Member, Digests, error) {
	doc, digests, err := img.Documents(blobs)
	if err != nil {
		return nil, Digests{}, err
	}
	docker, err := img.dockerManifest("config.json", names)
	if err != nil {
		return nil, Digests{}, err
	}
	digests.Manifest = ""
	return []Member{{"config.json", doc.Config}, {manifestFile, docker}}, digests, nil
}

// dockerName returns the name that tutorials give a layer.
func (img *Image) dockerName(i int) string {
	if len(img.Layers) > 1 {
		return fmt.Sprintf("layer%d.tar", i+1)
	}
	return "layer.tar"
}

func layoutFile() []byte {
	b, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}

// patchable is a file: what is written can be written over.
type patchable interface {
	io.Writer
	io.Seeker
	io.WriterAt
}

// An archive is a tar of an image that is being written. Its first error sticks.
type archive struct {
	w     io.Writer
	img   *Image
	named bool            // layers have names that do not depend on what is in them
	done  map[string]bool // names of the layers that are written
	err   error

	end int64 // of what was written before it turned out to be there already
}

func newArchive(w io.Writer, img *Image) *archive {
	return &archive{w: w, img: img, done: make(map[string]bool)}
}

func (a *archive) write(b []byte) {
	if a.err == nil && len(b) > 0 {
		_, a.err = a.w.Write(b)
	}
}

// member writes a whole member.
func (a *archive) member(name string, data []byte) {
	a.write(memberHeader(name, int64(len(data))))
	a.write(data)
	a.write(zeros[:padding(int64(len(data)))])
}

// folder writes a member for a folder. Engines do without, but skopeo, run by
// an ordinary user, wants to give a folder to root that has no member.
func (a *archive) folder(name string) {
	a.write(ownHeader(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir}))
}

func (a *archive) close() error {
	a.write(zeros[:2*blockSize])
	if a.err == nil && a.end > 0 {
		a.err = a.cut()
	}
	return a.err
}

// layers writes the image's layers under names that may depend on their digests,
// and returns both. A layer of the name of an earlier one is not written again.
func (a *archive) layers(name func(i int, b Blob) string) (blobs []Blob, names []string, err error) {
	blobs, names = make([]Blob, len(a.img.Layers)), make([]string, len(a.img.Layers))
	for i, l := range a.img.Layers {
		m := layerMember{archive: a, layer: l, name: func(b Blob) string { return name(i, b) }}
		if blobs[i], err = m.write(); err != nil {
			return nil, nil, layerError(i, err)
		}
		names[i] = m.name(blobs[i])
		a.done[names[i]] = true
	}
	return blobs, names, a.err
}

// A layerMember is a layer on its way into an archive. A member's header has
// name and size, which may become known only by writing what comes after it.
type layerMember struct {
	*archive
	layer Layer
	name  func(Blob) string
}

// write takes the way that reads the layer least often.
func (m *layerMember) write() (Blob, error) {
	guess, err := m.guess()
	if err != nil {
		return Blob{}, err
	}
	if guess.Digest != "" && m.done[m.name(guess)] {
		return guess, nil
	}
	file, ok := m.w.(patchable)
	switch {
	case m.certain(guess):
		return m.once(guess)
	case ok && (m.sized(guess) || fits(guess.Size)):
		return m.patched(file, guess)
	}
	return m.twice()
}

// guess returns what is known of the layer's blob, and of the size of one that
// is to be compressed no more than it had.
func (m *layerMember) guess() (b Blob, err error) {
	b = m.layer.Blob()
	b.Size, err = m.layer.Size()
	return b, err
}

// certain reports whether the header can be written before the layer.
func (m *layerMember) certain(guess Blob) bool {
	return guess.Digest != "" || m.named && m.sized(guess)
}

// sized reports whether the layer's size stays what it is.
func (m *layerMember) sized(guess Blob) bool {
	return guess.Digest != "" || !compresses(m.img.Compression, guess)
}

// fits reports whether what has n bytes before it is compressed has a header of
// one block afterwards.
func fits(n int64) bool { return n < 7<<30 }

// once writes a layer whose header is known beforehand.
func (m *layerMember) once(b Blob) (Blob, error) {
	m.archive.write(memberHeader(m.name(b), b.Size))
	if m.err != nil {
		return Blob{}, m.err
	}
	is, err := WriteBlob(m.w, m.layer, m.img.Compression)
	m.archive.write(zeros[:padding(is.Size)])
	if err == nil && is.Size != b.Size {
		panic("BUG: a layer of another size than it said")
	}
	return is, err
}

// patched fills in the header when the layer has been written.
func (m *layerMember) patched(file patchable, guess Blob) (Blob, error) {
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Blob{}, err
	}
	reserved := memberHeader(m.name(guess), guess.Size)
	m.archive.write(reserved)
	if m.err != nil {
		return Blob{}, m.err
	}
	is, err := WriteBlob(m.w, m.layer, m.img.Compression)
	if err != nil {
		return Blob{}, err
	}
	if m.done[m.name(is)] {
		return is, m.rewind(file, at)
	}
	m.archive.write(zeros[:padding(is.Size)])
	header := memberHeader(m.name(is), is.Size)
	if len(header) != len(reserved) {
		panic("BUG: a header of another length than was reserved")
	}
	_, err = file.WriteAt(header, at)
	return is, err
}

// twice writes the layer first where nobody sees it.
func (m *layerMember) twice() (Blob, error) {
	b, err := WriteBlob(io.Discard, m.layer, m.img.Compression)
	if err != nil || m.done[m.name(b)] {
		return b, err
	}
	m.archive.write(memberHeader(m.name(b), b.Size))
	if m.err != nil {
		return Blob{}, m.err
	}
	is, err := WriteBlob(m.w, m.layer, m.img.Compression)
	m.archive.write(zeros[:padding(b.Size)])
	if err == nil {
		err = changed(b, is)
	}
	return b, err
}

// rewind goes back to where a member began that is in the archive already.
func (a *archive) rewind(file patchable, at int64) error {
	end, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	a.end = max(a.end, end+padding(end))
	_, err = file.Seek(at, io.SeekStart)
	return err
}

// cut takes away what is left behind the archive of a layer that it had already.
func (a *archive) cut() error {
	at, err := a.w.(patchable).Seek(0, io.SeekCurrent)
	if err != nil || at >= a.end {
		return err
	}
	if file, ok := a.w.(interface{ Truncate(int64) error }); ok {
		return file.Truncate(at)
	}
	for n := a.end - at; n > 0 && a.err == nil; n -= int64(len(zeros)) { // which tar(1) passes over
		a.write(zeros[:min(n, int64(len(zeros)))])
	}
	return a.err
}

// memberHeader returns the header of a file in an archive.
func memberHeader(name string, size int64) []byte {
	return ownHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg})
}

// ownHeader encodes a header that we made up and that therefore is valid.
func ownHeader(h *tar.Header) []byte {
	b, err := tarHeader(&bytes.Buffer{}, h)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}

// blobName returns the name of a blob in an OCI layout, or one as long for a blob
// whose digest is not known yet.
func blobName(d digest.Digest) string {
	if d == "" {
		return blobFolder + noDigest
	}
	return blobFolder + d.Encoded()
}
