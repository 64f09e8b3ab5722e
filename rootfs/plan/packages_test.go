package plan_test

import (
	"fmt"
	"strings"
	"testing"
)

const packagedRoot = merged + `
	/var/lib/dpkg/status  text "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\nPackage: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n\nPackage: libtinfo6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 6.4\n"
	/var/lib/dpkg/info/libc6.list  text "/.\n/lib\n/lib/gnu\n/lib/gnu/libc.so.6\n/lib/gnu/ld.so.2\n/lib64/ld.so\n"
	/var/lib/dpkg/info/bash.list  text "/.\n/bin/bash\n/bin/sh\n"
	/var/lib/dpkg/info/libtinfo6.list  text "/.\n/lib/gnu/libtinfo.so.6\n/lib/gnu/libtinfo.so.6.4\n"
`

// Each package is a layer, that of the loader the lowest. What is too much goes
// on top, with what no package has.
func TestPartsByPackage(t *testing.T) {
	p := makePlan(t, onDisk(t, packagedRoot), "--bin /bin/bash --bin /bin/echo --bare")
	for most, want := range map[int]string{
		100: `
			libc6 2.36-9: lib ld.so.2 libc.so.6 ld.so
			bash 5.2: bash
			libtinfo6 6.4: libtinfo.so.6 libtinfo.so.6.4
			what no layer of a package has: bin ld.so.cache lib64 echo`,
		2: `
			libc6 2.36-9: lib ld.so.2 libc.so.6 ld.so
			what no layer of a package has: bin ld.so.cache lib64 bash echo libtinfo.so.6 libtinfo.so.6.4`,
		1: `
			what no layer of a package has: bin ld.so.cache lib lib64 bash echo ld.so.2 libc.so.6 libtinfo.so.6 libtinfo.so.6.4 ld.so`,
	} {
		parts, err := p.PackageParts(most)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, part := range parts {
			fmt.Fprintf(&got, "%s:", part.Name)
			for e := range part.Tree.All() {
				if !e.Mode.IsDir() {
					fmt.Fprintf(&got, " %s", e.Path[strings.LastIndex(e.Path, "/")+1:])
				}
			}
			fmt.Fprintln(&got)
		}
		same(t, got.String(), want)
	}
}

// A root without a package manager makes one layer.
func TestPartsByPackageWithoutPackages(t *testing.T) {
	parts, err := makePlan(t, onDisk(t, merged), "--bin /bin/bash").PackageParts(100)
	if err != nil || len(parts) != 1 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}
