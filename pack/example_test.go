package pack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

func Example() {
	var tree rootfs.Tree
	if err := tree.Add(rootfs.File("/bin/hello", 0o755, []byte("program"))); err != nil {
		fmt.Println(err)
	}
	tag, err := pack.ParseTag("hello:v1")
	if err != nil {
		fmt.Println(err)
	}
	var archive bytes.Buffer
	digests, err := pack.WriteArchive(&archive, &pack.Image{
		Tags:         []string{tag},
		Architecture: "amd64",
		OS:           "linux",
		Created:      time.Unix(0, 0),
		Config:       pack.Config{ImageConfig: v1.ImageConfig{Entrypoint: []string{"/bin/hello"}}},
		Layers:       []pack.Layer{pack.TreeLayer(&tree, time.Unix(0, 0))},
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("image ID", digests.Image)
	for r := tar.NewReader(&archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		fmt.Println(h.Size, h.Name)
	}
	// Output:
	// image ID sha256:ae252eb41819459891d73b00772ea542c2cff5643736c165802859f37539abbd
	// 0 blobs/
	// 0 blobs/sha256/
	// 2560 blobs/sha256/6a4aab981579cc931ae60e4f4ecaef323080c0d2003648c5cb2173f09285f797
	// 270 blobs/sha256/ae252eb41819459891d73b00772ea542c2cff5643736c165802859f37539abbd
	// 397 blobs/sha256/738b1dc5ac4aed4febdbf1958f8b5be698c12b3db845b3648ff9201c64b18ce6
	// 353 index.json
	// 225 manifest.json
	// 30 oci-layout
}

// An archive is read in place: its names, what runs, and any file of it.
func ExampleOpenAt() {
	var tree rootfs.Tree
	if err := tree.Add(rootfs.File("/etc/greeting", 0o644, []byte("hello"))); err != nil {
		fmt.Println(err)
	}
	img := &pack.Image{
		Tags:         []string{"docker.io/library/hello:v1"},
		Architecture: "amd64",
		OS:           "linux",
		Created:      time.Unix(0, 0),
		Compression:  pack.Compression{Method: pack.Gzip},
	}
	img.Append(pack.TreeLayer(&tree, img.Created), "an example")
	var archive bytes.Buffer
	if _, err := pack.WriteArchive(&archive, img); err != nil {
		fmt.Println(err)
	}

	store, err := pack.OpenAt(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	read, err := store.Find("hello:v1", v1.Platform{Architecture: "amd64"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.Format, read.Tags, read.History[0].CreatedBy)
	faults, err := store.Verify(context.Background(), pack.Limits{})
	fmt.Println("faults", faults, err)
	files, err := pack.OpenFiles(context.Background(), read, pack.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close()
	greeting, err := fs.ReadFile(files.Tree, "etc/greeting")
	fmt.Printf("%s %v\n", greeting, err)
	// Output:
	// archive [docker.io/library/hello:v1] an example
	// faults [] <nil>
	// hello <nil>
}
