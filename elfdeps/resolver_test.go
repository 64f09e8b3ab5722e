package elfdeps_test

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

const loaderLine = "\n/lib64/ld.so elf soname=ld.so glibc=/lib:/usr/lib\n"

func resolve(t testing.TB, fsys fs.FS, names ...string) (*elfdeps.Closure, error) {
	t.Helper()
	r := elfdeps.Resolver{FS: fsys}
	return r.Resolve(context.Background(), names...)
}

func TestResolveReturnsWhatItFoundWithItsErrors(t *testing.T) {
	root := elftest.MustRoot(t, loaderLine+`
		/bin/good elf interp=/lib64/ld.so needed=liba.so
		/bin/bad  elf interp=/lib64/ld.so needed=libgone.so,liba.so,libtoo.so
		/bin/sh   text "#!"
		/lib/liba.so elf`)
	c, err := resolve(t, root, "/bin/bad", "/bin/none", "/bin/sh", "/bin/good")
	var missing *elfdeps.MissingError
	var script *elfdeps.ScriptError
	var path *fs.PathError
	if !errors.As(err, &missing) || len(missing.Missing) != 2 || !errors.As(err, &script) || !errors.As(err, &path) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, elfdeps.ErrNotELF) {
		t.Errorf("%v is neither of its kinds", err)
	}
	if len(c.Programs) != 2 || c.Programs[0].Name != "/bin/bad" || c.Program("/bin/good") != c.Programs[1] {
		t.Errorf("got %d programs", len(c.Programs))
	}
	if c.Program("/bin/none") != nil {
		t.Error("a program that is not there has a link map")
	}
	if got := strings.Join(c.Programs[0].Names(), " "); got != "/lib64/ld.so liba.so" {
		t.Errorf("names: got %s", got)
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := elfdeps.Resolver{FS: elftest.MustRoot(t, "/bin/app elf static")}
	if c, err := r.Resolve(ctx, "/bin/app"); !errors.Is(err, context.Canceled) || c == nil {
		t.Errorf("got %v, %v, want %v", c, err, context.Canceled)
	}
}

// One index in two views of a file: what the law compares.
// Programs are resolved at once, and no result tells in what order.
func TestProgramsAreResolvedAtOnceAsOneByOne(t *testing.T) {
	names := append(systemPrograms(t, "/usr/bin", "/usr/sbin", "/sbin"), "/no/such/program", "/etc/passwd")
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	r := elfdeps.Resolver{FS: host, Dlopen: elfdeps.Suggested}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := told(r.Resolve(t.Context(), names...))
	runtime.GOMAXPROCS(8)
	for range 3 {
		got := told(r.Resolve(t.Context(), names...))
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		if got, want := got[i:], want[i:]; len(got)+len(want) > 0 {
			t.Fatalf("from line %d on, at once:\n%s\none by one:\n%s", i, strings.Join(got[:min(5, len(got))], "\n"), strings.Join(want[:min(5, len(want))], "\n"))
		}
	}
}

// told is all that a closure and its error say.
func told(c *elfdeps.Closure, err error) []string {
	var lines []string
	for _, p := range c.Programs {
		lines = append(lines, p.Name)
		for _, o := range p.Objects {
			lines = append(lines, o.Path)
			for _, n := range o.Needs {
				path := ""
				if n.Object != nil {
					path = n.Object.Path
				}
				lines = append(lines, fmt.Sprint(n.Dependency, path, n.Rule, n.Tried, n.Lacks))
			}
		}
	}
	return append(lines, strings.Split(fmt.Sprint(err), "\n")...)
}

func TestSameTellsFilesOfTwoClosures(t *testing.T) {
	root := elftest.MustRoot(t, "/bin/a elf static\n/bin/b elf static\n/bin/c hard /bin/a")
	c, err := resolve(t, root, "/bin/a", "/bin/b", "/bin/c")
	if err != nil {
		t.Fatal(err)
	}
	a, b, hard := c.Programs[0].Objects[0], c.Programs[1].Objects[0], c.Programs[2].Objects[0]
	if !a.Same(hard) || a.Same(b) {
		t.Errorf("a is c: %v, a is b: %v", a.Same(hard), a.Same(b))
	}
}

// Where there are neither inodes nor real paths, names tell files apart.
func TestResolveTakesAnyFileSystem(t *testing.T) {
	file := func(words string) *fstest.MapFile { return &fstest.MapFile{Data: build(t, words)} }
	c, err := resolve(t, fstest.MapFS{
		"bin/app":     file("interp=/lib64/ld.so needed=liba.so,/lib/../lib/liba.so runpath=$ORIGIN/../lib"),
		"lib64/ld.so": file("glibc=/usr/lib"),
		"lib/liba.so": file(""),
	}, "/bin/app")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(objectPaths(c.Programs[0]), " "); got != "/bin/app /lib64/ld.so /bin/../lib/liba.so" {
		t.Errorf("got %s", got)
	}
}

// The directories that a loader searches are found in its bytes.
func TestLoaderTellsItsDirectories(t *testing.T) {
	nix := "/nix/store/q0v-glibc-2.40/lib"
	for _, tt := range []struct {
		words, dirs, cache, lib string
	}{
		{"glibc=/lib64:/usr/lib64", "/lib64 /usr/lib64", "/etc/ld.so.cache", "lib64"},
		{"glibc=/usr/lib", "/usr/lib", "/etc/ld.so.cache", "lib"},
		{"glibc=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib:/usr/lib",
			"/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib /usr/lib", "/etc/ld.so.cache", "lib/x86_64-linux-gnu"},
		{`text="glibc-ld.so.cache1.1\x00` + nix + `/\x00\x00` + nix + `/\x00/nix/etc/ld.so.cache\x00"`,
			nix, "/nix/etc/ld.so.cache", "lib"},
		{`text="glibc-ld.so.cache1.1\x00/once/lib/\x00/usr/share/zoneinfo/\x00/lib"`, "/lib64 /usr/lib64", "", "lib64"},
		{`text="glibc-ld.so.cache1.1\x00/one/lib/\x00\x00/two/lib/\x00x /lib/\x00/usr/lib/\x00"`, "/lib /usr/lib", "", "lib"},
	} {
		root := elftest.MustRoot(t, "/ld.so elf "+tt.words+`
			/app elf interp=/ld.so needed=liba.so runpath=/$LIB
			/`+tt.lib+"/liba.so elf")
		c, err := resolve(t, root, "/app")
		if err != nil {
			t.Errorf("%s: %v", tt.words, err)
			continue
		}
		l := c.Programs[0].Loader
		if got := strings.Join(l.DefaultDirs, " "); got != tt.dirs || l.CachePath != tt.cache {
			t.Errorf("%s:\ngot  %s, %s\nwant %s, %s", tt.words, got, l.CachePath, tt.dirs, tt.cache)
		}
	}
}

// Nothing lies where no path can lead. Tokens make a short path long.
func TestElementsLongerThanAPathArePassedOver(t *testing.T) {
	long := "/x/" + strings.Repeat("x", 4096) + ":/" + strings.Repeat("$ORIGIN/", 1024) + ":/opt"
	for _, loader := range []string{"glibc=/lib", "musl=x86_64"} {
		root := elftest.MustRoot(t, `
			/opt/a/program elf interp=/ld.so needed=liba.so,libgone.so,libgone.so runpath="`+long+`"
			/opt/liba.so elf
			/ld.so elf `+loader)
		c, err := resolve(t, root, "/opt/a/program")
		var missing *elfdeps.MissingError
		if !errors.As(err, &missing) || len(missing.Missing) != 1 {
			t.Errorf("%s: got %v, want libgone.so to be missed once", loader, err)
		}
		for n := range c.Programs[0].Needs() {
			for _, probe := range n.Tried {
				if len(probe.Path) > 100 {
					t.Errorf("%s, for %s: tried a path of %d bytes", loader, n.Name, len(probe.Path))
				}
			}
			if n.Name == "liba.so" && n.Object == nil {
				t.Errorf("%s: liba.so is not found", loader)
			}
		}
	}
}

// Every directory costs a look for every name.
func TestLoadersHaveAsManyDirectoriesAsCanBe(t *testing.T) {
	const many = 2000
	lines := strings.Repeat("/d%d\n", many)
	for i := range many {
		lines = strings.Replace(lines, "%d", strconv.Itoa(i), 1)
	}
	for name, root := range map[string]string{
		"musl": `/ld.so elf musl=x86_64
			/etc/ld-musl-x86_64.path text ` + strconv.Quote(lines),
		"glibc": `/ld.so elf text="glibc-ld.so.cache1.1\x00` + strings.Repeat(`/x/lib/\x00`, many) + `"`,
		"conf": `/ld.so elf glibc=/lib
			/etc/ld.so.conf text ` + strconv.Quote(lines),
	} {
		c, err := resolve(t, elftest.MustRoot(t, root+"\n/app elf interp=/ld.so needed=liba.so"), "/app")
		var missing *elfdeps.MissingError
		if !errors.As(err, &missing) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		l := c.Programs[0].Loader
		if got := len(l.DefaultDirs) + len(l.ConfDirs); got < 100 || got > 1025 {
			t.Errorf("%s: %d directories", name, got)
		}
	}
}

func TestALoaderOfUnreasonableSizeIsAnError(t *testing.T) {
	loader := elftest.File{Text: make([]byte, 16<<20)}
	_, err := resolve(t, fstest.MapFS{
		"app":   {Data: build(t, "interp=/ld.so needed=liba.so")},
		"ld.so": {Data: loader.Bytes()},
	}, "/app")
	if err == nil || !strings.Contains(err.Error(), "reading its loader /ld.so: 16777") {
		t.Errorf("got %v", err)
	}
}

// Every architecture has its platform, its place in ld.so.cache and its loader.
func TestArchOfHeaders(t *testing.T) {
	for words, want := range map[string]struct {
		platform, variant string
		cache             uint32
	}{
		"machine=x86_64":                             {"amd64", "", 0x303},
		"machine=x86_64 class=32":                    {"amd64", "", 0x803},
		"machine=386":                                {"386", "", 0x3},
		"machine=aarch64":                            {"arm64", "", 0xa03},
		"machine=arm flags=0x5000400":                {"arm", "v7", 0x903},
		"machine=arm flags=0x5000200":                {"arm", "v5", 0xb03},
		"machine=ppc64le flags=2":                    {"ppc64le", "", 0x503},
		"machine=ppc64 flags=1":                      {"ppc64", "", 0x503},
		"machine=ppc":                                {"ppc", "", 0x3},
		"machine=s390x":                              {"s390x", "", 0x403},
		"machine=s390":                               {"s390", "", 0x3},
		"machine=riscv64 flags=5":                    {"riscv64", "", 0x1003},
		"machine=riscv64":                            {"riscv64", "", 0xf03},
		"machine=loongarch64 flags=0x43":             {"loong64", "", 0x1203},
		"machine=loongarch64 flags=0x41":             {"loong64", "", 0x1103},
		"machine=mips":                               {"mips", "", 0x3},
		"machine=mipsel flags=0x400":                 {"mipsle", "", 0xc03},
		"machine=mipsel flags=0x20":                  {"mips64p32le", "", 0x603},
		"machine=mips flags=0x420":                   {"mips64p32", "", 0xd03},
		"machine=mips64el":                           {"mips64le", "", 0x703},
		"machine=mips64 flags=0x400":                 {"mips64", "", 0xe03},
		"machine=sparc64":                            {"sparc64", "", 0x103},
		"machine=4 class=32 data=msb":                {"68k", "", 0x3},
		"machine=riscv32 flags=5 class=32 data=lsb":  {"riscv32", "", 0x1003},
		"machine=loongarch64 flags=0x3 osabi=gnu":    {"loong64", "", 0x1203},
		"machine=aarch64 class=64 data=msb type=dyn": {"arm64", "", 0xa03},
	} {
		f, err := read(build(t, words))
		if err != nil {
			t.Errorf("%s: %v", words, err)
			continue
		}
		a := f.Arch
		text := "linux/" + want.platform
		if want.variant != "" {
			text += "/" + want.variant
		}
		if a.GOARCH() != want.platform || a.Variant() != want.variant || a.CacheFlags() != want.cache || a.String() != text {
			t.Errorf("%s: got %s %s %#x %v, want %v", words, a.GOARCH(), a.Variant(), a.CacheFlags(), a, want)
		}
		if big := a.Data == elf.ELFDATA2MSB; big != (a.ByteOrder().Uint16([]byte{0, 1}) == 1) {
			t.Errorf("%s: %v", words, a.ByteOrder())
		}
	}
}

func TestNamesBeginAtTheRoot(t *testing.T) {
	root := elftest.MustRoot(t, loaderLine+`
		/app        elf interp=/lib64/ld.so needed=liba.so runpath=$ORIGIN/opt
		/opt/liba.so elf`)
	for _, name := range []string{"/app", "app", "opt/../app"} {
		c, err := resolve(t, root, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := c.Program(name)
		if got := path.Clean(p.Self().Path); got != "/app" || len(p.Objects) != 3 {
			t.Errorf("%s: got %s and %d objects", name, got, len(p.Objects))
		}
	}
	if _, err := resolve(t, root, ""); err == nil {
		t.Error("the root itself is taken for a program")
	}
}

// Files of one machine number can still be of two kinds that do not mix.
func TestLibrariesOfAnotherABIArePassedOver(t *testing.T) {
	for _, tt := range []struct {
		program, library string
		taken            bool
	}{
		{"machine=riscv64 flags=5", "machine=riscv64 flags=4", true},
		{"machine=riscv64 flags=5", "machine=riscv64 flags=1", false},
		{"machine=mips", "machine=mips flags=0x400", false},
		{"machine=mips", "machine=mips flags=0x20", false},
		{"machine=mips flags=0x1000", "machine=mips flags=0x2000", true},
		{"machine=ppc64le flags=2", "machine=ppc64le", true},
		{"machine=ppc64 flags=1", "machine=ppc64 flags=2", false},
		{"machine=aarch64", "machine=aarch64 flags=7", true},
	} {
		root := elftest.MustRoot(t, "/ld.so elf glibc=/lib "+tt.program+`
			/app elf interp=/ld.so needed=liba.so runpath=/other:/lib `+tt.program+`
			/other/liba.so elf `+tt.library+`
			/lib/liba.so elf `+tt.program)
		c, err := resolve(t, root, "/app")
		if err != nil {
			t.Errorf("%v: %v", tt, err)
			continue
		}
		if got := slices.Contains(objectPaths(c.Programs[0]), "/other/liba.so"); got != tt.taken {
			t.Errorf("%s takes %s: got %v, want %v", tt.program, tt.library, got, tt.taken)
		}
	}
}

func FuzzResolve(f *testing.F) {
	const app = "interp=/ld.so needed=liba.so,libb.so filter=libf.so audit=libb.so rpath=$ORIGIN/../lib:/usr/$LIB:"
	cache, err := fs.ReadFile(elftest.MustRoot(f, "/c cache liba.so=/usr/lib/libb.so libb.so=/usr/lib/libb.so"), "c")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(build(f, app), build(f, "soname=liba.so needed=libb.so"), build(f, "needed=/lib/../lib/liba.so auxiliary=libx.so"),
		build(f, "soname=ld.so glibc=/lib:/usr/lib"), cache)
	f.Add(build(f, "needed=liba.so runpath=$ORIGIN"), build(f, "runpath=.. needed=libb.so"), build(f, "nodeflib needed=ld.so"),
		build(f, "glibc=/usr/lib"), []byte(nil))
	f.Add(build(f, "interp=/ld.so needed=app"), build(f, "machine=386"), build(f, "static"), build(f, "musl=x86_64"), cache)
	f.Add(build(f, "interp=/ld.so needed=libx.so,libx.so audit=libx.so:libx.so auxiliary=libx.so,libx.so"), build(f, "runpath='"+strings.Repeat("/a:", 1025)+"'"),
		build(f, "runpath=$ORIGIN$ORIGIN/$ORIGIN needed=liby.so,liba.so,liby.so"), build(f, "glibc=/lib:/usr/lib"), cache)
	f.Add(build(f, "machine=4711 class=64 data=lsb audit=$ORIGIN/libb.so"), build(f, "machine=4711 class=32 data=msb audit=$ORIGIN/../x"),
		build(f, "machine=4711 class=64 data=lsb"), build(f, "static"), cache)
	f.Fuzz(func(t *testing.T, app, liba, libb, loader, cache []byte) {
		c, err := resolve(t, fstest.MapFS{
			"bin/app": {Data: app}, "lib/liba.so": {Data: liba}, "usr/lib/libb.so": {Data: libb}, "usr/lib/libf.so": {Data: liba},
			"ld.so": {Data: loader}, "etc/ld.so.cache": {Data: cache},
		}, "/bin/app", "lib/liba.so")
		if err == nil && len(c.Programs) != 2 {
			t.Errorf("%d programs and no error", len(c.Programs))
		}
		for _, p := range c.Programs {
			for _, o := range p.Objects {
				for _, n := range o.Needs {
					if n.Object != nil && !slices.Contains(p.Objects, n.Object) {
						t.Errorf("%s, needed by %s, is not in the list", n.Name, o.Path)
					}
					if n.Object == nil && err == nil && n.Tag != elf.DT_AUXILIARY {
						t.Errorf("%s, needed by %s, is missing without an error", n.Name, o.Path)
					}
				}
			}
		}
	})
}

// Whatever a root is like, resolving ends, says the same each time, and leaves no
// need without an object or an error.
func FuzzResolveRoot(f *testing.F) {
	for _, r := range readRules(f) {
		f.Add(r.root, r.resolve)
	}
	f.Fuzz(func(t *testing.T, root, resolve string) {
		if len(root) > 1<<14 || strings.Count(resolve, "\n") > 20 {
			return
		}
		if _, err := elftest.ParseRoot(root); err != nil {
			return
		}
		r := rule{root: root, resolve: resolve + "\ntried\norder\n"}
		if _, err := elfdeps.ParsePriority(cmp.Or(r.option("dlopen"), "none")); err != nil {
			return
		}
		c, err := r.closure(t)
		var missing *elfdeps.MissingError
		if n := len(c.Missing()); (n > 0) != errors.As(err, &missing) {
			t.Errorf("%d needs are unmet, and the error is %v", n, err)
		}
		again, err2 := r.closure(t)
		if first, second := r.render(c, err), r.render(again, err2); first != second {
			t.Errorf("first\n%s\nthen\n%s", first, second)
		}
	})
}

// All programs of this machine, as `harvest deps` resolves them.
func BenchmarkResolve(b *testing.B) {
	names := systemPrograms(b, "/usr/bin", "/usr/sbin")
	b.ReportAllocs()
	for b.Loop() {
		host, err := rootfs.OpenHost("/")
		if err != nil {
			b.Fatal(err)
		}
		c, err := resolve(b, host, names...)
		if len(c.Programs) == 0 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(names)), "programs")
}

// A filter that the program names is looked at first.
func TestSelfIsTheProgramWhateverComesFirst(t *testing.T) {
	root := elftest.MustRoot(t, `
		/bin/app      elf interp=/lib64/ld.so needed=liba.so filter=libf.so
		/bin/static   elf static
		/lib64/ld.so  elf soname=ld.so glibc=/lib64/
		/lib64/liba.so elf soname=liba.so
		/lib64/libf.so elf soname=libf.so
	`)
	r := elfdeps.Resolver{FS: root}
	c, err := r.Resolve(t.Context(), "/bin/app", "/bin/static")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Programs {
		if p.Self().Path != p.Name || !slices.Contains(p.Objects, p.Self()) {
			t.Errorf("%s: got %s", p.Name, p.Self().Path)
		}
	}
	if first := c.Programs[0].Objects[0].Path; first != "/lib64/libf.so" {
		t.Errorf("%s comes first", first)
	}
}
