package elftest_test

import (
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"log"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
)

func ExampleParseRoot() {
	root, err := elftest.ParseRoot(`
		/usr/bin/app             elf sections needed=liba.so.1,libb.so.2 runpath=$ORIGIN/../lib
		/lib/liba.so.1           elf soname=liba.so.1
		/usr/lib/libhard.so      hard /usr/lib/liba.so.1
		/lib                     -> usr/lib
		/etc/ld.so.cache         cache liba.so.1=/lib/liba.so.1 libz.so.1=/opt/z/libz.so.1;flags=0x303;hwcap=0
		/etc/ld.so.conf          text "/lib64\n"
		/opt/dir/                dir
		/usr/lib/pipe            fifo
	`)
	if err != nil {
		log.Fatal(err)
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		fmt.Println(d.Type(), name)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	app, err := root.Open("usr/bin/app")
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	file, err := elf.NewFile(app.(io.ReaderAt))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.ImportedLibraries())
	// Output:
	// d--------- .
	// d--------- etc
	// ---------- etc/ld.so.cache
	// ---------- etc/ld.so.conf
	// L--------- lib
	// d--------- opt
	// d--------- opt/dir
	// d--------- usr
	// d--------- usr/bin
	// ---------- usr/bin/app
	// d--------- usr/lib
	// ---------- usr/lib/liba.so.1
	// ---------- usr/lib/libhard.so
	// p--------- usr/lib/pipe
	// [liba.so.1 libb.so.2] <nil>
}

func ExampleFile() {
	f := elftest.File{Class: elf.ELFCLASS32, Needed: []string{"libc.so.6"}}
	fmt.Printf("%q\n", f.Bytes()[:6])
	// Output: "\x7fELF\x01\x01"
}
