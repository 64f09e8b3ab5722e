package teach

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"text/template/parse"
	"unicode"
)

// Every text is there in all languages, and takes the same values in each.
func TestTextsAreThereInAllLanguages(t *testing.T) {
	all, err := readTexts(textsFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d texts were found", len(all))
	}
	for key, in := range all {
		if got := slices.Sorted(maps.Keys(in)); !slices.Equal(got, Languages()) {
			t.Errorf("%s is in %q, want %q", key, got, Languages())
			continue
		}
		if got, want := fieldsOf(t, in[Chinese]), fieldsOf(t, in[English]); !slices.Equal(got, want) {
			t.Errorf("%s takes %q in Chinese, and %q in English", key, got, want)
		}
		if bare := field.ReplaceAllString(in[English], ""); strings.ContainsFunc(bare, unicode.IsLetter) &&
			!strings.ContainsFunc(in[Chinese], isHan) || strings.ContainsFunc(in[English], isHan) {
			t.Errorf("%s is not in two languages: %q, %q", key, in[English], in[Chinese])
		}
	}
}

var field = regexp.MustCompile(`\{\{.*?\}\}`)

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// fieldsOf returns the values that a text takes, as often as it does.
func fieldsOf(t *testing.T, text string) []string {
	t.Helper()
	tmpl, err := template.New("").Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	var walk func(parse.Node)
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, below := range n.Nodes {
					walk(below)
				}
			}
		case *parse.ActionNode:
			walk(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c)
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(a)
			}
		case *parse.FieldNode:
			found[n.String()] = true
		case *parse.RangeNode:
			walk(n.Pipe)
			walk(n.List)
		case *parse.IfNode:
			walk(n.Pipe)
			walk(n.List)
			walk(n.ElseList)
		}
	}
	walk(tmpl.Root)
	return slices.Sorted(maps.Keys(found))
}

// Every text that the code names is there, and every one that is there is named,
// but for the reasons, which are named by plans.
func TestTextsAreThoseThatAreNamed(t *testing.T) {
	all, err := readTexts(textsFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for key := range all {
		section, _, _ := strings.Cut(key, ".")
		sections[section] = true
	}
	named := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z]+)\.([a-z_]+)"`).FindAllStringSubmatch(string(code), -1) {
			key := m[1] + "." + m[2]
			named[key] = true
			if sections[m[1]] && all[key] == nil && m[2] != "json" {
				t.Errorf("%s: %s is no text", file, key)
			}
		}
	}
	for key := range all {
		if !named[key] && !strings.HasPrefix(key, "why.") {
			t.Errorf("nothing says %s", key)
		}
	}
}

func TestLanguageOfALocale(t *testing.T) {
	for locale, want := range map[string]Language{
		"": English, "C": English, "C.UTF-8": English, "en_GB.UTF-8": English, "de_DE": English, "zhx": English,
		"zh": Chinese, "zh_CN.UTF-8": Chinese, "zh_TW": Chinese,
	} {
		if got := LanguageOf(locale); got != want {
			t.Errorf("%q: got %s, want %s", locale, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string][]string{
		"one two three":      {"one two", "three"},
		"a verylongwordthat": {"a", "verylongwordthat"},
		"层摘要是，数字":            {"层摘要", "是，数", "字"},
		"用 tar\n打包":          {"用 tar", "打包"},
		"一二三\n四五":            {"一二三四", "五"},
		"（一）二三":              {"（一）二", "三"},
	} {
		most := 8
		if text == "层摘要是，数字" {
			most = 7
		}
		if got := fold(text, most); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
