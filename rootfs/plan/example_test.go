package plan_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

func ExampleMake() {
	root, err := elftest.ParseRoot(`
		/bin                 -> usr/bin
		/usr/bin/app         elf interp=/lib64/ld.so needed=liba.so.1
		/lib64/ld.so         elf soname=ld.so glibc=/lib64/
		/lib64/liba.so.1     -> liba.so.1.2.3
		/lib64/liba.so.1.2.3 elf soname=liba.so.1
	`)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "root")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, root); err != nil {
		log.Fatal(err)
	}

	host, err := rootfs.OpenHost(dir)
	if err != nil {
		log.Fatal(err)
	}
	p, err := plan.Make(context.Background(), host, plan.Spec{
		Programs: []plan.Input{{Source: "/bin/app"}},
		Bare:     true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for e := range p.Tree.All() {
		fmt.Printf("%s: %v\n", e.Path, e.Why[0])
	}
	// Output:
	// /bin: link for /bin/app
	// /dev: skeleton
	// /etc: folder for /etc/ld.so.cache
	// /etc/ld.so.cache: generated index of libraries for /lib64/ld.so
	// /lib64: folder for /lib64/ld.so
	// /lib64/ld.so: loader PT_INTERP for /bin/app
	// /lib64/liba.so.1: library liba.so.1 by default directory /lib64 for /bin/app
	// /lib64/liba.so.1.2.3: library liba.so.1 by default directory /lib64 for /bin/app
	// /usr: folder for /bin/app
	// /usr/bin: folder for /bin/app
	// /usr/bin/app: program for --bin /bin/app
}
