package pack

import "testing"

// What is counted is never less than what there is.
func TestValuesOfADocumentAreCounted(t *testing.T) {
	for doc, want := range map[string]int{
		`0`: 1, `{}`: 2, `[1,2,3]`: 4, `{"a":[{},{"b":"c,[{"}]}`: 6, `["\"",",\\",","]`: 4, `"`: 1, `["\`: 2,
	} {
		if got := countValues([]byte(doc)); got != want {
			t.Errorf("%s: %d, want %d", doc, got, want)
		}
	}
}
