package teach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// TestScriptMakesTheSameBytes runs scripts for layers with all that a layer can
// have, by whoever runs the test, and by an ordinary user, too, if that is root.
func TestScriptMakesTheSameBytes(t *testing.T) {
	needTar(t)
	users := map[string]*syscall.Credential{"as we are": nil}
	if os.Geteuid() == 0 {
		users["as a user"] = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	for name, c := range map[string]struct {
		fill   func(*fixture, *testing.T)
		latest int64
		format Format
	}{
		"plain":          {fill: (*fixture).plain},
		"docker":         {fill: (*fixture).plain, format: Docker},
		"times":          {fill: (*fixture).plain, latest: 1_700_000_000},
		"future":         {fill: (*fixture).plain, latest: 4_000_000_000},
		"owners":         {fill: (*fixture).owners},
		"names":          {fill: (*fixture).names},
		"second layer":   {fill: (*fixture).layers},
		"the same twice": {fill: (*fixture).twice},
	} {
		for user, credential := range users {
			t.Run(name+" "+user, func(t *testing.T) {
				f := newFixture(t)
				c.fill(f, t)
				f.compare(t, time.Unix(c.latest, 0), c.format, credential)
			})
		}
	}
}

func needTar(t *testing.T) {
	t.Helper()
	out, err := exec.Command("tar", "--version").Output()
	if err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is missing")
	}
}

// A fixture is a host, and trees made of it.
type fixture struct {
	dir   string
	host  *rootfs.Host
	parts []plan.Part
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := openFolder(t, 0o755)
	f := &fixture{dir: dir}
	f.write(t, "usr/bin/program", strings.Repeat("text\n", 300), 0o755)
	f.write(t, "usr/bin/empty", "", 0o644)
	var err error
	if f.host, err = rootfs.OpenHost(dir); err != nil {
		t.Fatal(err)
	}
	return f
}

// openFolder returns a folder that others can get to, with a mode of its own.
func openFolder(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for d := filepath.Dir(dir); d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (f *fixture) write(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	file := filepath.Join(f.dir, name)
	err := errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, []byte(text), 0o644),
		os.Chmod(file, mode),
		os.Chtimes(file, time.Time{}, time.Unix(1_600_000_000, 999)),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// tree adds a layer with the host's files and some more.
func (f *fixture) tree(t *testing.T, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	tree := &rootfs.Tree{}
	if err := tree.AddHostTree(f.host, "/", "/", rootfs.Reason{Kind: "added", From: "--add /"}); err != nil {
		t.Fatal(err)
	}
	for e := range tree.All() {
		e.UID, e.GID = 0, 0
	}
	for _, e := range more {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	f.parts = append(f.parts, plan.Part{Name: "what's in it", Tree: tree})
	return tree
}

func (f *fixture) plain(t *testing.T) { //nolint:thelper // it fills a fixture
	f.tree(t,
		rootfs.File("/etc/text", 0o640, []byte("a line\nEND and $HOME `id` \\ \n")),
		rootfs.File("/etc/end", 0o644, []byte("END\n")),
		rootfs.File("/etc/bytes", 0o600, []byte{0, 1, 2, 255}),
		rootfs.File("/etc/nothing", 0o644, nil),
		rootfs.File("/usr/bin/su", 0o755|fs.ModeSetuid, []byte("su\n")),
		rootfs.File("/usr/bin/wall", 0o755|fs.ModeSetgid, []byte("wall\n")),
		rootfs.Dir("/tmp", 0o777|fs.ModeSticky),
		rootfs.Dir("/var/mail", 0o775|fs.ModeSetgid),
		rootfs.Dir("/closed", 0o500),
		rootfs.Symlink("/bin", "usr/bin"),
		rootfs.Symlink("/dash", "-dash"),
		&rootfs.Entry{Path: "/run/pipe", Mode: 0o620 | fs.ModeNamedPipe},
	)
}

func (f *fixture) owners(t *testing.T) { //nolint:thelper // it fills a fixture
	f.write(t, "a/one", "one\n", 0o644)
	for _, name := range []string{"a/two", "z/three"} {
		file := filepath.Join(f.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Link(filepath.Join(f.dir, "a/one"), file)); err != nil {
			t.Fatal(err)
		}
	}
	own := func(e *rootfs.Entry, uid, gid int) *rootfs.Entry {
		e.UID, e.GID = uid, gid
		return e
	}
	ping := rootfs.File("/usr/bin/ping", 0o755, []byte("ping\n"))
	ping.XAttrs = map[string]string{rootfs.Capability: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	f.tree(t, ping,
		own(rootfs.Dir("/b", 0o755), 33, 0),
		own(rootfs.File("/b/his", 0o600, []byte("his\n")), 33, 33),
		own(rootfs.Symlink("/b/link", "his"), 33, 33),
		own(rootfs.File("/b/high", 0o644, []byte("high\n")), 4_000_000, 4_000_000),
		rootfs.File("/b/secret", 0o111, []byte("secret\n")),
		rootfs.Dir("/none", 0o000),
		rootfs.File("/none/file", 0o000, []byte("file\n")),
	)
}

func (f *fixture) names(t *testing.T) { //nolint:thelper // it fills a fixture
	var more []*rootfs.Entry
	for _, name := range []string{"a b", "it's", `back\slash`, `\n`, "-flag", "new\nline", "$HOME", "*", "中文", "\xff\xfe", "END", "a", "tab\t", "~", "#", "a=b", "-", "..."} {
		more = append(more, rootfs.File("/"+name, 0o644, []byte(name+"\n")), rootfs.Symlink("/links/"+name, name))
	}
	for n := 92; n < 108; n++ { // USTAR has 100 bytes for a name, and 155 for a prefix
		name := strings.Repeat("n", n)
		more = append(more, rootfs.Dir("/"+name, 0o755), rootfs.File("/p/"+name+"f", 0o644, nil), rootfs.Symlink("/l/"+name, name))
	}
	for n := 150; n < 162; n++ {
		dir := "/d/" + strings.Repeat("e", n/2) + "/" + strings.Repeat("f", n-n/2)
		more = append(more, rootfs.Dir(dir, 0o755), rootfs.File(dir+"/file", 0o644, nil), rootfs.Dir(dir+"/"+strings.Repeat("g", 98), 0o755))
	}
	f.tree(t, more...)
}

func (f *fixture) layers(t *testing.T) { //nolint:thelper // it fills a fixture
	f.tree(t)
	f.tree(t, rootfs.File("/more", 0o644, []byte("more\n")))
}

func (f *fixture) twice(t *testing.T) { //nolint:thelper // it fills a fixture
	f.tree(t)
	f.tree(t)
}

// compare makes an archive of the fixture's layers, and again with the script.
func (f *fixture) compare(t *testing.T, latest time.Time, format Format, who *syscall.Credential) {
	t.Helper()
	img := &pack.Image{Architecture: "amd64", OS: "linux", Created: latest.UTC(), Tags: []string{"docker.io/library/it:v1"},
		Config: pack.Config{ImageConfig: v1.ImageConfig{Entrypoint: []string{`it's "\ü`, "%s", "a,b", "中"}, Env: []string{"A={,}"}}}}
	for _, part := range f.parts {
		img.Append(pack.TreeLayer(part.Tree, latest), "a 'test'")
	}
	write := pack.WriteArchive
	if format == Docker {
		write = pack.WriteDocker
	}
	var want bytes.Buffer
	digests, err := write(&want, img)
	if err != nil {
		t.Fatal(err)
	}
	b := &Build{Plan: &plan.Plan{Programs: []string{"/usr/bin/program"}}, Image: img, Parts: f.parts, Latest: latest,
		Blobs: digests.Layers, Root: f.dir, Output: Output{Format: format}}
	for _, l := range Languages() {
		var script bytes.Buffer
		if err := Script(t.Context(), &script, b, l); err != nil {
			t.Fatal(err)
		}
		got, said := runScript(t, script.Bytes(), who)
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("the script makes other bytes\n%s\n%s", said, script.Bytes())
		}
		if image := "image ID " + digests.Image.String(); !strings.Contains(said, image) {
			t.Errorf("the script says\n%s\nwant in it %s", said, image)
		}
	}
}

// runScript runs a script and returns the archive that it has made.
func runScript(t *testing.T, script []byte, who *syscall.Credential) (archive []byte, said string) {
	t.Helper()
	dir := openFolder(t, 0o777|fs.ModeSetgid)
	t.Cleanup(func() { // folders without permissions would stay
		if out, err := exec.Command("chmod", "-R", "u+rwX", dir).CombinedOutput(); err != nil {
			t.Errorf("%s%v", out, err)
		}
	})
	cmd := exec.CommandContext(t.Context(), "sh", "-s", "work")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(script)
	elsewhere := openFolder(t, 0o755) // settings of a shell or of tar that lead there do not count
	if err := os.Mkdir(filepath.Join(elsewhere, "work"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "CDPATH="+elsewhere, "TAR_OPTIONS=--mode=0600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%s%v", script, out, err)
	}
	if archive, err = os.ReadFile(filepath.Join(dir, "work/image.tar")); err != nil {
		t.Fatal(err)
	}
	return archive, string(out)
}

// A file that is not the one that harvest saw stops the script, and nothing is
// made.
func TestScriptStopsAtOtherFiles(t *testing.T) {
	needTar(t)
	f := newFixture(t)
	tree := f.tree(t)
	img := &pack.Image{Architecture: "amd64", OS: "linux"}
	img.Append(pack.TreeLayer(tree, time.Unix(0, 0)), "a test")
	digests, err := pack.WriteArchive(&bytes.Buffer{}, img)
	if err != nil {
		t.Fatal(err)
	}
	var script bytes.Buffer
	b := &Build{Plan: &plan.Plan{}, Image: img, Parts: f.parts, Blobs: digests.Layers, Root: f.dir}
	if err := Script(t.Context(), &script, b, English); err != nil {
		t.Fatal(err)
	}
	f.write(t, "usr/bin/program", "another", 0o755)
	cmd := exec.CommandContext(t.Context(), "sh", "-s", filepath.Join(t.TempDir(), "work"))
	cmd.Stdin = &script
	out, err := cmd.CombinedOutput()
	want := "usr/bin/program: FAILED"
	if err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "a file is not the one") {
		t.Errorf("%s%v\nwant an error, and %s", out, err, want)
	}
}

// What no script can make is said, with the reason.
func TestScriptRefusesWhatItCannotMake(t *testing.T) {
	f := newFixture(t)
	tree := f.tree(t, &rootfs.Entry{Path: "/dev/null", Mode: 0o666 | fs.ModeDevice | fs.ModeCharDevice, Major: 1, Minor: 3})
	plain := func() *pack.Image {
		img := &pack.Image{Architecture: "amd64", OS: "linux"}
		img.Append(pack.TreeLayer(tree, time.Unix(0, 0)), "a test")
		return img
	}
	zipped := plain()
	zipped.Compression = pack.Compression{Method: pack.Gzip}
	one := make([]pack.Blob, 1)
	for want, b := range map[string]*Build{
		"device":     {Image: plain(), Blobs: one, Parts: f.parts},
		"compressor": {Image: zipped, Blobs: one, Parts: f.parts},
		"base":       {Image: plain(), Blobs: make([]pack.Blob, 2), Parts: f.parts},
	} {
		b.Plan = &plan.Plan{}
		err := Script(context.Background(), &bytes.Buffer{}, b, English)
		var cannot *CannotError
		if !errors.As(err, &cannot) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want a *CannotError that says %s", err, want)
		}
	}
}
