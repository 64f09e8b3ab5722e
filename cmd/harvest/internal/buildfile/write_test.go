package buildfile_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
)

// awkward are texts that YAML has a meaning for, or quotes in some way.
var awkward = []string{
	"", "plain", "true", "null", "~", "- a", "a: b", "a:b", "#c", " before", "after ", "two\nlines", "\n", "\ttab", "é", "\x01", "\x7f",
	"'", `"`, `\`, "[x", "]", "{", "}", "a, b", ",", "&a", "*b", "!t", "%", "@", "`", "|", ">", "?", ": ", "0x10", "0750", "1e3", ".inf", "2001-01-01", "<<", "=",
	"---", "...", "\u2028", "\u0085", "\ufeff", "\U0001F600", "yes", "1_000", "aGVsbG8=", strings.Repeat("long text ", 40),
}

// textsFor returns awkward values of a flag that a key of a form may stand for.
func textsFor(form buildfile.Form) [][]string {
	with := func(prefix string) (texts []string) {
		for _, s := range awkward {
			if !strings.Contains(s, ";") {
				texts = append(texts, prefix+s)
			}
		}
		return texts
	}
	one := func(texts []string) (lists [][]string) {
		for _, s := range texts {
			lists = append(lists, []string{s})
		}
		return lists
	}
	switch form {
	case buildfile.Switch:
		return [][]string{{"true"}, {"false"}}
	case buildfile.Text:
		return one(with(""))
	case buildfile.Path, buildfile.Image, buildfile.Output:
		return one(with("/"))
	case buildfile.Command:
		words, err := json.Marshal(awkward)
		if err != nil {
			panic(err)
		}
		return append(one(with("")), []string{string(words)}, []string{"[]"})
	case buildfile.Pairs:
		return [][]string{with("NAME="), {"A=1", "B=2", "A=3"}, {"no pair"}, {"A= b"}}
	case buildfile.List:
		return [][]string{awkward, {"one"}}
	}
	return [][]string{with("/"), {"/one"}}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, key := range buildfile.Keys() {
		for _, values := range textsFor(key.Form) {
			var b strings.Builder
			err := buildfile.Write(&b, buildfile.Contents{
				Values: map[string][]string{key.Flag: slices.Clone(values)}, From: ".", OwnRoot: true,
				Exists: func(string) bool { return true },
			})
			if err != nil {
				t.Errorf("%s of %q: %v", key.Path, values, err)
				continue
			}
			settings, err := buildfile.Read(buildfile.Stdin, strings.NewReader(b.String()))
			if err != nil {
				t.Errorf("%s of %q: %v", key.Path, values, err)
				continue
			}
			var got []string
			for _, s := range settings {
				if s.Flag != key.Flag {
					t.Errorf("%s of %q is read as --%s, too", key.Path, values, s.Flag)
				}
				got = append(got, s.Value(true, func(string) bool { return true }))
			}
			if !slices.Equal(got, values) {
				t.Errorf("%s: got  %q\nwant %q", key.Path, got, values)
			}
		}
	}
}

// A user who takes away the # of a key that nothing was given for gets its example.
func TestExamplesAreTrue(t *testing.T) {
	var b strings.Builder
	if err := buildfile.Write(&b, buildfile.Contents{}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if text := strings.TrimLeft(line, " "); strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "# ") {
			lines = append(lines, strings.Replace(line, "#", "", 1))
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("base.yaml", []byte("layout: flat\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	settings, err := buildfile.Read(buildfile.Stdin, strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]bool)
	for _, s := range settings {
		said[s.Flag] = true
	}
	if len(said) != len(buildfile.Keys()) {
		t.Errorf("%d keys of %d: %v", len(said), len(buildfile.Keys()), slices.Sorted(maps.Keys(said)))
	}
}

func TestPathsAreWrittenAsTheFileSeesThem(t *testing.T) {
	contents := buildfile.Contents{
		Values: map[string][]string{"bin": {"bash", "./a:/b", "/c"}, "add": {"d"}, "from": {"base.tar"}, "root": {"r"}, "library-path": {"$ORIGIN:l"}},
		From:   "../..", OwnRoot: true, Exists: func(name string) bool { return name == "base.tar" },
	}
	var b strings.Builder
	if err := buildfile.Write(&b, contents); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[bash, '../../a:/b', /c]", "[../../d]", "from: ../../base.tar", "root: ../../r", "'$ORIGIN:../../l'"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	if err := buildfile.Write(&b, buildfile.Contents{Values: map[string][]string{"tag": {"\xff"}}}); err == nil {
		t.Error("a file holds what is no UTF-8")
	}
}
