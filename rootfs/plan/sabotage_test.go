package plan

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

const sabotaged = `
	/bin/app        elf interp=/lib64/ld.so needed=liba.so,libb.so
	/lib64/ld.so    elf soname=ld.so glibc=/lib/:/lib64/
	/lib/liba.so    elf soname=liba.so
	/lib/libb.so    elf soname=libb.so needed=liba.so
	/lib/ld.so      elf soname=ld.so glibc=/lib/:/lib64/ text=other
	/lib/strict.so  elf soname=ld.so glibc=/lib/strict/:/lib64/
	/lib/libother   elf soname=liba.so text=other
	/lib/copy       elf soname=liba.so
	/lib/arm        elf soname=liba.so machine=aarch64
`

// The law must be able to fail: each case spoils the tree of a good plan.
func TestTheLawNoticesSabotage(t *testing.T) {
	tests := []struct {
		name  string
		spoil map[string]string // path -> path on the host to take instead, "" for nothing
		want  string
	}{
		{"nothing", nil, ""},
		{"a library is a copy", map[string]string{"/lib/liba.so": "/lib/copy"}, ""},
		{"a library is gone", map[string]string{"/lib/liba.so": ""},
			"in the image /bin/app would not find liba.so, which is /lib/liba.so on the host"},
		{"a library of a library is gone", map[string]string{"/lib/libb.so": ""},
			"in the image /bin/app would not find libb.so, which is /lib/libb.so on the host"},
		{"a library is another one", map[string]string{"/lib/liba.so": "/lib/libother"},
			"in the image /bin/app would load /lib/liba.so as liba.so instead of the host's /lib/liba.so"},
		{"a library is for another machine", map[string]string{"/lib/liba.so": "/lib/arm"},
			"in the image /bin/app would not find liba.so, which is /lib/liba.so on the host"},
		{"the loader is another one", map[string]string{"/lib64/ld.so": "/lib/ld.so"},
			"in the image /bin/app would load /lib64/ld.so as /lib64/ld.so instead of the host's /lib64/ld.so"},
		{"the loader searches elsewhere", map[string]string{"/lib64/ld.so": "/lib/strict.so", "/etc/ld.so.cache": ""}, `
			in the image /bin/app would load /lib64/ld.so as /lib64/ld.so instead of the host's /lib64/ld.so
			in the image /bin/app would not find liba.so, which is /lib/liba.so on the host
			in the image /bin/app would not find libb.so, which is /lib/libb.so on the host`},
		{"the loader is gone", map[string]string{"/lib64/ld.so": ""}, `
			in the image /bin/app would not find /lib64/ld.so, which is /lib64/ld.so on the host
			in the image /bin/app would not find liba.so, which is /lib/liba.so on the host
			in the image /bin/app would not find libb.so, which is /lib/libb.so on the host`},
		{"the program is another one", map[string]string{"/bin/app": "/lib/libother"}, `
			in the image /bin/app would load /bin/app as /bin/app instead of the host's /bin/app
			in the image /bin/app would not find /lib64/ld.so, which is /lib64/ld.so on the host
			in the image /bin/app would not find liba.so, which is /lib/liba.so on the host
			in the image /bin/app would not find libb.so, which is /lib/libb.so on the host`},
		{"the program is gone", map[string]string{"/bin/app": ""},
			"inside the image: resolving /bin/app: file does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := spoiltLaw(t, sabotaged, Spec{Programs: []Input{{Source: "/bin/app"}}, Bare: true}, tt.spoil)
			if got, want := text(err), strings.TrimSpace(strings.ReplaceAll(tt.want, "\t", "")); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// namesakes has libraries of one name: for those who look beside themselves,
// for a program and for its auditor, which have a namespace each.
const namesakes = `
	/lib64/ld.so    elf soname=ld.so glibc=/lib/:/lib64/
	/opt/a/app      elf interp=/lib64/ld.so needed=$ORIGIN/libx.so,/opt/p/liba.so,liby.so runpath=/opt/u audit=/opt/a/aud.so
	/opt/a/libx.so  elf text=a
	/opt/p/liba.so  elf soname=liba.so needed=$ORIGIN/libx.so
	/opt/p/libx.so  elf text=p
	/opt/u/liby.so  elf soname=liby.so text=u
	/opt/a/aud.so   elf soname=aud.so needed=liby.so runpath=/opt/y
	/opt/y/liby.so  elf soname=liby.so text=y
`

// Whichever of them goes, the others answer under its name.
func TestTheLawNoticesSabotageOfNamesakes(t *testing.T) {
	tests := []struct{ gone, want string }{
		{"/opt/a/libx.so", "in the image /opt/a/app would not find $ORIGIN/libx.so, which is /opt/a/libx.so on the host"},
		{"/opt/p/libx.so", "in the image /opt/a/app would not find $ORIGIN/libx.so, which is /opt/p/libx.so on the host"},
		{"/opt/u/liby.so", "in the image /opt/a/app would not find liby.so, which is /opt/u/liby.so on the host"},
		{"/opt/y/liby.so", "in the image /opt/a/app would not find liby.so, which is /opt/y/liby.so on the host"},
	}
	for _, tt := range tests {
		t.Run(tt.gone, func(t *testing.T) {
			spec := Spec{Programs: []Input{{Source: "/opt/a/app"}}, Bare: true}
			err := spoiltLaw(t, namesakes, spec, map[string]string{tt.gone: ""})
			if text(err) != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", text(err), tt.want)
			}
			if err := spoiltLaw(t, namesakes, spec, nil); err != nil {
				t.Errorf("without sabotage: %v", err)
			}
		})
	}
}

// A tree in which needs are unmet is not right because the host is no better.
func TestTheLawWantsNeedsMet(t *testing.T) {
	host := sabotagedHost(t, `
		/lib64/ld.so   elf soname=ld.so glibc=/lib/:/lib64/
		/bin/app       elf interp=/lib64/ld.so needed=libgone.so
	`)
	p, err := Make(t.Context(), host, Spec{Programs: []Input{{Source: "/bin/app"}}, Bare: true})
	if err == nil {
		t.Fatal("no error but a plan")
	}
	spec := Spec{Programs: []Input{{Source: "/bin/app"}}, Bare: true}
	b := builder{plan: p, host: host, spec: spec, tree: &rootfs.Tree{}}
	if err := b.build(); err != nil {
		t.Fatal(err)
	}
	const want = "inside the image: libgone.so, needed by /bin/app: not found in ld.so.cache (absent or unusable); default directories /lib, /lib64"
	if err := b.checkLaw(t.Context()); text(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// spoiltLaw returns what the law says of a plan whose tree has been spoilt.
func spoiltLaw(t *testing.T, root string, spec Spec, spoil map[string]string) error {
	t.Helper()
	host := sabotagedHost(t, root)
	p, err := Make(t.Context(), host, spec)
	if err != nil {
		t.Fatal(err)
	}
	b := builder{plan: p, host: host, spec: spec, tree: spoilt(t, host, p.Tree, spoil)}
	return b.checkLaw(t.Context())
}

func sabotagedHost(t *testing.T, root string) *rootfs.Host {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, elftest.MustRoot(t, root)); err != nil {
		t.Fatal(err)
	}
	host, err := rootfs.OpenHost(dir)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// spoilt returns the tree with other files of the host at some paths.
func spoilt(t *testing.T, host *rootfs.Host, tree *rootfs.Tree, spoil map[string]string) *rootfs.Tree {
	t.Helper()
	result := &rootfs.Tree{}
	for e := range tree.All() {
		var err error
		switch src, ok := spoil[e.Path]; {
		case !ok:
			err = result.Add(e)
		case src != "":
			err = result.AddHostAs(host, src, e.Path, rootfs.Reason{Kind: "sabotage"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return result
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A cancelled context ends the check with its error, not with a plan.
func TestTheLawIsNotPassedByGivingUp(t *testing.T) {
	host := sabotagedHost(t, sabotaged)
	p, err := Make(t.Context(), host, Spec{Programs: []Input{{Source: "/bin/app"}}, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := builder{plan: p, host: host, tree: p.Tree}
	if err := b.checkLaw(ctx); text(err) != "inside the image: context canceled" {
		t.Errorf("got %v", err)
	}
}
