package e2e

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
)

var compressions = []pack.Compression{{}, {Method: pack.Gzip}, {Method: pack.Zstd}}

// threeLayers returns the test's image with busybox in its first layer, a file
// that hides one of the first in its second, and bytes that no image had before
// in its third.
func (w *work) threeLayers(c pack.Compression) *pack.Image {
	w.t.Helper()
	img := w.noLayers(c)
	w.addLayer(img, "/bin/busybox", w.busyboxBytes(), "/etc/greeting", "first\n")
	w.addLayer(img, "/etc/greeting", "hello\n")
	w.addLayer(img, "/fresh", w.name+c.String()+"\n")
	return img
}

// oneLayer returns the same image with all that is left in a single layer.
func (w *work) oneLayer(c pack.Compression) *pack.Image {
	w.t.Helper()
	img := w.noLayers(c)
	w.addLayer(img, "/bin/busybox", w.busyboxBytes(), "/etc/greeting", "hello\n", "/fresh", w.name+c.String()+"\n")
	return img
}

func (w *work) busyboxBytes() string {
	w.t.Helper()
	busybox, err := os.ReadFile(w.busybox())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(busybox)
}

// noLayers returns the test's image before there is anything in it.
func (w *work) noLayers(c pack.Compression) *pack.Image {
	w.t.Helper()
	return &pack.Image{
		Tags:         []string{w.full()},
		Architecture: strings.TrimSpace(w.run("go", "env", "GOARCH")),
		OS:           "linux",
		Created:      time.Unix(0, 0),
		Config:       pack.Config{ImageConfig: v1.ImageConfig{Entrypoint: []string{"/bin/busybox"}}},
		Compression:  c,
	}
}

// addLayer adds a layer of files, each a path and its contents.
func (w *work) addLayer(img *pack.Image, files ...string) {
	w.t.Helper()
	tree := &rootfs.Tree{}
	for i := 0; i < len(files); i += 2 {
		if err := tree.Add(rootfs.File(files[i], 0o755, []byte(files[i+1]))); err != nil {
			w.t.Fatal(err)
		}
	}
	img.Append(pack.TreeLayer(tree, img.Created), fmt.Sprintf("layer %d", len(img.Layers)+1))
}

// busybox returns the path of a busybox that needs no libraries.
func (w *work) busybox() string {
	w.t.Helper()
	need(w.t, "busybox")
	file, err := exec.LookPath("busybox")
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

// pack writes an image into a file of the test's folder.
func (w *work) pack(name string, img *pack.Image, write func(io.Writer, *pack.Image) (pack.Digests, error)) pack.Digests {
	w.t.Helper()
	f, err := os.Create(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	d, err := write(f, img)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// reads reports whether a consumer is one that can read layers compressed so.
func (w *work) reads(consumer string, c pack.Compression) bool {
	w.t.Helper()
	refused := strings.Join(c.NotReadBy(), ", ")
	switch {
	case consumer == "docker" && strings.Contains(refused, "docker before 23"):
		major, _, _ := strings.Cut(w.run("docker", "version", "-f", "{{.Server.Version}}"), ".")
		n, err := strconv.Atoi(major)
		return err == nil && n >= 23
	case consumer == "umoci" && strings.Contains(refused, "umoci before 0.5"):
		return !strings.Contains(w.run("umoci", "--version"), "version 0.4")
	}
	return true
}

// forms are the archives that there are.
var forms = []struct {
	name  string
	write func(io.Writer, *pack.Image) (pack.Digests, error)
}{
	{"archive", pack.WriteArchive},
	{"docker", pack.WriteDocker},
	{"v1", pack.WriteV1},
}

// consumers are the ways into engines and tools. The last two read OCI layouts
// only.
var consumers = []string{"docker", "podman", "ctr", "skopeo docker-archive", "skopeo oci-archive", "umoci"}

// Each consumer loads images of three layers in every form, and of one, and says
// what is in them. What comes of it is the table in the documentation.
func TestEveryConsumerReadsLayersOfEveryKind(t *testing.T) {
	read := make(map[string]bool) // by consumer, form, number of layers, compression
	for _, form := range forms {
		for _, c := range compressions {
			for _, consumer := range consumers {
				if form.name != "archive" && slices.Index(consumers, consumer) >= len(consumers)-2 {
					continue
				}
				for layers, image := range map[int]func(*work, pack.Compression) *pack.Image{1: (*work).oneLayer, 3: (*work).threeLayers} {
					if layers == 1 && form.name != "archive" {
						continue // the forms differ in nothing that this would show
					}
					t.Run(fmt.Sprintf("%s, %d layers, %v: %s", form.name, layers, c, consumer), func(t *testing.T) {
						program, _, _ := strings.Cut(consumer, " ")
						need(t, program)
						w := newWork(t)
						w.pack("image.tar", image(w, c), form.write)
						said, err := w.consume(consumer, "hello\n"+w.name+c.String()+"\n")
						if want := w.reads(program, c); (err == nil) != want {
							t.Errorf("it reads the image: %t, want %t; %v\n%s", err == nil, want, err, said)
						}
						read[fmt.Sprint(consumer, form.name, layers, c)] = err == nil
					})
				}
			}
		}
	}
	if len(read) == len(compressions)*(4*len(consumers)-4) { // all of them are here
		compareTable(t, read)
	}
}

// compareTable compares the table in the documentation with what was read, here
// with the consumers that scripts/consumers installs.
func compareTable(t *testing.T, read map[string]bool) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| consumer | archive | `--format docker` | `--format v1` |\n|---|---|---|---|\n")
	for _, consumer := range consumers {
		fmt.Fprintf(&b, "| %s |", consumer)
		for _, form := range forms {
			var kinds []string
			asked := false
			for _, c := range compressions {
				three, known := read[fmt.Sprint(consumer, form.name, 3, c)]
				asked = asked || known
				one, known := read[fmt.Sprint(consumer, form.name, 1, c)]
				if three && (one || !known) {
					kinds = append(kinds, c.String())
				}
			}
			if !asked {
				kinds = []string{"–"}
			}
			fmt.Fprintf(&b, " %s |", strings.Join(kinds, ", "))
		}
		b.WriteString("\n")
	}
	docs, err := os.ReadFile("../../docs/images.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(docs), b.String()) {
		t.Errorf("docs/images.md lacks this table:\n%s", b.String())
	}
}

// consume has a consumer read image.tar. The error is that it cannot.
func (w *work) consume(consumer, greeting string) (said string, err error) {
	w.t.Helper()
	try := func(name string, args ...string) bool {
		if err == nil {
			var out []byte
			out, err = w.command(name, args...).CombinedOutput()
			said += string(out)
		}
		return err == nil
	}
	switch consumer {
	case "docker", "podman":
		if try(consumer, "load", "-i", "image.tar") {
			w.forget(consumer, w.image)
			equal(w.t, "in the layers", w.start(consumer, w.image, "cat", "/etc/greeting", "/fresh"), greeting)
		}
	case "ctr":
		if try("ctr", "images", "import", "image.tar") {
			w.atEnd("ctr", "images", "rm", "--sync", w.full())
			need(w.t, "root")
			said := ""
			for try := 0; said == "" && try < 3; try++ { // on a busy machine, ctr may miss what a short process says
				said = w.run("ctr", "run", "--rm", w.full(), fmt.Sprint(w.name, try), "/bin/busybox", "cat", "/etc/greeting", "/fresh")
			}
			equal(w.t, "in the layers", said, greeting)
		}
	case "skopeo docker-archive":
		try("skopeo", "copy", "-q", "docker-archive:image.tar:"+w.image, "dir:copied")
	case "skopeo oci-archive":
		try("skopeo", "copy", "-q", "oci-archive:image.tar:v1", "dir:copied")
	case "umoci":
		w.run("mkdir", "layout")
		w.run("tar", "-C", "layout", "-xf", "image.tar")
		if try("umoci", "unpack", "--rootless", "--image", "layout:v1", "bundle") {
			equal(w.t, "in the layers", w.run("cat", "bundle/rootfs/etc/greeting", "bundle/rootfs/fresh"), greeting)
		}
	}
	return said, err
}

// What engines write is read back: the same layers, without a fault.
func TestWhatEnginesSaveIsRead(t *testing.T) {
	for _, tt := range []struct{ engine, file, save, format string }{
		{"docker", "saved.tar", "docker save -o saved.tar IMAGE", pack.FormatDocker},
		{"podman", "saved.tar", "podman save -q -o saved.tar IMAGE", pack.FormatDocker},
		{"podman", "saved.tar", "podman save -q --format oci-archive -o saved.tar IMAGE", pack.FormatOCI},
		{"ctr", "saved.tar", "ctr images export saved.tar FULL", pack.FormatArchive},
		{"skopeo", "saved.tar", "skopeo copy -q docker-archive:image.tar:IMAGE docker-archive:saved.tar:IMAGE", pack.FormatDocker},
		{"skopeo", "saved", "skopeo copy -q oci-archive:image.tar:v1 oci:saved:v1", pack.FormatOCI},
		{"skopeo", "saved.tar", "skopeo copy -q oci-archive:image.tar:v1 oci-archive:saved.tar:v1", pack.FormatOCI},
	} {
		t.Run(tt.save, func(t *testing.T) {
			need(t, tt.engine)
			w := newWork(t)
			digests := w.pack("image.tar", w.threeLayers(pack.Compression{Method: pack.Gzip}), pack.WriteArchive)
			switch tt.engine {
			case "docker", "podman":
				w.load(tt.engine, "image.tar")
			case "ctr":
				w.atEnd("ctr", "images", "rm", "--sync", w.full())
				w.run("ctr", "images", "import", "image.tar")
			}
			w.shell(strings.NewReplacer("IMAGE", w.image, "FULL", w.full()).Replace(tt.save))
			s, err := pack.Open(w.path(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if len(s.Images) != 1 || s.Format != tt.format {
				t.Fatalf("%d images in the format %s, want one in %s", len(s.Images), s.Format, tt.format)
			}
			faults, err := s.Verify(t.Context(), pack.Limits{})
			equal(t, "faults", fmt.Sprint(faults, err), "[] <nil>")
			img := s.Images[0]
			for i, l := range img.Layers {
				equal(t, fmt.Sprintf("diff ID of layer %d", i), l.Blob().DiffID.String(), digests.Layers[i].DiffID.String())
			}
			equal(t, "in the layers", readFiles(t, img, "etc/greeting", "fresh"), "hello\n"+w.name+"gzip\n")
		})
	}
}

// readFiles returns the contents of files of an image.
func readFiles(t *testing.T, img *pack.Image, names ...string) string {
	t.Helper()
	files, err := pack.OpenFiles(t.Context(), img, pack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var b strings.Builder
	for _, name := range names {
		f, err := files.Tree.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&b, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return b.String()
}

// Whiteouts, links and folders in each other's place: what is read is what docker
// and podman make of them.
func TestLayersAreReadAsEnginesDo(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			busybox, err := os.ReadFile(w.busybox())
			if err != nil {
				t.Fatal(err)
			}
			img := w.threeLayers(pack.Compression{})
			img.Layers, img.History = nil, nil
			for _, entries := range changes(w.name, busybox) {
				img.Append(tarLayer(t, entries), "changes")
			}
			w.pack("image.tar", img, pack.WriteArchive)
			w.load(engine, "image.tar")
			w.run(engine, "create", "--name", w.name, "--network", "none", w.image)
			w.atEnd(engine, "rm", "-f", w.name)
			w.run(engine, "export", "-o", "exported.tar", w.name)
			equal(t, "file system", ofImage(t, img), ofExport(t, w.path("exported.tar")))
		})
	}
}

// changes are three layers in which everything happens that can happen to a path.
func changes(fresh string, busybox []byte) [][]member {
	entry := func(name string, typ byte, content string) member {
		h := &tar.Header{Name: name, Typeflag: typ, Mode: 0o644, Size: int64(len(content))}
		switch typ {
		case tar.TypeDir:
			h.Mode = 0o755
		case tar.TypeLink:
			h.Linkname, h.Size, content = content, 0, ""
		case tar.TypeSymlink:
			h.Linkname, h.Size, h.Mode, content = content, 0, 0o777, ""
		}
		return member{h, []byte(content)}
	}
	file := func(name string) member { return entry(name, tar.TypeReg, name+fresh) }
	dir := func(name string) member { return entry(name+"/", tar.TypeDir, "") }
	program := entry("bin/busybox", tar.TypeReg, string(busybox))
	program.Mode = 0o755
	return [][]member{
		{
			dir("bin"), program, dir("kept"), file("kept/a"), file("kept/b"), dir("emptied"), file("emptied/a"), dir("emptied/b"), file("emptied/b/c"),
			dir("removed"), file("removed/a"), file("removed-file"), dir("to-file"), file("to-file/a"), file("to-dir"), dir("to-link"), file("to-link/a"),
			file("first"), entry("second", tar.TypeLink, "first"), dir("usr"), dir("usr/lib"), file("usr/lib/a"), entry("lib", tar.TypeSymlink, "usr/lib"),
			dir("again"), file("again/old"), entry("pipe", tar.TypeFifo, ""), file("whole"),
		},
		{
			file("kept/.wh.a"), file("kept/c"), dir("emptied"), file("emptied/.wh..wh..opq"), file("emptied/d"), file(".wh.removed"), file(".wh.removed-file"),
			file("to-file"), dir("to-dir"), file("to-dir/a"), entry("to-link", tar.TypeSymlink, "kept"), file("first"), file("lib/b"), file(".wh.again"), file(".wh.never"),
		},
		{dir("again"), file("again/new"), file("kept/a"), file("deep/er/file"), file(".wh.whole"), file("whole")},
	}
}

func tarLayer(t *testing.T, entries []member) pack.Layer {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, e := range entries {
		if err := out.WriteHeader(e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	blob := pack.Blob{MediaType: v1.MediaTypeImageLayer, Size: int64(b.Len())}
	return pack.BlobLayer(blob, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}

// ofImage and ofExport list a file system, but for contents of busybox and what
// engines put into every container.
func ofImage(t *testing.T, img *pack.Image) string {
	t.Helper()
	files, err := pack.OpenFiles(t.Context(), img, pack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var b bytes.Buffer
	if _, err := pack.WriteLayer(&b, pack.TreeLayer(files.Tree, time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	return fileSystem(readTar(t, &b))
}

func ofExport(t *testing.T, file string) string {
	t.Helper()
	return fileSystem(openArchive(t, file).members)
}

func fileSystem(members []member) string {
	var lines []string
	for _, m := range members {
		name := path.Join("/", m.Name)
		top, _, _ := strings.Cut(name[1:], "/")
		if slices.Contains([]string{"dev", "etc", "proc", "sys", "run", ".dockerenv", ""}, top) {
			continue
		}
		content := string(m.content)
		if top == "bin" {
			content = ""
		}
		lines = append(lines, fmt.Sprintf("%s %c %o %s %q", name, m.Typeflag, m.Mode&0o7777, path.Clean(cmp.Or(m.Linkname, "-")), content))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
