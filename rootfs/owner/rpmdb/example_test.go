package rpmdb_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/harvest-oci/harvest/rootfs/owner/rpmdb"
)

func Example() {
	f, err := os.Open("/var/lib/rpm/rpmdb.sqlite")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	db, err := rpmdb.Open(io.NewSectionReader(f, 0, info.Size()), nil)
	if err != nil {
		log.Fatal(err)
	}
	places, err := db.Places()
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range places {
		h, err := db.Read(at)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(h.Text(rpmdb.Name), h.Text(rpmdb.Version), h.Text(rpmdb.Release))
	}
}
