package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/elfdeps/ldcache"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// merged is a root in the way of Debian, with /bin and the like as links.
const merged = `
	/bin   -> usr/bin
	/sbin  -> usr/sbin
	/lib   -> usr/lib
	/lib64 -> usr/lib64
	/usr/bin/bash   elf interp=/lib64/ld.so needed=libtinfo.so.6,libc.so.6
	/usr/bin/sh     -> bash
	/usr/bin/echo   elf interp=/lib64/ld.so needed=libc.so.6
	/usr/sbin/init  elf static
	/usr/lib64/ld.so          -> ../lib/gnu/ld.so.2
	/usr/lib/gnu/ld.so.2      elf soname=ld.so glibc=/lib/gnu/:/usr/lib/gnu/
	/usr/lib/gnu/libtinfo.so.6    -> libtinfo.so.6.4
	/usr/lib/gnu/libtinfo.so.6.4  elf soname=libtinfo.so.6 needed=libc.so.6
	/usr/lib/gnu/libc.so.6        elf soname=libc.so.6 needed=ld.so
	/usr/lib/gnu/libunused.so     elf soname=libunused.so
	/etc/ld.so.cache  cache libtinfo.so.6=/lib/gnu/libtinfo.so.6 libc.so.6=/lib/gnu/libc.so.6 libunused.so=/lib/gnu/libunused.so
	/etc/os-release   -> ../usr/lib/os-release
	/usr/lib/os-release  text "ID=test\n"
	/etc/passwd  text "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/x\nwww:x:33:34::/var/www:/x\nodd:x:7:65534::/:/x\n"
	/etc/group   text "root:x:0:\ndaemon:x:1:\nweb:x:34:\nadm:x:4:\nnogroup:x:65534:\n"
`

// plain is a root with the folders of old, and no cache.
const plainRoot = `
	/bin/app     elf interp=/lib64/ld.so needed=liba.so
	/lib64/ld.so elf soname=ld.so glibc=/lib64/:/usr/lib64/
	/usr/lib64/liba.so elf soname=liba.so needed=libb.so
	/lib64/libb.so     elf soname=libb.so
`

// onDisk writes a root of [elftest] and opens it.
func onDisk(t testing.TB, text string) *rootfs.Host {
	t.Helper()
	dir := t.TempDir()
	root := elftest.MustRoot(t, text)
	if err := os.CopyFS(dir, root); err != nil {
		t.Fatal(err)
	}
	setModes(t, root, dir)
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// setModes gives the copies of files and folders in dir their modes, which
// [os.CopyFS] does not.
func setModes(t testing.TB, root fs.FS, dir string) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(dir, name), info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spec parses a command line, of which it knows the flags that a Spec is made of.
func spec(t testing.TB, line string) plan.Spec {
	t.Helper()
	var s plan.Spec
	var err error
	words := strings.Fields(line)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--bare":
			s.Bare = true
			continue
		case "--all-hwcaps":
			s.AllHwcaps = true
			continue
		}
		i++
		value := words[i]
		src, dst, _ := strings.Cut(value, ":/")
		if dst != "" || strings.HasSuffix(value, ":/") {
			dst = "/" + dst
		}
		switch words[i-1] {
		case "--bin":
			s.Programs = append(s.Programs, plan.Input{Source: src, Dest: dst})
		case "--add":
			s.Files = append(s.Files, plan.Input{Source: src, Dest: dst})
		case "--pkg":
			s.Packages = append(s.Packages, value)
		case "--pkg-of":
			s.PackageOf = append(s.PackageOf, value)
		case "--exclude":
			s.Exclude = append(s.Exclude, value)
		case "--layout":
			s.Layout = plan.Layout(value)
		case "--library-path":
			s.LibraryPath = append(s.LibraryPath, value)
		case "-u":
			s.User = value
		case "--pkg-db":
			s.Records = plan.Records(value)
		case "--dlopen":
			s.Dlopen, err = elfdeps.ParsePriority(value)
		case "--break":
			s.Fault, err = plan.ParseFault(value)
		case "--platform":
			s.Platform, err = plan.ParsePlatform(value)
		default:
			t.Fatalf("unknown flag %s", words[i-1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// makePlan is plan.Make with a command line, which must succeed.
func makePlan(t testing.TB, host *rootfs.Host, line string) *plan.Plan {
	t.Helper()
	p, err := plan.Make(context.Background(), host, spec(t, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return p
}

// makeError is plan.Make with a command line, which must fail.
func makeError(t testing.TB, host *rootfs.Host, line string) error {
	t.Helper()
	p, err := plan.Make(context.Background(), host, spec(t, line))
	if err == nil {
		t.Fatalf("%s: no error but\n%s", line, listing(p))
	}
	return err
}

// listing describes every entry of the plan's tree but for sizes and owners.
func listing(p *plan.Plan) string {
	var b strings.Builder
	for e := range p.Tree.All() {
		kind := "file"
		switch {
		case e.Link != "":
			fmt.Fprintf(&b, "%s -> %s\n", e.Path, e.Link)
			continue
		case e.Hardlink != "":
			fmt.Fprintf(&b, "%s hard %s\n", e.Path, e.Hardlink)
			continue
		case e.Mode.IsDir():
			kind = "dir"
		}
		fmt.Fprintf(&b, "%s %s %04o\n", e.Path, kind, rootfs.UnixPerm(e.Mode))
	}
	return b.String()
}

// below returns the lines of a listing that begin with one of some paths.
func below(listing string, paths ...string) string {
	var b strings.Builder
	for line := range strings.Lines(listing) {
		for _, p := range paths {
			if strings.HasPrefix(line, p) {
				b.WriteString(line)
				break
			}
		}
	}
	return b.String()
}

// cacheOf lists the entries of the image's ld.so.cache.
func cacheOf(t testing.TB, p *plan.Plan, name ...string) string {
	t.Helper()
	data, err := fs.ReadFile(p.Tree, append(name, "etc/ld.so.cache")[0])
	if err != nil {
		return err.Error()
	}
	c, err := ldcache.Parse(data, p.Arch.ByteOrder())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range c.Entries {
		fmt.Fprintf(&b, "%s %s\n", e.Name, e.Path)
	}
	return b.String()
}

func read(t testing.TB, fsys fs.FS, name string) string {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// same compares two texts line by line, blanks aside.
func same(t testing.TB, got, want string) {
	t.Helper()
	if got, want := unindent(got), unindent(want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func unindent(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			lines = append(lines, strings.Join(f, " "))
		}
	}
	return strings.Join(lines, "\n")
}
