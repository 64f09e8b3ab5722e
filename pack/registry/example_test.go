package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/pack/registry"
	"github.com/harvest-oci/harvest/pack/registry/registrytest"
	"github.com/harvest-oci/harvest/rootfs"
)

// A second push of an image with one more layer sends no more than that, and the
// config that lists it.
func Example() {
	server := httptest.NewServer(&registrytest.Registry{})
	defer server.Close()
	name := strings.TrimPrefix(server.URL, "http://") + "/team/hello:v1"

	hello := func(file string) pack.Layer {
		var tree rootfs.Tree
		if err := tree.Add(rootfs.File(file, 0o644, []byte("hello\n"))); err != nil {
			panic(err)
		}
		return pack.TreeLayer(&tree, time.Unix(0, 0))
	}
	img := &pack.Image{Architecture: "amd64", OS: "linux", Created: time.Unix(0, 0)}
	ctx := context.Background()
	var c registry.Client
	defer c.Close()
	for _, file := range []string{"/first", "/second"} {
		img.Append(hello(file), "example")
		push, err := c.Push(ctx, img, name)
		if err != nil {
			panic(err)
		}
		for _, t := range push.Transfers {
			fmt.Println(file, t.Digest.Encoded()[:8], t.How)
		}
	}

	pulled, err := c.Pull(ctx, name, v1.Platform{})
	if err != nil {
		panic(err)
	}
	var archive bytes.Buffer // layers are read from the registry now
	if _, err := pack.WriteArchive(&archive, pulled); err != nil {
		panic(err)
	}
	fmt.Println(len(pulled.Layers), "layers,", archive.Len(), "bytes")
	// Output:
	// /first 8a337a0c sent
	// /first 4caebb88 sent
	// /second 8a337a0c present
	// /second 0c964311 sent
	// /second 7b6022cb sent
	// 2 layers, 12800 bytes
}
