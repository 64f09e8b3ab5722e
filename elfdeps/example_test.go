package elfdeps_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

const opt = `
	/opt/app/bin/app             elf interp=/lib64/ld-linux-x86-64.so.2 needed=libapp.so.1,libc.so.6 runpath=$ORIGIN/../lib
	/opt/app/lib/libapp.so.1     elf soname=libapp.so.1 needed=libz.so.1,libc.so.6
	/usr/lib/libc.so.6           elf soname=libc.so.6 needed=ld-linux-x86-64.so.2
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib:/usr/lib
`

func ExampleResolver() {
	root, err := elftest.ParseRoot(opt + "/usr/lib/libz.so.1 elf soname=libz.so.1")
	if err != nil {
		log.Fatal(err)
	}
	r := elfdeps.Resolver{FS: root}
	closure, err := r.Resolve(context.Background(), "/opt/app/bin/app")
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range closure.Programs[0].Objects {
		fmt.Println(o.Path)
		for _, n := range o.Needs {
			fmt.Printf("    %s: %v\n", n.Name, n.Rule)
		}
	}
	// Output:
	// /opt/app/bin/app
	//     /lib64/ld-linux-x86-64.so.2: PT_INTERP
	//     libapp.so.1: DT_RUNPATH $ORIGIN/../lib of /opt/app/bin/app
	//     libc.so.6: default directory /usr/lib
	// /lib64/ld-linux-x86-64.so.2
	// /opt/app/bin/../lib/libapp.so.1
	//     libz.so.1: default directory /usr/lib
	//     libc.so.6: already loaded
	// /usr/lib/libc.so.6
	//     ld-linux-x86-64.so.2: already loaded
	// /usr/lib/libz.so.1
}

func ExampleMissingError() {
	root, err := elftest.ParseRoot(opt)
	if err != nil {
		log.Fatal(err)
	}
	r := elfdeps.Resolver{FS: root}
	_, err = r.Resolve(context.Background(), "/opt/app/bin/app")
	fmt.Println(err)
	// Output:
	// libz.so.1, needed by /opt/app/bin/../lib/libapp.so.1: not found in ld.so.cache (absent or unusable); default directories /lib, /usr/lib
}

func ExampleRead() {
	root, err := elftest.ParseRoot(opt)
	if err != nil {
		log.Fatal(err)
	}
	f, err := root.Open("opt/app/lib/libapp.so.1")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := fs.Stat(root, "opt/app/lib/libapp.so.1")
	if err != nil {
		log.Fatal(err)
	}
	file, err := elfdeps.Read(f.(io.ReaderAt), info.Size())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Soname, file.Arch, file.Needed)
	// Output: libapp.so.1 linux/amd64 [{DT_NEEDED libz.so.1} {DT_NEEDED libc.so.6}]
}
