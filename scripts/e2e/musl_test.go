package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// muslSources are a program and two libraries, of which one needs the other.
var muslSources = map[string]string{
	"inner.c": `#include <stdio.h>
int inner(void) { puts("hello from musl"); return 0; }`,
	"outer.c": `int inner(void); int outer(void) { return inner(); }`,
	"main.c":  `int outer(void); int main(void) { return outer(); }`,
}

// buildMusl builds the program in the test's folder. Its libraries are found by
// its runpath, which musl, unlike glibc, lets them inherit.
func buildMusl(t *testing.T, w *work) {
	t.Helper()
	for name, text := range muslSources {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.shell(`set -e
musl-gcc -shared -fPIC -o libinner.so inner.c
musl-gcc -shared -fPIC -o libouter.so outer.c -L. -linner
musl-gcc -o main main.c -L. -louter -Wl,-rpath,'$ORIGIN' -Wl,-rpath-link,.`)
}

func TestProgramOfMuslRunsAlone(t *testing.T) {
	need(t, "docker", "musl-gcc")
	w := newWork(t)
	buildMusl(t, w)
	for name, layout := range map[string]string{"host": "", "bare": " --bare", "flat": " --layout flat", "flat and bare": " --layout flat --bare"} {
		t.Run(name, func(t *testing.T) {
			in := w.in(t)
			in.shell("harvest -q --bin ./main --add " + w.fresh + layout + " -o image.tar -t " + w.image)
			in.load("docker", "image.tar")
			equal(t, "output", in.start("docker", w.image), "hello from musl\n")
		})
	}
}

func TestProgramsOfMuslAndGlibcRunInOneImage(t *testing.T) {
	need(t, "docker", "musl-gcc")
	w := newWork(t)
	buildMusl(t, w)
	w.shell("harvest -q -o image.tar -t " + w.image + ` --bin /bin/bash --bin ./main:/opt/app/main \
--add libouter.so:/opt/app/libouter.so --add libinner.so:/opt/app/libinner.so --add ` + w.fresh)
	w.load("docker", "image.tar")
	got := w.start("docker", w.image, "-c", "/opt/app/main && echo and from glibc")
	equal(t, "output", got, "hello from musl\nand from glibc\n")
}
