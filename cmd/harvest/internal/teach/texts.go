package teach

import (
	_ "embed" // for the texts
	"fmt"
	"slices"
	"strings"
	"text/template"

	yaml "go.yaml.in/yaml/v3"
)

// A Language is one in which the texts are.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// Languages returns all there are.
func Languages() []Language { return []Language{English, Chinese} }

// ParseLanguage reads the name of a language; ok is false if there is none of that
// name.
func ParseLanguage(name string) (_ Language, ok bool) {
	return Language(name), slices.Contains(Languages(), Language(name))
}

// LanguageOf returns the language of a locale, as locale(7) has it: "zh_CN.UTF-8".
// It is English if the texts are in no such language.
func LanguageOf(locale string) Language {
	name, _, _ := strings.Cut(locale, ".")
	name, _, _ = strings.Cut(name, "_")
	if l, ok := ParseLanguage(name); ok {
		return l
	}
	return English
}

//go:embed texts.yaml
var textsFile []byte

// texts are what is said, by key: "tar.title".
type texts struct {
	templates *template.Template
	language  Language
}

// newTexts reads the texts of a language.
func newTexts(l Language) (*texts, error) {
	all, err := readTexts(textsFile)
	if err != nil {
		return nil, err
	}
	t := &texts{template.New("").Option("missingkey=error"), l}
	for key, in := range all {
		if _, err := t.templates.New(key).Parse(in[l]); err != nil {
			return nil, fmt.Errorf("%s: %w", l, err)
		}
	}
	return t, nil
}

// readTexts returns each text in all languages.
func readTexts(data []byte) (map[string]map[Language]string, error) {
	var sections map[string]map[string]map[Language]string
	if err := yaml.Unmarshal(data, &sections); err != nil {
		return nil, err
	}
	all := make(map[string]map[Language]string)
	for section, texts := range sections {
		for name, in := range texts {
			all[section+"."+name] = in
		}
	}
	return all, nil
}

// values are what a text has places for.
type values map[string]any

// say returns a text with values in it. One that is not there is a mistake of the
// program.
func (t *texts) say(key string, v values) string {
	var b strings.Builder
	if err := t.templates.ExecuteTemplate(&b, key, v); err != nil {
		panic("BUG: " + err.Error())
	}
	return strings.TrimSpace(b.String())
}

// has reports whether there is a text of a key.
func (t *texts) has(key string) bool { return t.templates.Lookup(key) != nil }
