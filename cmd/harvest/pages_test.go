package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
)

// Every verb has a page, which shows the verb at work, leads to its manual, and is
// led to by the index of all pages. build.md is that of harvest without a verb.
func TestEveryVerbHasAPage(t *testing.T) {
	index := read(t, "../../docs/README.md")
	pages := map[string]bool{"build.md": true}
	for _, cmd := range newRootCmd(streams{}).Commands() {
		verb := cmd.Name()
		if verb == "completion" || verb == "help" {
			continue // --help says it all
		}
		pages[verb+".md"] = true
		page := read(t, "../../docs/verbs/"+verb+".md")
		if !strings.Contains(page, "```console\n") || !strings.Contains(page, "harvest "+verb+" ") {
			t.Errorf("docs/verbs/%s.md does not show harvest %s", verb, verb)
		}
		if manual := "](../man/harvest-" + verb + ".1)"; !strings.Contains(page, manual) {
			t.Errorf("docs/verbs/%s.md has no [...%s", verb, manual)
		}
	}
	files, err := os.ReadDir("../../docs/verbs")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f.Name()] {
			t.Errorf("docs/verbs/%s is of no verb", f.Name())
		}
		if !strings.Contains(index, "](verbs/"+f.Name()+")") {
			t.Errorf("docs/README.md does not lead to verbs/%s", f.Name())
		}
	}
}

// From the README in either language, all pages are to be found.
func TestIndexLeadsToEveryPage(t *testing.T) {
	for _, readme := range []string{"README.md", "README.zh.md"} {
		if !strings.Contains(read(t, "../../"+readme), "](docs/README.md)") {
			t.Errorf("%s does not lead to docs/README.md", readme)
		}
	}
	index := read(t, "../../docs/README.md")
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// The page on loaders explains each rule by the words that deps has for it.
func TestEveryRuleIsExplained(t *testing.T) {
	page := read(t, "../../docs/loader.md")
	kind := elfdeps.RuleNone + 1
	for ; ; kind++ {
		text := elfdeps.Rule{Kind: kind}.String()
		if text == (elfdeps.Rule{}).String() {
			break
		}
		words, _, _ := strings.Cut(text, ` ""`) // no element of a path
		if !strings.Contains(page, "`"+strings.TrimSpace(words)) {
			t.Errorf("docs/loader.md says nothing of %q", words)
		}
	}
	if kind < 10 {
		t.Errorf("only %d rules were found", kind)
	}
}

var (
	pageLink    = regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]+))?\)`)
	pageHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notOfAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// What a page links to is there: the file, and the heading in it.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	checked := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		pages, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			for _, link := range pageLink.FindAllStringSubmatch(read(t, page), -1) {
				checked++
				target := page
				if link[1] != "" {
					target = filepath.Join(filepath.Dir(page), link[1])
				}
				switch _, err := os.Stat(target); {
				case err != nil:
					t.Errorf("%s links to %s: %v", page, link[0], err)
				case link[2] != "" && !hasAnchor(read(t, target), link[2]):
					t.Errorf("%s links to %s, where there is no such heading", page, link[0])
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links were found", checked)
	}
}

// hasAnchor reports whether a heading of the page has an anchor, as GitHub calls it.
func hasAnchor(page, anchor string) bool {
	for _, h := range pageHeading.FindAllStringSubmatch(page, -1) {
		name := notOfAnchor.ReplaceAllString(strings.ToLower(h[1]), "")
		if strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
