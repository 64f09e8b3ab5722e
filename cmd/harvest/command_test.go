package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
	"github.com/harvest-oci/harvest/pack"
)

// talk runs a command line on streams that a test chooses, and returns what it
// says.
func talk(t *testing.T, s streams, args ...string) (out, err string, code int) {
	t.Helper()
	var outBuf, errBuf bytes.Buffer
	s.out, s.err = &outBuf, &errBuf
	if s.getenv == nil {
		s.getenv = func(string) string { return "" }
	}
	code = run(t.Context(), s, args)
	return outBuf.String(), errBuf.String(), code
}

func TestNoArchiveGoesOntoATerminal(t *testing.T) {
	out, err, code := talk(t, streams{outTerm: true}, "--bin", "none", "-o", "-")
	want := `harvest: error: an archive is not written to a terminal
harvest: hint: pipe it (harvest ... -o - | docker load), or write a file with -o FILE
`
	if out != "" || err != want || code != exitUsage {
		t.Errorf("got %q, exit code %d and\n%swant\n%s", out, code, err, want)
	}
}

func TestOnlyALinuxRootIsHarvested(t *testing.T) {
	verb := newRootCmd(streams{})
	for _, test := range []struct {
		root, goos string
		want       string
	}{
		{"/", "linux", ""},
		{"/some/root", "darwin", ""},
		{"/", "darwin", "there are no Linux programs below /: this is darwin"},
		{"//", "darwin", "there are no Linux programs below /: this is darwin"},
	} {
		err := checkRoot(test.root, test.goos)
		if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != test.want {
			t.Errorf("checkRoot(%q, %q) = %q, want %q", test.root, test.goos, got, test.want)
		}
		if err != nil && hint(verb, err) != "name the folder of a Linux root with --root DIR" {
			t.Errorf("hint(%v) = %q", err, hint(verb, err))
		}
	}
}

func TestComplainSpeaksOfPathsRatherThanOperations(t *testing.T) {
	open := &fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT}
	for _, test := range []struct {
		err  error
		want string
	}{
		{open, "/x: no such file or directory"},
		{fmt.Errorf("adding /x: %w", open), "adding /x: no such file or directory"},
		{fmt.Errorf("reading: %w", open), "reading: /x: no such file or directory"},
		{errors.New("plain"), "plain"},
		{errors.Join(open, errors.Join(errors.New("two"), errors.New("three\nlines"))),
			"/x: no such file or directory\ntwo\nthree\nlines"},
		{fmt.Errorf("%w: %w", errors.New("both"), syscall.EIO), "both: input/output error"},
	} {
		var b strings.Builder
		complain(&b, newRootCmd(streams{}), test.err)
		want := ""
		for line := range strings.Lines(test.want) {
			want += "harvest: error: " + strings.TrimSpace(line) + "\n"
		}
		if b.String() != want {
			t.Errorf("complain(%q):\ngot\n%swant\n%s", test.err, b.String(), want)
		}
	}
}

func TestSizesAreWrittenAsPeopleWriteThem(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 99500: "100 kB", 999499: "999 kB", 999500: "1.0 MB",
		3682304: "3.7 MB", 5e9: "5.0 GB", 7e15: "7000 TB",
	} {
		if got := units.Size(n); got != want {
			t.Errorf("units.Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestShellWordsSurviveAShell(t *testing.T) {
	for word, want := range map[string]string{
		"a/b.tar": "a/b.tar", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", word, got, want)
		}
	}
}

func TestLongListsAreShortened(t *testing.T) {
	for _, test := range []struct {
		words string
		want  string
	}{
		{"", ""},
		{"one", "one"},
		{"one two three", "one two and 1 more"},
		{"averyverylongword next", "averyverylongword and 1 more"},
	} {
		if got := shorten(strings.Fields(test.words), 8); got != test.want {
			t.Errorf("shorten(%q) = %q, want %q", test.words, got, test.want)
		}
	}
}

// slowLayer is a layer of ten bytes that takes its time before the last.
type slowLayer struct{ wait func() }

func (slowLayer) Size() (int64, error) { return 10, nil }
func (slowLayer) Blob() pack.Blob      { return pack.Blob{} }

func (l slowLayer) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(make([]byte, 9))
	l.wait()
	m, err2 := w.Write(make([]byte, 1))
	return int64(n + m), errors.Join(err, err2)
}

func TestProgressIsShownForSlowWorkOnATerminalOnly(t *testing.T) {
	for _, test := range []struct {
		name  string
		s     streams
		quiet bool
		wait  time.Duration
		want  string
	}{
		{"slow", streams{progress: true}, false, progressDelay + time.Millisecond,
			"\r\x1b[Kpacking 9 B of 10 B, 90 %\r\x1b[K"},
		{"fast", streams{progress: true}, false, progressDelay - time.Millisecond, ""},
		{"quiet", streams{progress: true}, true, time.Hour, ""},
		{"no terminal", streams{}, false, time.Hour, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				test.s.err = &b
				p := startProgress(test.s, test.quiet, "packing")
				l := watchedLayer{slowLayer{func() { time.Sleep(test.wait) }}, t.Context(), p}
				if _, err := l.WriteTo(io.Discard); err != nil {
					t.Fatal(err)
				}
				p.stop()
				if got := b.String(); got != test.want {
					t.Errorf("progress wrote %q, want %q", got, test.want)
				}
			})
		})
	}
}
