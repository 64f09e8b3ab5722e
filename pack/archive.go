package pack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/rootfs"
)

const (
	blobFolder = v1.ImageBlobsDir + "/sha256/"
	noDigest   = "0000000000000000000000000000000000000000000000000000000000000000"
)

// WriteArchive writes img as one tar that is a docker archive and an OCI
// layout.
//
// The name of a layer in it is its digest, which comes before its contents. If
// w is a file, an io.Seeker and io.WriterAt, contents are read once and the name is
// filled in afterwards; else, as for a pipe, they are read once to learn the
// digest and once to be written.
func WriteArchive(w io.Writer, img *Image) (Digests, error) {
	a := &archive{w: w}
	a.folder("blobs/")
	a.folder(blobFolder)
	blobs := make([]Blob, len(img.Layers))
	for i, l := range img.Layers {
		var err error
		if file, ok := w.(patchable); ok {
			blobs[i], err = a.patchedLayer(file, l)
		} else {
			blobs[i], err = a.twiceReadLayer(l)
		}
		if err != nil {
			return Digests{}, layerError(i, err)
		}
	}
	d, err := img.documents(blobs)
	if err != nil {
		return Digests{}, err
	}
	index, err := img.index(d)
	if err != nil {
		return Digests{}, err
	}
	names := make([]string, len(blobs))
	for i, b := range blobs {
		names[i] = blobName(b.Digest)
	}
	config := blobName(d.digests.Image)
	docker, err := img.dockerManifest(config, names)
	if err != nil {
		return Digests{}, err
	}
	a.member(config, d.config)
	a.member(blobName(d.digests.Manifest), d.manifest)
	a.member(v1.ImageIndexFile, index)
	a.member("manifest.json", docker)
	a.member(v1.ImageLayoutFile, layoutFile())
	return d.digests, a.close()
}

// WriteDocker writes img as a docker archive whose members have the names that
// tutorials give them: layer.tar (layer1.tar and so on if there are several),
// config.json, manifest.json. Contents are read once, whatever w is. There is no
// OCI manifest in it, and so no digest of one.
func WriteDocker(w io.Writer, img *Image) (Digests, error) {
	a := &archive{w: w}
	blobs := make([]Blob, len(img.Layers))
	names := make([]string, len(img.Layers))
	for i, l := range img.Layers {
		names[i] = "layer.tar"
		if len(img.Layers) > 1 {
			names[i] = fmt.Sprintf("layer%d.tar", i+1)
		}
		var err error
		if blobs[i], err = a.layer(names[i], l); err != nil {
			return Digests{}, layerError(i, err)
		}
	}
	d, err := img.documents(blobs)
	if err != nil {
		return Digests{}, err
	}
	docker, err := img.dockerManifest("config.json", names)
	if err != nil {
		return Digests{}, err
	}
	a.member("config.json", d.config)
	a.member("manifest.json", docker)
	d.digests.Manifest = ""
	return d.digests, a.close()
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

// An archive is a tar that is being written. Its first error sticks.
type archive struct {
	w   io.Writer
	err error
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
	return a.err
}

// layer writes a layer under a name that is known beforehand.
func (a *archive) layer(name string, l Layer) (Blob, error) {
	size, err := l.Size()
	if err != nil {
		return Blob{}, err
	}
	a.write(memberHeader(name, size))
	if a.err != nil {
		return Blob{}, a.err
	}
	sum, err := WriteLayer(a.w, l)
	a.write(zeros[:padding(size)])
	return Blob{sum, size}, err
}

// patchedLayer writes a layer under a name that its contents decide, which is
// filled in when they have been written.
func (a *archive) patchedLayer(file patchable, l Layer) (Blob, error) {
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Blob{}, err
	}
	blob, err := a.layer(blobFolder+noDigest, l)
	if err != nil {
		return Blob{}, err
	}
	_, err = file.WriteAt(memberHeader(blobName(blob.Digest), blob.Size), at)
	return blob, err
}

// twiceReadLayer does the same where nothing can be filled in.
func (a *archive) twiceReadLayer(l Layer) (Blob, error) {
	sum, err := WriteLayer(io.Discard, l)
	if err != nil {
		return Blob{}, err
	}
	blob, err := a.layer(blobName(sum), l)
	if err == nil && blob.Digest != sum {
		err = rootfs.ErrChanged
	}
	return blob, err
}

// memberHeader returns the header of a file in an archive, whose length depends
// on the length of the name and on the size alone.
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

// blobName returns the name of a blob in an OCI layout.
func blobName(d digest.Digest) string { return blobFolder + d.Encoded() }
