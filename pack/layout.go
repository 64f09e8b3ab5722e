package pack

import (
	"errors"
	"os"
	"path/filepath"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteLayout writes img as an OCI layout into the folder dir, which must exist
// and should be empty. An error leaves what was written so far.
func WriteLayout(dir string, img *Image) (Digests, error) {
	blobs := filepath.Join(dir, filepath.FromSlash(blobFolder))
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return Digests{}, err
	}
	layers := make([]Blob, len(img.Layers))
	for i, l := range img.Layers {
		var err error
		if layers[i], err = layerFile(blobs, l, img.Compression); err != nil {
			return Digests{}, layerError(i, err)
		}
	}
	doc, digests, err := img.Documents(layers)
	if err != nil {
		return Digests{}, err
	}
	index, err := img.index(doc.Manifest)
	if err != nil {
		return Digests{}, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{blobName(digests.Image), doc.Config},
		{blobName(digests.Manifest), doc.Manifest},
		{v1.ImageIndexFile, index},
		{v1.ImageLayoutFile, layoutFile()},
	} {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(f.name)), f.data, 0o644); err != nil {
			return Digests{}, err
		}
	}
	return digests, nil
}

// layerFile writes a layer into the folder of blobs and then gives it its name.
func layerFile(blobs string, l Layer, c Compression) (Blob, error) {
	name := filepath.Join(blobs, noDigest)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return Blob{}, err
	}
	blob, err := WriteBlob(f, l, c)
	if err = errors.Join(err, f.Close()); err != nil {
		return Blob{}, err
	}
	return blob, os.Rename(name, filepath.Join(blobs, blob.Digest.Encoded()))
}
