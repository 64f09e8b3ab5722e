package plan

import "testing"

func TestAPatternLeavesOutWhatItMatchesAndAllBelow(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.bak", "/a.bak", true},
		{"*.bak", "/etc/nginx/a.bak", true},
		{"*.bak", "/etc/a.bak/below", true},
		{"*.bak", "/etc/a.bakery", false},
		{"doc", "/usr/share/doc/README", true},
		{"doc/*.txt", "/usr/share/doc/a.txt", true},
		{"doc/*.txt", "/usr/share/doc/sub/a.txt", false},
		{"doc/**/*.txt", "/usr/share/doc/sub/deep/a.txt", true},
		{"doc/**/*.txt", "/usr/share/doc/a.txt", true},
		{"/doc", "/usr/share/doc", false},
		{"/usr/*/doc", "/usr/share/doc", true},
		{"/usr/*", "/usr", false},
		{"/usr/share/doc/", "/usr/share/doc", true},
		{"/usr/share/doc/**", "/usr/share/doc", false},
		{"/usr/share/doc/**", "/usr/share/doc/a/b", true},
		{"doc/**", "/usr/share/doc", false},
		{"doc/**", "/usr/share/doc/a", true},
		{"/**", "/usr", true},
		{"**", "/usr", true},
		{"/[ab]c", "/bc", true},
		{"{de,fr}", "/usr/share/locale/fr/x", true},
		{`\*`, "/a", false},
		{`\*`, "/*", true},
		{"?", "/ab", false},
	} {
		x, err := newExclusion(nil, []string{test.pattern})
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if got := x.covers(test.path); got != test.want {
			t.Errorf("--exclude %s covers %s: %v, want %v", test.pattern, test.path, got, test.want)
		}
		if test.want && x.pattern(test.path) != test.pattern {
			t.Errorf("--exclude %s does not say that it covers %s", test.pattern, test.path)
		}
	}
}
