package elfdeps_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/elfdeps"
)

func TestAllYieldsInterpretersOnceAfterTheScript(t *testing.T) {
	executable := func(data string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(data), Mode: 0o755} }
	static := string(build(t, "static"))
	root := fstest.MapFS{
		"bin/a":   executable("#!/bin/env b\n"),
		"bin/b":   executable("#!/bin/sh\n"),
		"bin/sh":  executable(static),
		"bin/env": executable(static),
	}
	r := elfdeps.Resolver{FS: root, Path: []string{"/bin"}}
	c, err := r.Resolve(t.Context(), "/bin/a", "/bin/b", "/bin/sh", "/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for p := range c.All() {
		names = append(names, p.Name)
	}
	if got, want := strings.Join(names, " "), "/bin/a /bin/env /bin/b /bin/sh /bin/b /bin/sh /bin/sh"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for p := range c.All() {
		if p.Name == "/bin/b" {
			break // and no more is yielded, or range panics
		}
	}
	if arch := c.Programs[0].Self().Arch.String(); arch != "linux/amd64" {
		t.Errorf("a script is for %s", arch)
	}
}

// Whatever the first line is, reading it ends, goes by no more than the kernel
// reads, and gives what the kernel can open; and so does following it.
func FuzzScript(f *testing.F) {
	for _, line := range []string{
		"#!/bin/sh\n", "#! \t/bin/sh -e \t\r\n", "#!/bin/sh\x00-e", "#!", "#!\n", "#! ", "#!/" + strings.Repeat("a", 300),
		"#!/bin/sh " + strings.Repeat("a ", 200), "#!/bin/self a\n", "#!/bin/env self\n", "#!/bin/env -S -iu A\\_B=c PATH=/bin:${PATH} 'se''lf' # x\n",
		"#!/bin/env -S \"-S -S --split=${PATH}\"\n", "#!/bin/env -vC/bin -S./self\n", "\x7fELF",
	} {
		f.Add([]byte(line))
	}
	static := build(f, "static")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := elfdeps.ParseScript(data)
		if head, err2 := elfdeps.ParseScript(data[:min(len(data), elfdeps.ScriptHead)]); (err == nil) != (err2 == nil) || err == nil && *head != *s {
			t.Errorf("%v and %v, and of the head alone %v and %v", s, err, head, err2)
		}
		switch {
		case err != nil && !errors.Is(err, elfdeps.ErrNotELF):
			t.Errorf("got %v", err)
		case err == nil && (s.Interp == "" || strings.ContainsAny(s.Interp, " \t\n\x00") || strings.ContainsAny(s.Arg, "\n\x00") || strings.HasPrefix(s.Arg, " ")):
			t.Errorf("got %q and %q", s.Interp, s.Arg)
		}
		root := fstest.MapFS{
			"bin/self": {Data: data, Mode: 0o755}, "bin/sh": {Data: static, Mode: 0o755}, "bin/env": {Data: static, Mode: 0o755},
		}
		r := elfdeps.Resolver{FS: root, Path: []string{"/bin"}}
		c, err := r.Resolve(t.Context(), "/bin/self")
		if err == nil && (len(c.Programs) != 1 || c.Programs[0].Self().Arch.String() != "linux/amd64") {
			t.Errorf("%d programs, and no error", len(c.Programs))
		}
	})
}
