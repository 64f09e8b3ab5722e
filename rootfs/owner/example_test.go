package owner_test

import (
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs/owner"
)

// Debian 12's bash lists /bin/bash, but the file is in /usr/bin; rbash is a link
// that nobody lists.
func ExampleDatabase_Of() {
	root := fstest.MapFS{
		"bin":           {Data: []byte("usr/bin"), Mode: fs.ModeSymlink},
		"usr/bin/bash":  {Mode: 0o755},
		"usr/bin/rbash": {Data: []byte("/bin/bash"), Mode: fs.ModeSymlink},
		"var/lib/dpkg/status": {Data: []byte(`Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b13
`)},
		"var/lib/dpkg/info/bash.list": {Data: []byte("/.\n/bin\n/bin/bash\n")},
	}
	db, err := owner.Open(root)
	if err != nil {
		log.Fatal(err)
	}
	owners, err := db.Of("/usr/bin/bash", "/bin/rbash")
	if err != nil {
		log.Fatal(err)
	}
	bash, rbash := owners["/usr/bin/bash"], owners["/bin/rbash"]
	fmt.Println(bash.Name, bash.Version, "from", bash.SourceVersion, "has", bash.Path)
	fmt.Println(rbash.Name, "by way of a link:", rbash.Link)
	// Output:
	// bash 5.2.15-2+b13 from 5.2.15-2 has /bin/bash
	// bash by way of a link: true
}
