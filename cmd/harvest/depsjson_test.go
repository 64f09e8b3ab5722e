package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/harvest-oci/harvest/elfdeps"
)

func TestEveryFieldOfJSONIsDescribed(t *testing.T) {
	data, err := os.ReadFile("../../docs/verbs/deps.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := jsonFields(reflect.TypeFor[jsonClosure](), map[reflect.Type]bool{})
	if len(fields) < 30 {
		t.Fatalf("only the fields %s were looked at", fields)
	}
	for _, field := range fields {
		if !strings.Contains(string(data), "`"+field+"`") {
			t.Errorf("docs/verbs/deps.md says nothing of %s", field)
		}
	}
}

// jsonFields returns the names of all fields below a type.
func jsonFields(typ reflect.Type, seen map[reflect.Type]bool) []string {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] {
		return nil
	}
	seen[typ] = true
	var names []string
	for _, field := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
		names = append(names, jsonFields(field.Type, seen)...)
	}
	return names
}

func TestEveryRuleHasAWordOfItsOwn(t *testing.T) {
	words := make(map[string]bool)
	kind := elfdeps.RuleKind(0)
	for ; kind == 0 || (elfdeps.Rule{Kind: kind}).String() != "not found"; kind++ {
		if word := ruleKinds[kind]; word == "" || words[word] {
			t.Errorf("%v has the word %q", elfdeps.Rule{Kind: kind}, word)
		} else {
			words[word] = true
		}
	}
	if len(ruleKinds) != int(kind) {
		t.Errorf("%d words for %d kinds of rules", len(ruleKinds), kind)
	}
}
