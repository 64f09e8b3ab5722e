package e2e

import (
	"os"
	"testing"
)

// executable writes a script below the work's folder.
func (w *work) executable(name, content string) string {
	w.t.Helper()
	w.write(name, content)
	if err := os.Chmod(w.path(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

func TestScriptsRun(t *testing.T) {
	need(t, "docker", "perl")
	for _, layout := range []string{"host", "flat"} {
		for _, test := range []struct {
			name string
			line func(*work) string // the first of the script
			body string
			want string // what it prints, with the arguments a and b
		}{
			{"bash", func(*work) string { return "#!/bin/bash" }, `echo "$# $2"`, "2 b\n"},
			{"a link to a shell", func(*work) string { return "#! /bin/sh -e" }, `false; echo never`, ""},
			{"what env finds", func(*work) string { return "#!/usr/bin/env perl" }, `print "@ARGV\n"`, "a b\n"},
			{"options of env", func(*work) string { return "#!/usr/bin/env -S -i HOW='so well' perl -l" }, `print for %ENV`, "HOW\nso well\n"},
			{"two interpreters", func(w *work) string {
				return "#!" + w.executable("reader", "#!/usr/bin/env -S WHO=env bash\n"+`echo "$WHO $1 $3"; tail=; while read -r line; do tail=$line; done <"$2"; echo "$tail"`) + " -x"
			}, "the last line", "env -x a\nthe last line\n"},
			{"a script of its own interpreter", func(w *work) string {
				return "#!" + w.executable("perlish", "#!/usr/bin/perl\n"+`print "$ARGV[0]: @ARGV[1..2]\n"`)
			}, "nothing of it is read", "/bin/tool: a b\n"},
		} {
			t.Run(layout+" "+test.name, func(t *testing.T) {
				w := newWork(t)
				w.executable("tool", test.line(w)+"\n"+test.body+"\n")
				w.build("--layout", layout, "--bin", "./tool:/bin/tool")
				w.load("docker", "image.tar")
				if test.want == "" {
					w.refused(w.command("docker", "run", "--rm", "--network", "none", w.image))
					return
				}
				equal(t, "output", w.start("docker", w.image, "a", "b"), test.want)
			})
		}
	}
}

func TestLddRuns(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.build("--bin", "/usr/bin/ldd", "--bin", "/usr/bin/bash")
	w.load("docker", "image.tar")
	contains(t, "what it lists", w.start("docker", w.image, "/usr/bin/bash"), "libc.so.6 => /lib")
}
