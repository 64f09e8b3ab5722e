package elfdeps_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/elfdeps/elftest"
	"github.com/harvest-oci/harvest/rootfs"
)

func paths(t testing.TB, data []byte) []string {
	t.Helper()
	found, err := elfdeps.Paths(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Error(err)
	}
	return found
}

func TestPathsAreTextsThatAreNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"\x00/etc/app.conf\x00":                   "/etc/app.conf",
		"\x00/etc/a:/usr/etc/a:b\x00":             "/etc/a /usr/etc/a",
		"\x00share/app/data\x00libexec/app\x00":   "share/app/data libexec/app",
		"\x00usage: app /etc/app.conf\x00":        "",
		"\x00http://example.com/etc\x00":          "",
		"\x00myshare/app\x00":                     "",
		"\x00/etc/app\n\x00":                      "",
		"\x00/a\x00":                              "",
		"\x00/etc/app\x00text\x00/etc/app\x00":    "/etc/app",
		"\x00/usr/lib/%s/app\x00/usr/share/x\x00": "/usr/lib/%s/app /usr/share/x",
	} {
		file := elftest.File{Interp: "/lib/ld.so", Text: []byte(text)}
		got := slices.DeleteFunc(paths(t, file.Bytes()), func(p string) bool { return p == "/lib/ld.so" })
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A path counts wherever it lies, at the edges of what is read at once too, and
// never in part.
func TestPathsAcrossWindows(t *testing.T) {
	const want = "/usr/share/application"
	for _, filler := range []int{1<<18 - 30, 1<<18 - 4097, 1<<18 - 4096, 1 << 18, 1 << 19} {
		for shift := range 64 {
			text := strings.Repeat("x", filler+shift) + "\x00" + want + "\x00end"
			file := elftest.File{Text: []byte(text)}
			if got := paths(t, file.Bytes()); !slices.Equal(got, []string{want}) {
				t.Fatalf("%d bytes before it: %q", filler+shift, got)
			}
		}
	}
}

// Whatever strings(1) finds that is a path in a part of a program that is no code
// is found here, too.
func TestPathsOfRealPrograms(t *testing.T) {
	if _, err := exec.LookPath("strings"); err != nil {
		t.Skip("strings is not installed")
	}
	host, err := rootfs.OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/usr/bin/bash", "/usr/bin/perl", "/usr/bin/git"} {
		out, err := exec.Command("strings", "-d", program).Output()
		if err != nil {
			t.Logf("%s: %v", program, err)
			continue
		}
		got := paths(t, contents(t, host, program[1:]))
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "/usr/share/") && !strings.ContainsAny(line, ": ") && !slices.Contains(got, line) {
				t.Errorf("%s: %s is missing", program, line)
			}
		}
	}
}

func BenchmarkPaths(b *testing.B) {
	text := strings.Repeat("some words\x00a/b\x00/usr/share/app\x00", 1<<16)
	file := elftest.File{Text: []byte(text)}
	data := file.Bytes()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := elfdeps.Paths(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}
