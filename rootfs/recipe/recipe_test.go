package recipe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/harvest-oci/harvest/rootfs/recipe"
)

func read(t testing.TB, files ...string) (*recipe.Book, error) {
	t.Helper()
	dir := make(fstest.MapFS)
	for i := 0; i < len(files); i += 2 {
		dir[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return recipe.Read(dir)
}

func TestRecipesOfThePackageAreWhole(t *testing.T) {
	b, err := recipe.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"certs", "tz", "locale", "terminfo", "gconv", "nss", "magic", "openssl", "fonts", "shell"} {
		if b.Named(name) == nil {
			t.Errorf("there is no %s", name)
		}
	}
	if b.Named("no-such") != nil {
		t.Error("there is one that is not")
	}
}

func TestARecipeOfOnesOwnComesFirst(t *testing.T) {
	b, err := read(t, "certs.yaml", "about: mine", "new.yaml", "about: new\nwith: [certs]", "README", "no recipe")
	if err != nil {
		t.Fatal(err)
	}
	if b.Named("certs").About != "mine" || b.Named("new") == nil {
		t.Error("recipes of one's own are not read")
	}
	if !slices.IsSortedFunc(b.Recipes, func(x, y *recipe.Recipe) int { return strings.Compare(x.Name, y.Name) }) {
		t.Error("recipes are not sorted")
	}
}

func TestWhatIsWrongWithARecipeIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "recipe x.yaml: it is empty",
		"about: a\nwen: []":             "recipe x.yaml: line 2: key wen not found",
		"about: a\nwhen:\n  - sonam: x": "recipe x.yaml: line 3: no clue is called sonam; there are program, soname, dlopen, symbol, path, env, package",
		"about: a\nwhen:\n  - {soname: x, env: y}":      "recipe x.yaml: line 3: a clue is one kind and one pattern",
		"about: a\nwhen:\n  - soname: '['":              `recipe x.yaml: line 3: "[" is no pattern`,
		"about: a\nadd: [etc/x]":                        `recipe x.yaml: "etc/x" is no path from the root; {lib}, {prefix} and {name} are replaced`,
		"about: a\nadd: ['/etc/{x}']":                   `recipe x.yaml: "/etc/{x}" is no path from the root; {lib}, {prefix} and {name} are replaced`,
		"about: a\nwith: [y]":                           "recipe x.yaml: there is no recipe y",
		"add: [/etc/x]":                                 "recipe x.yaml: it does not say what it is about",
		"about: a\nfolders: [{path: /x, mode: 755}]":    "recipe x.yaml: line 2: mode 755 is none: give it as in 0755",
		"about: a\nfolders: [{path: /x, mode: 010755}]": "recipe x.yaml: line 2: mode 010755 is none: give it as in 0755",
		"about: a\nfolders: [{path: /x/../y}]":          `recipe x.yaml: folder "/x/../y" is no clean path from the root`,
		"about: a\nfolders: [{path: /}]":                `recipe x.yaml: folder "/" is no clean path from the root`,
		"about: a\nenv: {A=B: c, D: e, '': f}":          "recipe x.yaml: \"=f\" is no variable\n\"A=B=c\" is no variable",
		"about: a\nprograms: ['/usr/bin/l*']":           `recipe x.yaml: "/usr/bin/l*" is a pattern, and programs are named`,
		"about: a\nb: 1\nc: 2\nd: 3\ne: 4":              "recipe x.yaml: line 2: key b not found; line 3: key c not found; line 4: key d not found; and 1 more",
		"about: a\n---\nabout: b":                       "recipe x.yaml: there is more than one document",
		"about: [":                                      "recipe x.yaml: line 1: did not find expected node content",
		"about: a\nabout: b":                            `recipe x.yaml: line 2: mapping key "about" already defined at line 1`,
	} {
		_, err := read(t, "x.yaml", text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := read(t, "My Recipe.yaml", "about: a"); err == nil || !strings.Contains(err.Error(), "is no name") {
		t.Error(err)
	}
}

func TestClues(t *testing.T) {
	var facts recipe.Facts
	for _, f := range []recipe.Fact{
		{Kind: recipe.Program, Name: "/usr/bin/python3.11", In: "/usr/bin/python3.11"},
		{Kind: recipe.Soname, Name: "libssl.so.3", In: "/lib/libssl.so.3"},
		{Kind: recipe.Symbol, Name: "tgetent", In: "/bin/bash"},
		{Kind: recipe.Symbol, Name: "tgetent", In: "/bin/other"},
		{Kind: recipe.Path, Name: "/etc/app", In: "/bin/app"},
		{Kind: recipe.Env, Name: "LC_ALL"},
	} {
		facts.Add(f)
	}
	for clue, want := range map[string]string{
		"program: python3.*":          "it is /usr/bin/python3.11",
		"program: /usr/bin/python3.*": "it is /usr/bin/python3.11",
		"program: /bin/python3.*":     "",
		"program: python":             "",
		"soname: libssl.so.*":         "libssl.so.3 is loaded",
		"symbol: tgetent":             "bash calls tgetent",
		"path: /etc/app":              "app names /etc/app",
		"path: /etc":                  "",
		"env: LC_*":                   "LC_ALL is set",
	} {
		r, err := recipe.Parse("x", []byte("about: a\nwhen:\n  - "+clue))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Trim(fmt.Sprint(r.Strong(&facts)), "[]")
		if got != want {
			t.Errorf("%s: got %q, want %q", clue, got, want)
		}
		if weak := r.Weak(&facts); len(weak) > 0 {
			t.Errorf("%s: %v is weak", clue, weak)
		}
	}
}

func TestExpand(t *testing.T) {
	libraries := []string{"/lib/gnu", "/usr/lib"}
	for _, c := range []struct{ name, in, want string }{
		{"/etc/x", "", "/etc/x"},
		{"{lib}/gconv", "", "/lib/gnu/gconv /usr/lib/gconv"},
		{"{prefix}/lib/{name}", "/usr/bin/python3.11", "/usr/lib/python3.11"},
		{"{prefix}/lib/{name}", "/opt/py/lib/gnu/libpython3.11.so.1.0", "/opt/py/lib/python3.11"},
		{"{prefix}/lib/{name}", "", ""},
		{"{prefix}/share", "/sbin/init", "/share"},
	} {
		got := recipe.Expand(c.name, recipe.Fact{In: c.in}, libraries)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s in %s: %q", c.name, c.in, got)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.a", "/usr/lib/libx.a", true},
		{"test", "/usr/lib/python/test/x.py", true},
		{"/usr/*/python", "/usr/lib/python/test", true},
		{"/usr/lib", "/usr/library", false},
		{"lib", "/usr/library", false},
	} {
		if got := recipe.Match(c.pattern, c.name); got != c.want {
			t.Errorf("%s and %s: %t", c.pattern, c.name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("about: a\nwhen:\n  - soname: x\nadd: [/etc/x, '{lib}/y']\nfolders: [{path: /x, mode: 0700}]\n"))
	f.Add([]byte("about: &a a\nnote: *a\nenv: {A: b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := recipe.Parse("x", data)
		if (r == nil) && err == nil {
			t.Error("neither a recipe nor an error")
		}
	})
}

// Who brings a path is told for patterns of a program too, and for the folder that
// programs name, in which a recipe adds but a part.
func TestBringing(t *testing.T) {
	book, err := recipe.Read()
	if err != nil {
		t.Fatal(err)
	}
	python := recipe.Fact{Kind: recipe.Program, Name: "/usr/bin/python3.11", In: "/usr/bin/python3.11"}
	bash := recipe.Fact{Kind: recipe.Program, Name: "/usr/bin/bash", In: "/usr/bin/bash"}
	for _, test := range []struct {
		name  string
		facts []recipe.Fact
		want  string
	}{
		{"/usr/lib/python3.11/os.py", []recipe.Fact{bash, python}, "python"},
		{"/usr/lib/python3.11/os.py", nil, ""},
		{"/usr/lib/bash/sleep", []recipe.Fact{bash, python}, ""},
		{"/usr/share/terminfo", nil, "terminfo"},
		{"/usr/share/terminfo/x/xterm", nil, "terminfo"},
		{"/usr/share", nil, ""},
		{"/etc/none", nil, ""},
	} {
		got := ""
		if r := book.Bringing(test.name, nil, test.facts...); r != nil {
			got = r.Name
		}
		if got != test.want {
			t.Errorf("%s of %v: got %q, want %q", test.name, test.facts, got, test.want)
		}
	}
}

// What a library says can be meant for other programs.
func TestAClueInTheProgramItself(t *testing.T) {
	r, err := recipe.Parse("x", []byte("about: a\nwhen:\n  - {path: '/usr/share/*', in: program}"))
	if err != nil {
		t.Fatal(err)
	}
	var facts recipe.Facts
	facts.Add(recipe.Fact{Kind: recipe.Path, Name: "/usr/share/x", In: "/lib/libx.so"})
	if got := r.Strong(&facts); len(got) > 0 {
		t.Errorf("%v of a library", got)
	}
	facts.Add(recipe.Fact{Kind: recipe.Path, Name: "/usr/share/x", In: "/bin/x", Self: true})
	if got := r.Strong(&facts); len(got) != 1 || got[0].In != "/bin/x" {
		t.Errorf("%v of the program", got)
	}
	if _, err := recipe.Parse("x", []byte("about: a\nwhen:\n  - {path: /x, in: library}")); err == nil {
		t.Error("in is anything")
	}
}
