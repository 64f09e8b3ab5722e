package rootfs_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/harvest-oci/harvest/rootfs"
)

// exampleRoot makes a little root to take things from: /bin is a link to
// /usr/bin, and sh in there one to bash.
func exampleRoot() (dir string) {
	dir, err := os.MkdirTemp("", "root")
	if err != nil {
		log.Fatal(err)
	}
	bin := filepath.Join(dir, "usr", "bin")
	for _, err := range []error{
		os.MkdirAll(bin, 0o755),
		os.WriteFile(filepath.Join(bin, "bash"), []byte("a shell"), 0o755),
		os.Symlink("/bin/bash", filepath.Join(bin, "sh")),
		os.Symlink("usr/bin", filepath.Join(dir, "bin")),
	} {
		if err != nil {
			log.Fatal(err)
		}
	}
	return dir
}

// A link with an absolute target leads to a place below the folder, not to the
// shell of the system that the program runs on.
func ExampleHost() {
	dir := exampleRoot()
	defer os.RemoveAll(dir)
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		log.Fatal(err)
	}
	real, err := host.RealPath("/bin/sh")
	if err != nil {
		log.Fatal(err)
	}
	data, err := fs.ReadFile(host, "bin/sh")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", real, data)
	// Output: /usr/bin/bash: a shell
}

// Naming one path brings in every folder and link on the way.
func ExampleTree() {
	dir := exampleRoot()
	defer os.RemoveAll(dir)
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		log.Fatal(err)
	}
	var tree rootfs.Tree
	if err := tree.AddHost(host, "/bin/sh", rootfs.Reason{Kind: "program"}); err != nil {
		log.Fatal(err)
	}
	if err := tree.Add(rootfs.Dir("/tmp", fs.ModeSticky|0o777)); err != nil {
		log.Fatal(err)
	}
	for e := range tree.All() {
		fmt.Println(e.Mode.Type(), e.Path, e.Why)
	}
	// Output:
	// L--------- /bin [link for /bin/sh]
	// d--------- /tmp []
	// d--------- /usr [folder for /bin/sh]
	// d--------- /usr/bin [folder for /bin/sh]
	// ---------- /usr/bin/bash [program]
	// L--------- /usr/bin/sh [link for /bin/sh]
}

func ExampleTree_Add_conflict() {
	var tree rootfs.Tree
	program := rootfs.Reason{Kind: "program", From: "--bin app:/srv"}
	if err := tree.Add(rootfs.File("/srv", 0o755, []byte("app")).For(program)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(tree.Add(rootfs.File("/srv/data", 0o644, nil)))
	// Output: two inputs for /srv: a file (program for --bin app:/srv) and a folder (folder for /srv/data)
}

func ExampleTree_Stage() {
	var tree rootfs.Tree
	if err := tree.Add(rootfs.File("/etc/hostname", 0o644, []byte("example\n"))); err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "staged")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := tree.Stage(context.Background(), dir, time.Unix(0, 0)); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "etc/hostname"))
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// example
	// <nil>
}
