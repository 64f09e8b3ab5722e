package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
)

const smallRoot = `
	/bin/app        elf interp=/lib64/ld-linux-x86-64.so.2 needed=liba.so.1,libc.so.6
	/bin/tool       elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6
	/lib/liba.so.1  elf soname=liba.so.1 needed=libb.so.1,libc.so.6 dlopen='[{"soname":["libd.so.1"],"feature":"dust"}]'
	/lib/libb.so.1  elf soname=libb.so.1 needed=liba.so.1,libgone.so.1,libc.so.6
	/lib/libd.so.1  elf soname=libd.so.1
	/lib/libc.so.6  elf soname=libc.so.6 needed=ld-linux-x86-64.so.2
	/lib64/ld-linux-x86-64.so.2  elf soname=ld-linux-x86-64.so.2 glibc=/lib:/usr/lib
`

// source returns a source of what elftest makes of a text.
func source(t *testing.T, text string, programs ...string) *Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, elftest.MustRoot(t, text)); err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	root := &rootfs.Tree{}
	if err := root.AddHostTree(host, "/", "/", rootfs.Reason{Kind: "added", From: "--add /"}); err != nil {
		t.Fatal(err)
	}
	return &Source{
		Title: "basic:v1", Platform: "linux/amd64", Root: root, Programs: programs, Dlopen: elfdeps.Recommended,
		Why:       func(e *rootfs.Entry) []rootfs.Reason { return e.Why },
		Own:       func(*rootfs.Entry) (o Owner, ok bool) { return o, false },
		Documents: pack.Documents{Config: []byte(`{"os":"linux"}`), Manifest: []byte(`{"schemaVersion":2}`)},
		Layers:    []Layer{{Blob: pack.Blob{MediaType: v1.MediaTypeImageLayer, Digest: "sha256:11", DiffID: "sha256:11", Size: 512}}},
		Place:     Place{Archive, "basic.tar"},
	}
}

func render(t *testing.T, s *Source) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// text shows a graph: each edge with what it is, and for each node its layer.
func (g *graph) text() string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%d %s %s\n", n.Layer, n.Kind, n.Label)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "%s > %s %s", e.From.Label, e.To.Label, e.How)
		for _, word := range []struct {
			is   bool
			text string
		}{{e.Common, " common"}, {e.Tree, " tree"}} {
			if word.is {
				b.WriteString(word.text)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestAGraphSaysWhatBroughtEachFileIn(t *testing.T) {
	p, err := newPage(t.Context(), source(t, smallRoot, "/bin/app", "/bin/tool"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `0 program app
0 program tool
1 loader ld-linux-x86-64.so.2
1 library liba.so.1
1 library libc.so.6
2 library libb.so.1
2 library libd.so.1
3 missing libgone.so.1
app > ld-linux-x86-64.so.2 interp common tree
app > liba.so.1 needed tree
app > libc.so.6 needed common tree
liba.so.1 > libb.so.1 needed tree
liba.so.1 > libc.so.6 needed common
liba.so.1 > libd.so.1 dlopen tree
libc.so.6 > ld-linux-x86-64.so.2 needed common
libb.so.1 > liba.so.1 needed
libb.so.1 > libgone.so.1 needed tree
libb.so.1 > libc.so.6 needed common
tool > ld-linux-x86-64.so.2 interp common
tool > libc.so.6 needed common tree
`
	if got := p.Graphs[0].text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, n := range p.Graphs[0].Nodes {
		if n.Label == "libgone.so.1" && n.Way() != "app → liba.so.1 → libb.so.1 → libgone.so.1" {
			t.Errorf("the way is %s", n.Way())
		}
	}
}

// A package is one node, and what leads from one file of it to another is gone.
func TestAGraphOfPackagesHasANodeForEach(t *testing.T) {
	s := source(t, smallRoot, "/bin/app", "/bin/tool")
	packages := map[string]*owner.Package{}
	s.Own = func(e *rootfs.Entry) (Owner, bool) {
		name := map[string]string{"/lib/libc.so.6": "libc6", "/lib64/ld-linux-x86-64.so.2": "libc6", "/lib/liba.so.1": "ab", "/lib/libb.so.1": "ab"}[e.Path]
		return Owner{Package: packages[name]}, name != ""
	}
	for _, name := range []string{"libc6", "ab"} {
		packages[name] = fakePackage(t, name)
	}
	p, err := newPage(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `0 program app
0 program tool
1 loader libc6
1 library ab
2 library libd.so.1
2 missing libgone.so.1
app > libc6 interp common tree
app > ab needed tree
ab > libc6 needed common
ab > libd.so.1 dlopen tree
ab > libgone.so.1 needed tree
tool > libc6 interp common tree
`
	if got := p.Graphs[1].text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// fakePackage returns a package that a database has.
func fakePackage(t *testing.T, name string) *owner.Package {
	t.Helper()
	db, err := owner.Open(elftest.MustRoot(t, `
		/var/lib/dpkg/status  text "Package: `+name+`\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1<2\n\n"
		/var/lib/dpkg/info/`+name+`.list  text "/.\n/usr\n/usr/share\n/usr/share/x\n"`))
	if err != nil || len(db.Packages()) != 1 {
		t.Fatalf("%v: %v", db.Packages(), err)
	}
	return db.Packages()[0]
}

// Programs that need the same are one node of a large graph, and what is left is
// what was there.
func TestALargeGraphHasOneNodeForProgramsThatNeedTheSame(t *testing.T) {
	text := smallRoot
	programs := []string{"/bin/app", "/bin/tool"}
	for i := range largeNodes {
		name := fmt.Sprintf("/bin/p%02d", i)
		text += name + " elf interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6\n"
		programs = append(programs, name)
	}
	p, err := newPage(t.Context(), source(t, text, programs...))
	if err != nil {
		t.Fatal(err)
	}
	g := p.Graphs[0]
	if len(g.Nodes) != 8 || g.Nodes[1].Label != fmt.Sprintf("%d programs", largeNodes+1) || len(g.Nodes[1].Members) != largeNodes+1 {
		t.Errorf("got\n%s%v", g.text(), g.Nodes[1].Members)
	}
}

// Whatever a file is called, the page has it as text.
func TestHostileNamesAreText(t *testing.T) {
	const evil = `</script><svg onload=alert(1)>"'&{{.}}<!--`
	s := source(t, smallRoot, "/bin/app")
	s.Title = evil
	s.Place.Name = evil
	s.Load = evil
	s.ByHand = evil
	s.Documents.Config = []byte(`{"x":"` + strings.ReplaceAll(evil, `"`, `\"`) + `"}`)
	p := fakePackage(t, "evil")
	p.Licenses, p.Source, p.Name = []string{evil}, evil, evil
	s.Own = func(*rootfs.Entry) (Owner, bool) { return Owner{Package: p}, true }
	for _, e := range []*rootfs.Entry{
		rootfs.File("/"+evil, 0o644, []byte("x")), rootfs.Symlink("/link", evil), rootfs.File("/bad\xff\u202e\x1b[0m", 0o644, nil),
	} {
		if err := s.Root.Add(e.For(rootfs.Reason{Kind: evil, From: evil, Text: evil})); err != nil {
			t.Fatal(err)
		}
	}
	got := render(t, s)
	for _, raw := range []string{"<svg onload", "\xff", "\u202e", "\x1b"} {
		if strings.Contains(got, raw) {
			t.Errorf("the page has %q as it is", raw)
		}
	}
	if n := strings.Count(got, "</script>"); n != 2 {
		t.Errorf("there are %d ends of scripts", n)
	}
	if !strings.Contains(html.UnescapeString(got), evil) {
		t.Error("the name is not on the page")
	}
	_, rest, _ := strings.Cut(got, `id="data">`)
	block, _, _ := strings.Cut(rest, "</script>")
	var d data
	if err := json.Unmarshal([]byte(block), &d); err != nil || d.Title != evil {
		t.Errorf("the data is %v, %v", d.Title, err)
	}
}

// The policy allows just the style and the script that are on the page.
func TestThePolicyNamesStyleAndScript(t *testing.T) {
	got := render(t, source(t, smallRoot, "/bin/app"))
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(got)[1])
	for _, part := range []string{`<style>(?s:(.*?))</style>`, `<script>(?s:(.*?))</script>`} {
		text := regexp.MustCompile(part).FindStringSubmatch(got)[1]
		if !strings.Contains(policy, sourceHash(text)) {
			t.Errorf("the policy %s does not allow what %s has", policy, part)
		}
	}
	if regexp.MustCompile(`(src|href)="[^#"d]`).MatchString(strings.ReplaceAll(got, `href="https://github.com/harvest-oci/harvest"`, "")) {
		t.Error("the page asks for something")
	}
}

// One source makes one page, with no name of an element twice and each link to one.
func TestAPageIsReproducible(t *testing.T) {
	a, b := render(t, source(t, smallRoot, "/bin/app", "/bin/tool")), render(t, source(t, smallRoot, "/bin/app", "/bin/tool"))
	if a != b {
		t.Error("two pages differ")
	}
	ids := make(map[string]bool)
	for _, m := range regexp.MustCompile(`[\s]id="([^"]*)"`).FindAllStringSubmatch(a, -1) {
		if ids[m[1]] {
			t.Errorf("the name %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:href="#|aria-labelledby="|for=")([^"]*)"`).FindAllStringSubmatch(a, -1) {
		if !ids[m[1]] {
			t.Errorf("nothing is called %s", m[1])
		}
	}
	if len(a) > 300_000 {
		t.Errorf("the page of seven files has %d bytes", len(a))
	}
}

func TestAChainOfDigests(t *testing.T) {
	s := source(t, smallRoot)
	s.Layers = append(s.Layers, Layer{Blob: pack.Blob{MediaType: v1.MediaTypeImageLayerGzip, Digest: "sha256:33", DiffID: "sha256:22", Size: 99}})
	id, manifest := digest.FromBytes(s.Documents.Config).Encoded(), digest.FromBytes(s.Documents.Manifest).Encoded()
	for _, tt := range []struct {
		place Place
		want  []string
	}{
		{Place{Archive, "a b.tar"}, []string{
			"tar -xOf 'a b.tar' blobs/sha256/11 | sha256sum",
			"tar -xOf 'a b.tar' blobs/sha256/33 | gzip -d | sha256sum",
			"tar -xOf 'a b.tar' blobs/sha256/33 | sha256sum",
			"tar -xOf 'a b.tar' blobs/sha256/" + id + " | sha256sum",
			"tar -xOf 'a b.tar' blobs/sha256/" + manifest + " | sha256sum",
		}},
		{Place{Layout, "out"}, []string{
			"cat out/blobs/sha256/11 | sha256sum",
			"cat out/blobs/sha256/33 | gzip -d | sha256sum",
			"cat out/blobs/sha256/33 | sha256sum",
			"cat out/blobs/sha256/" + id + " | sha256sum",
			"cat out/blobs/sha256/" + manifest + " | sha256sum",
		}},
		{Place{Docker, "d.tar"}, []string{
			`tar -xOf d.tar "$(tar -xOf d.tar manifest.json | jq -r '.[0].Layers[0]')" | sha256sum`,
			`tar -xOf d.tar "$(tar -xOf d.tar manifest.json | jq -r '.[0].Layers[1]')" | gzip -d | sha256sum`,
			`tar -xOf d.tar "$(tar -xOf d.tar manifest.json | jq -r '.[0].Layers[1]')" | sha256sum`,
			`tar -xOf d.tar "$(tar -xOf d.tar manifest.json | jq -r '.[0].Config')" | sha256sum`,
			"",
		}},
		{Place{Registry, "debian:12"}, []string{
			"", "", "",
			"skopeo inspect --raw --config docker://debian:12 | sha256sum",
			"skopeo inspect --raw docker://debian:12 | sha256sum",
		}},
		{Place{}, make([]string, 5)},
	} {
		s.Place = tt.place
		var got []string
		if of := s.steps()[0].Of; of != "the tar of layer 1" {
			t.Errorf("the chain begins with %s", of)
		}
		for _, step := range s.steps() {
			got = append(got, step.Shell)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: got\n%s\nwant\n%s", tt.place, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	s.Layers = s.Layers[:1]
	if gives := s.steps()[0].Gives; gives != "diff_id, and digest of the layer" {
		t.Errorf("the tar of the only layer gives %s", gives)
	}
}

func TestWhatIsNotInAnImage(t *testing.T) {
	s := source(t, `
		/usr/bin/sh   text x
		/bin          -> usr/bin
		/usr/lib/x86_64-linux-gnu/gconv/gconv-modules  text x
		/tmp          -> nowhere`)
	found := make(map[string]string)
	for _, f := range facts(s.Root) {
		found[f.Flag+" "+f.What] = f.Found
	}
	for what, want := range map[string]string{
		"--bin sh a shell": "/bin/sh",
		"--with gconv conversions between character sets": "/usr/lib/x86_64-linux-gnu/gconv",
		"no --bare a folder for temporary files":          "",
		"--with certs authorities (CA certificates)":      "",
	} {
		if got, ok := found[what]; got != want || !ok {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}
