package buildfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
)

// read returns the flags that the first file of an archive stands for, a line
// each, or what is wrong with it.
func read(t *testing.T, archive string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	if !strings.HasPrefix(archive, "-- ") {
		archive = "-- f --\n" + archive
	}
	files := txtar.Parse([]byte(archive)).Files
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := buildfile.Read(files[0].Name, nil)
	if err != nil {
		return err.Error()
	}
	return flags(settings)
}

func flags(settings []buildfile.Setting) string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "--%s %s\n", s.Flag, s.Value(true, func(name string) bool { _, err := os.Stat(name); return err == nil }))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestAFileIsAnotherWayOfWritingFlags(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"binaries: [bash, ./a, /b:/c, {path: d}, {path: sub/e, dest: /e}]", "--bin bash\n--bin ./a\n--bin /b:/c\n--bin d\n--bin sub/e:/e"},
		{"files: [/a, {src: /b, dest: /c, exclude: ['*.bak', /top]}]", "--add /a\n--add /b:/c\n--exclude /c/**/*.bak\n--exclude /c/top"},
		{"files: [{src: '/a*', exclude: [x]}]", `--add /a*` + "\n" + `--exclude /a\*/**/x`},
		{"image: {entrypoint: [sh, -c, 'a b']}", `--entrypoint ["sh","-c","a b"]`},
		{"image: {entrypoint: []}", `--entrypoint []`},
		{"image: {cmd: a b}", `--cmd a b`},
		{"image: {env: {A: 1.10, B: '', C: true, D: 0750, E: a=b}}", "--env A=1.10\n--env B=\n--env C=true\n--env D=0750\n--env E=a=b"},
		{"image: {env: [A=1, B]}", "--env A=1\n--env B"},
		{"bare: true\nno_setuid: false", "--bare true\n--no-setuid false"},
		{"paths: [/a:0700, {path: /b}, {path: /c, type: directory, mode: 0750, gid: 5}]", "--mkdir /a:0700\n--mkdir /b\n--mkdir /c:0750::5"},
		{"library_path: [lib, $ORIGIN/x, /abs]", "--library-path lib\n--library-path $ORIGIN/x\n--library-path /abs"},
		{"output: {file: 'type=oci,dest=x', max_size: 1GB}", "--output type=oci,dest=x\n--max-size 1GB"},
		{"output: {file: '-'}", "--output -"},
		{"-- sub/f --\nbinaries: [./a, b]\nroot: r\nfrom: base.tar\nfiles: [x]\nlibrary_path: [lib/..:$LIB]\noutput: {file: o}\n-- sub/base.tar --\n",
			"--bin sub/a\n--bin b\n--root sub/r\n--from sub/base.tar\n--add sub/x\n--library-path sub/lib/..:$LIB\n--output sub/o"},
		{"-- sub/f --\nrecipes: [own, /abs, ../up]\nroot: /other\n", "--recipes sub/own\n--recipes /abs\n--recipes up\n--root /other"},
		{"from: debian:12", "--from debian:12"},
		{"-- f --\nbinaries: [a]\ninclude: [g, sub/h]\n-- g --\nbinaries: [b]\ninclude: [sub/h]\n-- sub/h --\nbinaries: [./c]\n",
			"--bin sub/c\n--bin b\n--bin a"},
	} {
		if got := read(t, test.file); got != test.want {
			t.Errorf("%s:\ngot:  %s\nwant: %s", test.file, got, test.want)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"", "f: says nothing: give it binaries, at least"},
		{"# just this\n", "f: says nothing: give it binaries, at least"},
		{"- a", "f:1:1: want keys with values, as in binaries: [bash], not a list"},
		{"text", `f:1:1: want keys with values, as in binaries: [bash], not "text"`},
		{"binaries: [a]\nbinarys: [b]\nwhatever: 1", "f:2:1: unknown key \"binarys\": is binaries meant?\n" +
			`f:3:1: unknown key "whatever": there are bare, binaries, break, check_timeout, checks, dlopen, `},
		{"bin: [a]", `f:1:1: unknown key "bin": is binaries meant?`},
		{"tags: [a]", `f:1:1: unknown key "tags": is image.tags meant?`},
		{"image:\n  etnrypoint: a", `f:2:3: unknown key "image.etnrypoint": is image.entrypoint meant?`},
		{"binaries: a", `f:1:11: binaries: want a list, as in [a, b], not "a"`},
		{"binaries: [[a]]", "f:1:12: binaries: want text, not a list"},
		{"binaries: [a, null]", "f:1:15: binaries has no value: leave it out"},
		{"image:", "f:1:7: image: want keys with values, not nothing"},
		{"layout:", "f:1:8: layout has no value: leave it out"},
		{"layout: [a]", "f:1:9: layout: want text, not a list"},
		{"bare: yes", `f:1:7: bare: want true or false, not "yes"`},
		{`bare: "true"`, `f:1:7: bare: want true or false, not "true"`},
		{"root: a\nroot: b", "f:2:1: root is there twice, first in line 1"},
		{"image: {env: {A: 1, A: 2}}", "f:1:21: A is there twice, first in line 1"},
		{"image: {env: {A: [1]}}", "f:1:18: image.env.A: want text, not a list"},
		{"image: {env: {A=B: 1}}", `f:1:15: image.env: a name that has = in it: "A=B"`},
		{"image: {env: A=1}", `f:1:14: image.env: want names with values, as in {NAME: VALUE}, not "A=1"`},
		{"x: &a [1]\nbinaries: *a", "f:1:4: &a: anchors lead nowhere, since aliases are not followed\nf:2:11: *a: aliases are not followed; include: shares what files have in common"},
		{"image: {<<: {tags: [a]}}", "f:1:9: mappings are not merged: include: shares what files have in common"},
		{"root: !secret a", "f:1:7: !secret: values have no tags"},
		{"root: !!binary aGVsbG8=", "f:1:7: !!binary: values have no tags"},
		{"binaries: !!set {a}", "f:1:11: !!set: values have no tags"},
		{"root: \"a\\0b\"", `f:1:7: a NUL in "a\x00b", which no flag could have`},
		{"[a]: b", "f:1:1: want a key, not a list"},
		{"? \n: b", "f:1:2: want a key, not nothing"},
		{"root: /\n---\nroot: /x", "f:2: a second document: a file is one"},
		{"root: [", "f:1: did not find expected node content"},
		{"root: a\n\tb: c", "f:2: found a tab character that violates indentation"},
		{"root: \xff", "f: invalid leading UTF-8 octet"},
		{"binaries: [{dest: /a}]", "f:1:12: binaries: path is missing"},
		{"binaries: [{src: a}]", `f:1:13: unknown key "src" in binaries: there are path, dest`},
		{"binaries: [{path: a, dest: b}]", "f:1:12: binaries: dest b is not absolute"},
		{"files: [{src: 'a:/b'}]", `f:1:9: files: paths with ":/" in them cannot be told from SRC:DST`},
		{"files: [{src: a, exclude: b}]", `f:1:27: files.exclude: want a list, as in [a, b], not "b"`},
		{"paths: [{path: /a, type: file}]", "f:1:9: paths: type file: there is directory"},
		{"paths: [{path: '/a:b'}]", "f:1:9: paths: /a:b: a folder with a colon in its name cannot be made"},
		{"include: a", `f:1:10: include: want a list, as in [a, b], not "a"`},
		{"include: [gone]", "f:1:11: include: ./gone: no such file or directory"},
		{"include: [f]", "f:1:11: includes itself: f > ./f"},
		{"-- f --\ninclude: [sub/g]\n-- sub/g --\nroot: /\ninclude: [h]\n-- sub/h --\ninclude: [../f]\n", "sub/h:1:11: includes itself: f > sub/g > sub/h > ./f"},
		{"-- f --\ninclude: [sub/g]\n-- sub/g --\nbad: 1\nroot: [\n", "sub/g:2: did not find expected node content"},
		{"include: [/dev/zero]", "f:1:11: include: is longer than 1024 kB, which no list of programs is"},
		{"include: [/]", "f:1:11: include: /: is a directory"},
	} {
		if got := read(t, test.file); got != test.want && !(strings.HasSuffix(test.want, ", ") && strings.HasPrefix(got, test.want)) {
			t.Errorf("%s:\ngot:  %s\nwant: %s", test.file, got, test.want)
		}
	}
}

func TestIncludesGoOnlySoDeep(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "-- f%d --\ninclude: [f%d]\n", i, i+1)
	}
	got := read(t, b.String())
	if want := "f16:1:11: more than 16 files that include each other: f0 > "; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Two includes in each of many files would be a billion without this.
func TestAFileIsIncludedOnce(t *testing.T) {
	var b strings.Builder
	for i := range 15 {
		fmt.Fprintf(&b, "-- f%d --\ninclude: [f%d, ./f%d]\nimage: {tags: [t%d]}\n", i, i+1, i+1, i)
	}
	b.WriteString("-- f15 --\nroot: /\n")
	if got := strings.Count(read(t, b.String()), "--tag"); got != 15 {
		t.Errorf("got %d names, want 15", got)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"binaries: [bash, {path: ./a, dest: /b}]\nimage: {tags: [a:b], env: {A: b}}\n",
		"files: [{src: /a, exclude: ['*']}]\npaths: [{path: /a, mode: 0700}]\nbare: true\n",
		"a: &a [*a]\n", "? {a: b}\n: c\n---\n", "include: [f]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := buildfile.Read(buildfile.Stdin, strings.NewReader(string(data)))
		if err != nil && len(err.Error()) == 0 {
			t.Error("an error that says nothing")
		}
		if text := flags(settings); strings.ContainsRune(text, 0) {
			t.Errorf("a NUL in %q", text)
		}
	})
}
