package main

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		`bash -c "echo  hello"`:   {"bash", "-c", "echo  hello"},
		`echo 'it''s' a\ b "" $x`: {"echo", "its", "a b", "", "$x"},
		`["a b", "\""]`:           {"a b", `"`},
		"":                        nil,
	} {
		got, err := words("--cmd", text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
