package pack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

// Members of layers, in few words.
func file(name, content string) member { return member{name: name, content: content} }
func dir(name string) member           { return member{name: name + "/", typ: tar.TypeDir, mode: 0o755} }
func symlink(name, to string) member   { return member{name: name, link: to, typ: tar.TypeSymlink} }
func hardlink(name, to string) member  { return member{name: name, link: to, typ: tar.TypeLink} }
func device(name string) member        { return member{name: name, typ: tar.TypeChar} }

// layerOf returns a layer of these members, compressed, as one that was read
// from an archive.
func layerOf(t testing.TB, c pack.Compression, members ...member) pack.Layer {
	t.Helper()
	blob, data := blobOf(t, rawLayer(makeTar(t, members...)), c)
	return pack.BlobLayer(blob, func() (io.ReadCloser, error) { return inMemory{bytes.NewReader(data)}, nil })
}

// inMemory is an open blob that can be read in place.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// inPlace is the same layer as rawLayer, whose contents can be passed over.
func inPlace(data []byte) pack.Layer {
	return pack.BlobLayer(rawLayer(data).Blob(), func() (io.ReadCloser, error) { return inMemory{bytes.NewReader(data)}, nil })
}

func imageOf(layers ...pack.Layer) *pack.Image {
	return &pack.Image{OS: "linux", Architecture: "amd64", Layers: layers}
}

// openFiles returns the files of an image, open for as long as the test lasts.
func openFiles(t *testing.T, img *pack.Image) *rootfs.Tree {
	t.Helper()
	f, err := pack.OpenFiles(t.Context(), img, pack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f.Tree
}

// show lists a tree, a line each: "/etc/passwd file 0644 5 layer 1 hello".
func show(t *testing.T, tree *rootfs.Tree) string {
	t.Helper()
	var b strings.Builder
	for e := range tree.All() {
		fmt.Fprintf(&b, "%s %s %s", e.Path, e, e.Why[0])
		if e.Mode.IsRegular() && e.Hardlink == "" {
			data, err := fs.ReadFile(tree, e.Path[1:])
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %q", data)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func TestLayersMakeOneFileSystem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		layers [][]member
		want   string
	}{
		{"a file hides a file", [][]member{{file("a", "1")}, {file("a", "22")}}, `
/a file 0644 2 layer 2 "22"
`},
		{"a whiteout removes a file", [][]member{{dir("d"), file("d/a", "1"), file("d/b", "1")}, {file("d/.wh.a", "")}}, `
/d dir 0755 layer 1
/d/b file 0644 1 layer 1 "1"
`},
		{"a whiteout removes a folder with all that is in it", [][]member{{dir("d"), dir("d/e"), file("d/e/a", "1")}, {file(".wh.d", "")}}, `
`},
		{"a whiteout removes from lower layers only", [][]member{{file("d/a", "1")}, {file("d/a", "2"), file("d/.wh.a", ""), file(".wh.d", "")}}, `
/d dir 0755 layer 2
/d/a file 0644 1 layer 2 "2"
`},
		{"an opaque folder shows its own layer only", [][]member{{file("d/a", "1"), file("d/b", "1")}, {dir("d"), file("d/b", "2"), file("d/.wh..wh..opq", "")}}, `
/d dir 0755 layer 2
/d/b file 0644 1 layer 2 "2"
`},
		{"an opaque root", [][]member{{file("a", "1"), dir("d")}, {file(".wh..wh..opq", ""), file("b", "2")}}, `
/b file 0644 1 layer 2 "2"
`},
		{"a whiteout of nothing", [][]member{{file("a", "1")}, {file(".wh.b", "")}}, `
/a file 0644 1 layer 1 "1"
`},
		{"a removed path comes back", [][]member{{file("a", "1")}, {file(".wh.a", "")}, {file("a", "3")}}, `
/a file 0644 1 layer 3 "3"
`},
		{"a folder over a folder changes its attributes only", [][]member{{dir("d"), file("d/a", "1")}, {{name: "d/", typ: tar.TypeDir, mode: 0o1777}}}, `
/d dir 1777 layer 2
/d/a file 0644 1 layer 1 "1"
`},
		{"a file in a folder that the layer does not have leaves the folder as it was", [][]member{{{name: "tmp/", typ: tar.TypeDir, mode: 0o1777}}, {file("tmp/a", "1")}}, `
/tmp dir 1777 layer 1
/tmp/a file 0644 1 layer 2 "1"
`},
		{"a folder in place of a link", [][]member{{dir("usr"), dir("usr/bin"), file("usr/bin/sh", "1"), symlink("bin", "usr/bin")}, {file("bin/new", "2")}}, `
/bin dir 0755 layer 2
/bin/new file 0644 1 layer 2 "2"
/usr dir 0755 layer 1
/usr/bin dir 0755 layer 1
/usr/bin/sh file 0644 1 layer 1 "1"
`},
		{"a file in place of a folder", [][]member{{dir("d"), file("d/a", "1")}, {file("d", "2")}}, `
/d file 0644 1 layer 2 "2"
`},
		{"hard links have one file", [][]member{{file("a", "1"), hardlink("b", "a"), hardlink("c", "/b")}, {file("a", "2")}}, `
/a file 0644 1 layer 2 "2"
/b file 0644 1 layer 1 "1"
/c hardlink /b layer 1
`},
		{"empty files are files of their own", [][]member{{file("a", ""), file("b", "")}}, `
/a file 0644 0 layer 1 ""
/b file 0644 0 layer 1 ""
`},
		{"types in the mode do not count", [][]member{{{name: "a", content: "1", mode: 0o040755}, {name: "l", link: "a", typ: tar.TypeSymlink, mode: 0o040777},
			{name: "d/", typ: tar.TypeDir, mode: 0o100755}, file("d/b", "2"), {name: "p", typ: tar.TypeFifo, mode: 0o140644}}, {{name: "a", content: "3", mode: 0o120600}}}, `
/a file 0600 1 layer 2 "3"
/d dir 0755 layer 1
/d/b file 0644 1 layer 1 "2"
/l link a layer 1
/p pipe 0644 layer 1
`},
		{"a folder twice, and alike", [][]member{{dir("d"), file("d/a", "1"), dir("d")}}, `
/d dir 0755 layer 1
/d/a file 0644 1 layer 1 "1"
`},
		{"names with dots, a root, devices, links to anywhere", [][]member{{{name: "./", typ: tar.TypeDir}, file("./etc/a", "1"), device("dev/null"), symlink("l", "../../../etc")}}, `
/dev dir 0755 layer 1
/dev/null device 0644 0,0 layer 1
/etc dir 0755 layer 1
/etc/a file 0644 1 layer 1 "1"
/l link ../../../etc layer 1
`},
	} {
		for _, c := range []pack.Compression{{}, {Method: pack.Gzip}} {
			t.Run(tt.name+" "+c.String(), func(t *testing.T) {
				var layers []pack.Layer
				for _, members := range tt.layers {
					layers = append(layers, layerOf(t, c, members...))
				}
				img := imageOf(layers...)
				if got, want := show(t, openFiles(t, img)), tt.want[1:]; got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				if faults, err := pack.Verify(t.Context(), img, pack.Limits{}); err != nil || len(faults) > 0 {
					t.Errorf("faults %v, %v", faults, err)
				}
			})
		}
	}
}

// What TreeLayer writes, OpenFiles reads.
func TestTreeComesBackFromItsLayer(t *testing.T) {
	tree := sampleTree(t)
	for _, c := range compressions {
		blob, data := blobOf(t, pack.TreeLayer(tree, epoch), c)
		back := openFiles(t, imageOf(pack.BlobLayer(blob, opener(data))))
		again, _ := blobOf(t, pack.TreeLayer(back, epoch), pack.Compression{})
		if again.DiffID != blob.DiffID {
			t.Errorf("%s: diff ID %s, was %s", c, again.DiffID, blob.DiffID)
		}
	}
	// A tree's layer needs not be written before it is looked into.
	again, _ := blobOf(t, pack.TreeLayer(openFiles(t, imageOf(pack.TreeLayer(tree, epoch))), epoch), pack.Compression{})
	if want, _ := blobOf(t, pack.TreeLayer(tree, epoch), pack.Compression{}); again != want {
		t.Errorf("got %+v, want %+v", again, want)
	}
}

func TestOpeningFilesReadsHeadersOnly(t *testing.T) {
	data, _ := archiveOf(t, imageOf(pack.TreeLayer(newTree(t, rootfs.File("/large", 0o644, make([]byte, 4<<20))), epoch)), pack.WriteArchive)
	r := &countingReader{ReaderAt: bytes.NewReader(data)}
	s, err := pack.OpenAt(r, int64(len(data)))
	img := onlyImage(t, s, err)
	r.n = 0
	tree := openFiles(t, img)
	if r.n > 4<<10 {
		t.Errorf("opening %d bytes reads %d", len(data), r.n)
	}
	f, err := tree.Open("large")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.(io.ReaderAt).ReadAt(make([]byte, 100), 1<<20); err != nil || r.n > 5<<10 {
		t.Errorf("reading 100 bytes reads %d, %v", r.n, err)
	}
}

func TestUnpackWritesTheFileSystem(t *testing.T) {
	img := imageOf(
		layerOf(t, pack.Compression{}, dir("etc"), file("etc/a", "1"), file("etc/gone", "1"), symlink("out", "../../../../etc")),
		layerOf(t, pack.Compression{Method: pack.Zstd}, file("etc/.wh.gone", ""), file("etc/b", "2"), hardlink("etc/c", "etc/b")),
	)
	to := t.TempDir()
	if err := pack.Unpack(t.Context(), img, to, pack.UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	want := `/etc dir 0755
/etc/a file 0644 1
/etc/b file 0644 1
/etc/c hardlink /etc/b
/out link ../../../../etc
`
	if got := onDisk(t, to); got != strings.ReplaceAll(strings.TrimSpace(want), "\n", ";") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// hostileLayers are layers that somebody made to write where he must not, or
// that one engine takes for something else than the next. Each is refused.
var hostileLayers = []struct {
	name    string
	members []member
	want    string
}{
	{"out of the image, umoci#27, CVE-2020-7666 and GHSA-75qf-wgfj-v652", []member{file("../evil", "")}, "../evil: leads out of the image"},
	{"out of the image from below, CVE-2026-50163", []member{dir("a"), file("a/../../evil", "")}, "a/../../evil: leads out of the image"},
	{"an absolute path", []member{file("/etc/passwd", "")}, "/etc/passwd: is an absolute path"},
	{"a root that is a link, CVE-2021-29136", []member{symlink(".", "/etc")}, ".: is the root, and no folder"},
	{"a root that is a link by another name, CVE-2021-29136", []member{symlink("./a/.", "/etc"), symlink("./", "/")}, "./: is the root, and no folder"},
	{"below a link, CVE-2018-15664", []member{symlink("a", "/etc"), file("a/passwd", "")}, "a/passwd: lies below a, which is a link"},
	{"link through link", []member{symlink("a", ".."), symlink("a/b", ".."), file("a/b/evil", "")}, "a/b: lies below a, which is a link"},
	{"a link in place of a folder", []member{file("a/b", ""), symlink("a", "/etc")}, "a: is no folder, but something before it lies below it"},
	{"a link in place of a folder that was said", []member{dir("a"), symlink("a", "/etc")}, "a: is there twice"},
	{"below a file", []member{file("a", ""), file("a/b", "")}, "a/b: lies below a, which is a file"},
	{"a hard link out of the image, CVE-2026-85731", []member{hardlink("a", "../../etc/passwd")}, `a: is a hard link to "../../etc/passwd", which leads out of the image`},
	{"a hard link to what is not there", []member{hardlink("a", "etc/passwd")}, "a: is a hard link to etc/passwd, which is no file before it in the layer"},
	{"a hard link to itself", []member{hardlink("a", "a")}, "a: is a hard link to a, which is no file before it in the layer"},
	{"a hard link to a folder", []member{dir("d"), hardlink("a", "d")}, "a: is a hard link to d, which is no file before it in the layer"},
	{"a hard link to a whiteout", []member{file(".wh.x", ""), hardlink("a", ".wh.x")}, "a: is a hard link to .wh.x, which is no file before it in the layer"},
	{"a path twice", []member{file("a", "1"), file("./a", "2")}, "./a: is there twice"},
	{"a folder twice, of other modes", []member{dir("a"), {name: "a/", typ: tar.TypeDir, mode: 0o777}}, "a/: is there twice, with another mode or owner"},
	{"a folder twice, of other owners", []member{dir("a"), {name: "a/", typ: tar.TypeDir, mode: 0o755, uid: 1}}, "a/: is there twice, with another mode or owner"},
	{"a whiteout of no name", []member{file(".wh.", "")}, ".wh.: is a whiteout of no name"},
	{"a whiteout of a folder's own folder", []member{file("a/.wh...", "")}, "a/.wh...: is a whiteout of no name"},
	{"a whiteout of the folder that it is in", []member{file("a/.wh..", "")}, "a/.wh..: is a whiteout of no name"},
	{"an unknown whiteout", []member{file(".wh..wh.plnk", "")}, ".wh..wh.plnk: is a whiteout of a kind that engines do not know"},
	{"a whiteout that is a folder", []member{dir(".wh.a")}, ".wh.a/: is a whiteout, and no file"},
	{"below a whiteout", []member{file(".wh.a/b", "")}, ".wh.a/b: lies below a whiteout"},
	{"a whiteout below a link", []member{symlink("a", "/etc"), file("a/.wh.passwd", "")}, "a/.wh.passwd: lies below a, which is a link"},
	{"a link to nothing", []member{symlink("a", "")}, "a: is a link to nothing"},
	{"an owner that chown(2) takes for none, so that a setuid file stays root's", []member{{name: "a", uid: -1, mode: 0o4755}}, "a: has the owner -1:0, which is none"},
	{"a group that is none", []member{{name: "a", gid: 1<<32 - 1}}, "a: has the owner 0:4294967295, which is none"},
	{"a device of a number that is none", []member{{name: "a", typ: tar.TypeChar, major: 1 << 32}}, "a: is the device 4294967296,0, which is none"},
	{"an unknown type", []member{{name: "a", typ: '7'}}, "a: is an entry of the unknown type '7'"},
	{"too long a path", []member{file(strings.Repeat("d/", 2048)+"a", "")}, strings.Repeat("d/", 50) + "...: is a path of more than 4096 bytes"},
}

func TestHostileLayersAreRefused(t *testing.T) {
	for _, tt := range hostileLayers {
		t.Run(tt.name, func(t *testing.T) {
			l := layerOf(t, pack.Compression{}, tt.members...)
			img := imageOf(l)
			want := "layer " + l.Blob().Digest.String() + ": " + tt.want
			if _, err := pack.OpenFiles(t.Context(), img, pack.Limits{}); err == nil || err.Error() != "reading layer 0: "+want {
				t.Errorf("opening: got %v\nwant %s", err, want)
			}
			to := t.TempDir()
			if err := pack.Unpack(t.Context(), img, to, pack.UnpackOptions{}); err == nil || err.Error() != "reading layer 0: "+want {
				t.Errorf("unpacking: got %v\nwant %s", err, want)
			}
			if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
				t.Errorf("unpacked %v, %v", left, err)
			}
			faults, err := pack.Verify(t.Context(), img, pack.Limits{})
			if err != nil || len(faults) == 0 || faults[0].Error() != want {
				t.Errorf("verifying: got %v, %v\nwant %s", faults, err, want)
			}
		})
	}
}

// A link of a lower layer is no way out either: engines put a folder in its place.
func TestLinksOfLowerLayersAreNotFollowed(t *testing.T) {
	outside := t.TempDir()
	img := imageOf(
		layerOf(t, pack.Compression{}, symlink("a", outside), symlink("b", "..")),
		layerOf(t, pack.Compression{}, file("a/evil", ""), file("b/.wh.evil", ""), file("b/b/evil", "")),
	)
	if err := pack.Unpack(t.Context(), img, t.TempDir(), pack.UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("%v is outside, %v", left, err)
	}
}

// Nor is a link that stands in the folder already, or comes there meanwhile:
// containerd's CVE-2025-47290 was such a race.
func TestUnpackFollowsNoLinkOfTheFolder(t *testing.T) {
	outside, to := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(to, "etc")); err != nil {
		t.Skip(err)
	}
	for _, members := range [][]member{{file("etc/evil", "")}, {file("etc", "")}, {symlink("etc", "x")}} {
		if err := pack.Unpack(t.Context(), imageOf(layerOf(t, pack.Compression{}, members...)), to, pack.UnpackOptions{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%+v: got %v", members, err)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("%v is outside, %v", left, err)
	}
}

// A device gives whoever may open it the machine: mode and owner are the image's.
func TestDevicesAreUnpackedIfThatIsAsked(t *testing.T) {
	null := member{name: "dev/null", typ: tar.TypeChar, mode: 0o666, major: 1, minor: 3}
	disk := member{name: "dev/sda", typ: tar.TypeBlock, mode: 0o660, gid: 6, major: 8}
	pipe := member{name: "run/pipe", typ: tar.TypeFifo, mode: 0o622}
	img := imageOf(layerOf(t, pack.Compression{}, dir("dev"), file("dev/a", "1"), null, disk, pipe, hardlink("dev/b", "dev/a")))
	for devices, want := range map[pack.Devices]string{
		pack.RefuseDevices: "/dev/null is a device, and devices are not unpacked unless that is asked for",
		pack.SkipDevices:   "/dev dir 0755;/dev/a file 0644 1;/dev/b hardlink /dev/a;/run dir 0755;/run/pipe pipe 0622",
		pack.MakeDevices: "/dev dir 0755;/dev/a file 0644 1;/dev/b hardlink /dev/a;/dev/null device 0666 1,3;" +
			"/dev/sda device 0660 8,0 0:6;/run dir 0755;/run/pipe pipe 0622",
	} {
		to := t.TempDir()
		err := pack.Unpack(t.Context(), img, to, pack.UnpackOptions{Devices: devices})
		if devices == pack.MakeDevices && errors.Is(err, fs.ErrPermission) {
			t.Logf("skipped: %v", err)
			continue
		}
		got := fmt.Sprint(err)
		if err == nil {
			got = onDisk(t, to)
		}
		if got != want {
			t.Errorf("%d: got  %s\nwant %s", devices, got, want)
		}
		if left, err := os.ReadDir(to); devices == pack.RefuseDevices && len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// onDisk lists a folder as its owner sees it.
func onDisk(t *testing.T, dir string) string {
	t.Helper()
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	if err := tree.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "test"}); err != nil {
		t.Fatal(err)
	}
	var list []string
	for e := range tree.All() {
		list = append(list, e.Path+" "+strings.Replace(e.String(), fmt.Sprintf(" %d:%d", os.Getuid(), os.Getgid()), "", 1))
	}
	return strings.Join(list, ";")
}

func TestTooManyEntriesAreAFault(t *testing.T) {
	l := layerOf(t, pack.Compression{}, file("a", ""), file("b", ""), file("c", ""))
	for entries, want := range map[int]string{3: "", 2: "layer " + l.Blob().Digest.String() + ": c: is one entry more than the limit"} {
		faults, err := pack.Verify(t.Context(), imageOf(l), pack.Limits{Entries: entries})
		if got := fmt.Sprint(faults); err != nil || got != "["+want+"]" {
			t.Errorf("with a limit of %d: %v, %v", entries, faults, err)
		}
	}
	if _, err := pack.OpenFiles(t.Context(), imageOf(l, l), pack.Limits{Entries: 5}); err == nil || !strings.Contains(err.Error(), "c: is one entry more") {
		t.Errorf("two layers: %v", err)
	}
}

// Zeros without end after a tar made docker use all the memory there was, moby#35075.
func TestPaddingIsLimited(t *testing.T) {
	data := append(makeTar(t, file("a", "")), make([]byte, 4<<20)...)
	for _, c := range compressions[1:] {
		blob, packed := blobOf(t, rawLayer(data), c)
		faults, err := pack.Verify(t.Context(), imageOf(pack.BlobLayer(blob, opener(packed))), pack.Limits{Bytes: 1 << 20})
		want := fmt.Sprintf("[layer %s: its tar has more than 1048576 bytes, which is the limit]", blob.Digest)
		if err != nil || fmt.Sprint(faults) != want {
			t.Errorf("%s: got %v, %v", c, faults, err)
		}
	}
}

// The limit is one of the image: a thousand layers, each of them not much, are one
// bomb, too.
func TestBytesOfAllLayersAreLimited(t *testing.T) {
	for _, c := range compressions {
		l := layerOf(t, c, file("a", string(words(600<<10))))
		want := "layer " + l.Blob().Digest.String() + ": makes the tars of the image longer than 1048576 bytes, which is the limit"
		limits := pack.Limits{Bytes: 1 << 20}
		if f, err := pack.OpenFiles(t.Context(), imageOf(l), limits); err != nil {
			t.Errorf("%s, one layer: %v", c, err)
		} else {
			f.Close()
		}
		var fault *pack.FaultError
		if _, err := pack.OpenFiles(t.Context(), imageOf(l, l), limits); !errors.As(err, &fault) || fault.Error() != want || !fault.Limit {
			t.Errorf("%s: opening: got %v", c, err)
		}
		if err := pack.Unpack(t.Context(), imageOf(l, l), t.TempDir(), pack.UnpackOptions{Limits: limits}); !errors.As(err, &fault) || fault.Error() != want {
			t.Errorf("%s: unpacking: got %v", c, err)
		}
		other := layerOf(t, c, file("b", string(words(600<<10)))) // a blob is verified once
		faults, err := pack.Verify(t.Context(), imageOf(l, l, other), limits)
		want = strings.Replace(want, l.Blob().Digest.String(), other.Blob().Digest.String(), 1)
		if err != nil || fmt.Sprint(faults) != "["+want+"]" {
			t.Errorf("%s: verifying: got %v, %v", c, faults, err)
		}
	}
}

func TestVerifyFindsEveryFault(t *testing.T) {
	good := layerOf(t, pack.Compression{Method: pack.Gzip}, file("a", "1"))
	data := makeTar(t, file("../a", ""), file("b", ""), file("b", ""))
	two := pack.BlobLayer(pack.Blob{MediaType: v1.MediaTypeImageLayer, Size: int64(len(data)), DiffID: digest.FromBytes(data), Digest: digest.FromBytes(data)}, opener(data))
	mislabelled := pack.BlobLayer(pack.Blob{MediaType: v1.MediaTypeImageLayerGzip, Size: int64(len(data)), DiffID: digest.FromBytes(data), Digest: digest.FromBytes(data)}, opener(data))
	other := digest.FromString("other")
	swapped := good.Blob()
	swapped.DiffID = other
	noTar := []byte(strings.Repeat("no tar ", 300))
	broken := pack.BlobLayer(pack.Blob{MediaType: v1.MediaTypeImageLayer, Size: int64(len(noTar)), Digest: digest.FromBytes(noTar), DiffID: digest.FromBytes(noTar)}, opener(noTar))
	_, goodData := blobOf(t, good, pack.Compression{})
	img := imageOf(good, two, mislabelled, pack.BlobLayer(swapped, opener(goodData)), broken, good)
	img.OS, img.Architecture = "", ""
	img.History = make([]v1.History, 7)
	faults, err := pack.Verify(t.Context(), img, pack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range faults {
		fmt.Fprintln(&got, f)
	}
	want := `config: names no os
config: names no architecture
config: has 7 entries of the history for 6 layers
<two>: ../a: leads out of the image
<two>: b: is there twice
<two>: cannot be decompressed: gzip: invalid header
<good>: has a tar of the diff ID <tar>, not <other>
<broken>: its tar is broken before byte 512: archive/tar: invalid tar header
`
	names := strings.NewReplacer("layer "+two.Blob().Digest.String(), "<two>", "layer "+good.Blob().Digest.String(), "<good>",
		good.Blob().DiffID.String(), "<tar>", other.String(), "<other>", "layer "+broken.Blob().Digest.String(), "<broken>")
	if got := names.Replace(got.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestVerifyComparesBothListsOfAnArchive(t *testing.T) {
	one, _ := archiveOf(t, sampleImage(t), pack.WriteArchive)
	s, err := openBytes(one)
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := s.Verify(t.Context(), pack.Limits{}); err != nil || len(faults) > 0 {
		t.Errorf("faults %v, %v", faults, err)
	}
	other := sampleImage(t)
	other.Config.Entrypoint = []string{"/bin/evil"}
	two, d := archiveOf(t, other, pack.WriteArchive)
	m := files(t, two)
	var list []member
	for h, body := range members(t, one) {
		if h.Name == "manifest.json" {
			body = m[h.Name]
		}
		list = append(list, member{name: h.Name, content: string(body), typ: h.Typeflag})
	}
	list = append(list, file("blobs/sha256/"+d.Image.Encoded(), string(m["blobs/sha256/"+d.Image.Encoded()])))
	if s, err = openBytes(makeTar(t, list...)); err != nil {
		t.Fatal(err)
	}
	faults, err := s.Verify(t.Context(), pack.Limits{})
	want := "[manifest.json: has an image " + d.Image.String() + ", which index.json has not]"
	if err != nil || fmt.Sprint(faults) != want {
		t.Errorf("got %v, %v\nwant %s", faults, err, want)
	}
}

// Engines that read manifest.json and those that read index.json call an image the
// same, unless one of the lists has no names.
func TestVerifyComparesTheNamesInBothLists(t *testing.T) {
	archive, d := archiveOf(t, sampleImage(t), pack.WriteArchive)
	const names = `"docker.io/library/basic:v1","127.0.0.1:5000/team/basic:v2"`
	for docker, want := range map[string]string{
		`"127.0.0.1:5000/team/basic:v2","basic:v1","basic:v1"`: "[]",
		``: "[]",
		`"basic:v1"`: "[manifest.json: calls the image " + d.Image.String() +
			" docker.io/library/basic:v1, and index.json calls it docker.io/library/basic:v1, 127.0.0.1:5000/team/basic:v2]",
	} {
		var list []member
		for h, body := range members(t, archive) {
			content := string(body)
			if h.Name == "manifest.json" {
				content = strings.Replace(content, names, docker, 1)
			}
			list = append(list, member{name: h.Name, content: content, typ: h.Typeflag})
		}
		s, err := openBytes(makeTar(t, list...))
		if err != nil {
			t.Fatal(err)
		}
		if faults, err := s.Verify(t.Context(), pack.Limits{}); err != nil || fmt.Sprint(faults) != want {
			t.Errorf("%s: got %v, %v\nwant %s", docker, faults, err, want)
		}
	}
}

func TestVerifyReturnsErrorsOfReading(t *testing.T) {
	broken := errors.New("connection reset")
	blob, data := blobOf(t, threeLayers(t, pack.Compression{}).Layers[1], pack.Compression{})
	img := imageOf(pack.BlobLayer(blob, func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(data[:100_000]), errReader{broken})), nil
	}))
	if faults, err := pack.Verify(t.Context(), img, pack.Limits{}); !errors.Is(err, broken) || len(faults) > 0 {
		t.Errorf("got %v, %v", faults, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pack.Verify(ctx, imageOf(pack.BlobLayer(blob, opener(data))), pack.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := pack.OpenFiles(ctx, imageOf(pack.BlobLayer(blob, opener(data))), pack.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzLayers(f *testing.F) {
	for _, tt := range hostileLayers {
		if data := makeTar(f, tt.members...); len(data) < 8<<10 {
			f.Add(data, makeTar(f, file("a/b", "1"), symlink("c", "a")))
		}
	}
	f.Add(makeTar(f, file("a/.wh.b", ""), dir("c")), makeTar(f, file("a/.wh..wh..opq", ""), hardlink("d", "c")))
	f.Fuzz(func(t *testing.T, lower, higher []byte) {
		limits := pack.Limits{Bytes: 1 << 20}
		img := imageOf(rawLayer(lower), rawLayer(higher))
		files, err := pack.OpenFiles(t.Context(), imageOf(inPlace(lower), inPlace(higher)), limits)
		faults, verr := pack.Verify(t.Context(), img, limits)
		if verr != nil {
			t.Fatal(verr)
		}
		if (err != nil) != (len(faults) > 0) {
			t.Fatalf("opening says %v, verifying %v", err, faults)
		}
		if err != nil {
			return
		}
		defer files.Close()
		for e := range files.Tree.All() {
			if strings.Contains(e.Path, "..") && strings.Contains(e.Path+"/", "/../") {
				t.Errorf("%s is in the tree", e.Path)
			}
		}
	})
}
