package pack_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

var epoch = time.Unix(1_000_000_000, 0).UTC()

// newTree returns a tree of the given entries, with one reason for all.
func newTree(t testing.TB, entries ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	tree := &rootfs.Tree{}
	for _, e := range entries {
		if err := tree.Add(e.For(rootfs.Reason{Kind: "test"})); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// sampleTree has one entry of every kind that is made without a host.
func sampleTree(t testing.TB) *rootfs.Tree {
	long := "/opt/" + strings.Repeat("long-name/", 30) + "file"
	capable := rootfs.File("/usr/bin/ping", 0o755, []byte("ping"))
	capable.XAttrs = map[string]string{"security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00"}
	owned := rootfs.File("/usr/bin/wall", fs.ModeSetgid|0o755, []byte("wall\n"))
	owned.UID, owned.GID, owned.ModTime = 3_000_000, 5, time.Date(2038, 1, 19, 3, 14, 8, 5, time.UTC)
	return newTree(t,
		rootfs.Dir("/tmp", fs.ModeSticky|0o777),
		rootfs.Symlink("/bin", "usr/bin"),
		rootfs.File("/usr/bin/su", fs.ModeSetuid|0o755, bytes.Repeat([]byte{1}, 512)),
		rootfs.File("/etc/empty", 0o600, nil),
		rootfs.File("/usr/share/näh", 0o644, []byte("x")),
		rootfs.File(long, 0o644, []byte("deep")),
		capable, owned,
	)
}

func sampleImage(t testing.TB) *pack.Image {
	return &pack.Image{
		Tags:         []string{"docker.io/library/basic:v1", "127.0.0.1:5000/team/basic:v2"},
		Architecture: "amd64",
		OS:           "linux",
		Created:      epoch,
		Config:       pack.Config{ImageConfig: v1.ImageConfig{Entrypoint: []string{"/bin/su"}, Env: []string{"PATH=/bin"}, WorkingDir: "/"}},
		Layers:       []pack.Layer{pack.TreeLayer(sampleTree(t), epoch)},
		History:      []v1.History{{Created: &epoch, CreatedBy: "harvest /bin/su"}},
	}
}

// listing returns the headers of a tar, a line each, as tar -tv would.
func listing(t testing.TB, data []byte) string {
	t.Helper()
	var b strings.Builder
	for h := range members(t, data) {
		fmt.Fprintf(&b, "%c %04o %d:%d %d %s %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.ModTime.UTC().Format(time.DateTime), h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&b, " -> %s", h.Linkname)
		}
		if len(h.PAXRecords) > 0 {
			fmt.Fprintf(&b, " %q", h.PAXRecords["SCHILY.xattr.security.capability"])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// members yields header and contents of each member of a tar.
func members(t testing.TB, data []byte) func(yield func(*tar.Header, []byte) bool) {
	return func(yield func(*tar.Header, []byte) bool) {
		for r := tar.NewReader(bytes.NewReader(data)); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(h, body) {
				return
			}
		}
	}
}

// files returns the members of a tar by name. A name that is there twice fails.
func files(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	m := make(map[string][]byte)
	for h, body := range members(t, data) {
		if _, twice := m[h.Name]; twice {
			t.Fatalf("%s is there twice", h.Name)
		}
		m[h.Name] = body
	}
	return m
}

func layerBytes(t testing.TB, l pack.Layer) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := pack.WriteLayer(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file of /proc says that it is empty, and is not.
func TestLayerRefusesContentsThatAreMadeUp(t *testing.T) {
	if _, err := os.Stat("/proc/version"); err != nil {
		t.Skip(err)
	}
	l := pack.TreeLayer(hostTree(t, "/", "/proc/version"), epoch)
	want := "/proc/version: /proc/version: its contents are made up when it is read, so they cannot be part of an image"
	if _, err := pack.WriteLayer(io.Discard, l); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestLayerMeasuresItselfOnce(t *testing.T) {
	l := pack.TreeLayer(sampleTree(t), epoch)
	size, err := l.Size()
	if err != nil || size != int64(len(layerBytes(t, l))) {
		t.Errorf("got %d, %v", size, err)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = l.Size() }); n != 0 {
		t.Errorf("Size allocates %v times", n)
	}
}

func TestLayerListsEveryKindOfEntry(t *testing.T) {
	got := listing(t, layerBytes(t, pack.TreeLayer(sampleTree(t), epoch)))
	var kept []string
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "opt/") {
			kept = append(kept, strings.Replace(line, ` ""`, "", 1))
		}
	}
	want := `2 0777 0:0 0 1970-01-01 00:00:00 bin -> usr/bin
5 0755 0:0 0 1970-01-01 00:00:00 etc/
0 0600 0:0 0 1970-01-01 00:00:00 etc/empty
5 1777 0:0 0 1970-01-01 00:00:00 tmp/
5 0755 0:0 0 1970-01-01 00:00:00 usr/
5 0755 0:0 0 1970-01-01 00:00:00 usr/bin/
0 0755 0:0 4 1970-01-01 00:00:00 usr/bin/ping "\x01\x00\x00\x02\x00 \x00\x00"
0 4755 0:0 512 1970-01-01 00:00:00 usr/bin/su
0 2755 3000000:5 5 2001-09-09 01:46:40 usr/bin/wall
5 0755 0:0 0 1970-01-01 00:00:00 usr/share/
0 0644 0:0 1 1970-01-01 00:00:00 usr/share/näh
`
	if got := strings.Join(kept, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if deep := "opt/" + strings.Repeat("long-name/", 30) + "file"; !strings.Contains(got, deep) {
		t.Errorf("%s is missing", deep)
	}
}

func TestLayerHasTheSizeThatItSays(t *testing.T) {
	l := pack.TreeLayer(sampleTree(t), epoch)
	size, err := l.Size()
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(len(layerBytes(t, l))); got != size {
		t.Errorf("wrote %d bytes, Size says %d", got, size)
	}
}

func TestHardLinksShareTheContentsOfTheFirstName(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b"), "contents")
	if err := os.Link(filepath.Join(dir, "b"), filepath.Join(dir, "a")); err != nil {
		t.Skip(err)
	}
	tree := hostTree(t, dir, "/b", "/a")
	var got []string
	for h := range members(t, layerBytes(t, pack.TreeLayer(tree, epoch))) {
		got = append(got, fmt.Sprintf("%c %s %d %s", h.Typeflag, h.Name, h.Size, h.Linkname))
	}
	want := []string{"0 a 8 ", "1 b 0 a"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhiteoutNamesAreRefused(t *testing.T) {
	tree := newTree(t, rootfs.File("/etc/.wh.passwd", 0o644, nil))
	_, err := pack.WriteLayer(io.Discard, pack.TreeLayer(tree, epoch))
	if want := "/etc/.wh.passwd: a name that begins with .wh. deletes files in an image"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestChangedFileIsAnError(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"grown":     func(f string) error { return os.WriteFile(f, []byte("contents and more"), 0o644) },
		"truncated": func(f string) error { return os.Truncate(f, 3) },
		"touched":   func(f string) error { return os.Chtimes(f, epoch, epoch) },
		"replaced": func(f string) error {
			return errors.Join(os.WriteFile(f+".new", []byte("CONTENTS"), 0o644), os.Rename(f+".new", f))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "file"), "contents")
			tree := hostTree(t, dir, "/file")
			if err := change(filepath.Join(dir, "file")); err != nil {
				t.Fatal(err)
			}
			_, err := pack.WriteArchive(io.Discard, &pack.Image{Layers: []pack.Layer{pack.TreeLayer(tree, epoch)}})
			if want := "writing layer 0: /file: /file: file changed while packing"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if !errors.Is(err, rootfs.ErrChanged) {
				t.Errorf("%v is no ErrChanged", err)
			}
		})
	}
}

func TestArchiveIsADockerArchiveAndAnOCILayout(t *testing.T) {
	var b bytes.Buffer
	d, err := pack.WriteArchive(&b, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	m := files(t, b.Bytes())
	checkLayout(t, m, d)

	var docker []struct {
		Config           string
		RepoTags, Layers []string
	}
	parse(t, m["manifest.json"], &docker)
	if got, want := docker[0].RepoTags, sampleImage(t).Tags; !slices.Equal(got, want) {
		t.Errorf("RepoTags %q, want %q", got, want)
	}
	if got, want := docker[0].Config, "blobs/sha256/"+d.Image.Encoded(); got != want {
		t.Errorf("Config %q, want %q", got, want)
	}
	if got, want := docker[0].Layers, []string{"blobs/sha256/" + d.Layers[0].Digest.Encoded()}; !slices.Equal(got, want) {
		t.Errorf("Layers %q, want %q", got, want)
	}
	if len(m) != 8 {
		t.Errorf("%d members, want 6 files and 2 folders:\n%s", len(m), listing(t, b.Bytes()))
	}
	if n := b.Len() % 512; n != 0 {
		t.Errorf("%d bytes beyond the last block", n)
	}
}

// checkLayout follows the digests from index.json down, as an engine does that
// trusts nothing.
func checkLayout(t *testing.T, m map[string][]byte, d pack.Digests) {
	t.Helper()
	blob := func(desc v1.Descriptor) []byte {
		data, ok := m["blobs/sha256/"+desc.Digest.Encoded()]
		if !ok {
			t.Fatalf("no blob %s", desc.Digest)
		}
		if digest.FromBytes(data) != desc.Digest || int64(len(data)) != desc.Size {
			t.Fatalf("blob %s has %d bytes of digest %s, not %d", desc.Digest, len(data), digest.FromBytes(data), desc.Size)
		}
		return data
	}
	var index v1.Index
	parse(t, m["index.json"], &index)
	var names []string
	for _, desc := range index.Manifests {
		names = append(names, desc.Annotations["io.containerd.image.name"]+" "+desc.Annotations[v1.AnnotationRefName])
	}
	if want := []string{"docker.io/library/basic:v1 v1", "127.0.0.1:5000/team/basic:v2 v2"}; !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	var manifest v1.Manifest
	parse(t, blob(index.Manifests[0]), &manifest)
	var config v1.Image
	parse(t, blob(manifest.Config), &config)
	for i, l := range manifest.Layers {
		if diff := digest.FromBytes(tarOf(t, l.MediaType, blob(l))); config.RootFS.DiffIDs[i] != diff {
			t.Errorf("diff_id %d is %s, want %s", i, config.RootFS.DiffIDs[i], diff)
		}
	}
	if index.Manifests[0].Digest != d.Manifest || manifest.Config.Digest != d.Image {
		t.Errorf("returned %+v, but manifest is %s and config %s", d, index.Manifests[0].Digest, manifest.Config.Digest)
	}
	if got := string(m["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
}

func TestConfigIsWhatTutorialsWriteByHand(t *testing.T) {
	var b bytes.Buffer
	d, err := pack.WriteDocker(&b, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	m := files(t, b.Bytes())
	want := `{"created":"2001-09-09T01:46:40Z","architecture":"amd64","os":"linux",` +
		`"config":{"Env":["PATH=/bin"],"Entrypoint":["/bin/su"],"WorkingDir":"/"},` +
		`"rootfs":{"type":"layers","diff_ids":["` + d.Layers[0].Digest.String() + `"]},` +
		`"history":[{"created":"2001-09-09T01:46:40Z","created_by":"harvest /bin/su"}]}`
	if got := string(m["config.json"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `[{"Config":"config.json","RepoTags":["docker.io/library/basic:v1","127.0.0.1:5000/team/basic:v2"],"Layers":["layer.tar"]}]`
	if got := string(m["manifest.json"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if digest.FromBytes(m["layer.tar"]) != d.Layers[0].Digest || digest.FromBytes(m["config.json"]) != d.Image {
		t.Errorf("digests %+v do not match the members", d)
	}
}

func TestFileAndPipeGetTheSameArchive(t *testing.T) {
	var pipe bytes.Buffer
	want, err := pack.WriteArchive(&pipe, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := pack.WriteArchive(f, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got.Manifest != want.Manifest || !bytes.Equal(data, pipe.Bytes()) {
		t.Errorf("file %d bytes, manifest %s; pipe %d bytes, manifest %s", len(data), got.Manifest, pipe.Len(), want.Manifest)
	}
}

func TestLayoutFolderHoldsTheSameBlobs(t *testing.T) {
	dir := t.TempDir()
	d, err := pack.WriteLayout(dir, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string][]byte)
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			m[name], err = os.ReadFile(filepath.Join(dir, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	checkLayout(t, m, d)
	if len(m) != 5 {
		t.Errorf("%d files, want 5: %q", len(m), m)
	}
}

func TestSeveralLayersHaveOneDiffIDEach(t *testing.T) {
	img := sampleImage(t)
	img.Layers = append(img.Layers, pack.TreeLayer(newTree(t, rootfs.File("/second", 0o644, []byte("2"))), epoch))
	var b bytes.Buffer
	d, err := pack.WriteArchive(&b, img)
	if err != nil {
		t.Fatal(err)
	}
	checkLayout(t, files(t, b.Bytes()), d)
	b.Reset()
	if _, err := pack.WriteDocker(&b, img); err != nil {
		t.Fatal(err)
	}
	m := files(t, b.Bytes())
	if m["layer1.tar"] == nil || m["layer2.tar"] == nil {
		t.Errorf("members:\n%s", listing(t, b.Bytes()))
	}
}

func TestUntaggedImageHasOneNamelessManifest(t *testing.T) {
	img := sampleImage(t)
	img.Tags = nil
	var b bytes.Buffer
	if _, err := pack.WriteArchive(&b, img); err != nil {
		t.Fatal(err)
	}
	var index v1.Index
	parse(t, files(t, b.Bytes())["index.json"], &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations != nil {
		t.Errorf("got %+v", index.Manifests)
	}
}

// A change of this digest changes the digest of everybody's image: say so in
// the changelog.
func TestDigestsStayWhatTheyWere(t *testing.T) {
	d, err := pack.WriteArchive(io.Discard, sampleImage(t))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %s", d.Layers[0].Digest.Encoded()[:12], d.Manifest.Encoded()[:12])
	if want := "dbaf9b0c0a24 9cfc6da5a8c3"; got != want {
		t.Errorf("layer and manifest are %s, were %s", got, want)
	}
}

// failing is a writer with room for n bytes.
type failing struct{ n int }

var errFull = errors.New("no space left on device")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.n {
		return f.n, errFull
	}
	f.n -= len(p)
	return len(p), nil
}

func TestErrorsOfTheOutputAreReturned(t *testing.T) {
	var whole bytes.Buffer
	if _, err := pack.WriteArchive(&whole, sampleImage(t)); err != nil {
		t.Fatal(err)
	}
	for room := 0; room < whole.Len(); room += 997 {
		if _, err := pack.WriteArchive(&failing{room}, sampleImage(t)); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d of %d bytes: got %v", room, whole.Len(), err)
		}
	}
}

func write(t testing.TB, name, contents string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(contents), 0o644); err != nil {
		t.Fatal(err)
	}
}

func hostTree(t testing.TB, dir string, names ...string) *rootfs.Tree {
	t.Helper()
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := &rootfs.Tree{}
	for _, name := range names {
		if err := tree.AddHost(host, path.Join("/", name), rootfs.Reason{Kind: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func parse(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}
