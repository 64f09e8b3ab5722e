package rootfs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/rootfs"
)

func TestSplitGivesEachPartItsFolders(t *testing.T) {
	tree := baseOf(t, `
		/bin/a    file 0755 2
		/bin/b    hardlink /bin/a
		/lib/x    file 0644 2
		/lib/y    link x
		/lib/sub/z  file 0644 3
		/tmp      dir 1777
		/zz       hardlink /lib/x
	`)
	parts := tree.Split(3, func(e *rootfs.Entry) int {
		switch {
		case strings.HasPrefix(e.Path, "/bin/a"), e.Path == "/tmp":
			return 2
		case strings.HasPrefix(e.Path, "/lib/sub"):
			return 1
		}
		return 0
	})
	var got strings.Builder
	for i, part := range parts {
		fmt.Fprintf(&got, "%d\n%s", i, listing(part))
	}
	same(t, got.String(), `
		0
		/lib dir 0755
		/lib/x file 0644 2
		/lib/y link x
		/zz hardlink /lib/x
		1
		/lib dir 0755
		/lib/sub dir 0755
		/lib/sub/z file 0644 3
		2
		/bin dir 0755
		/bin/a file 0755 2
		/bin/b hardlink /bin/a
		/tmp dir 1777
	`)
}
