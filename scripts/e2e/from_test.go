package e2e

import (
	"strings"
	"testing"
)

// A base keeps its layers, wherever it comes from, and ours is one more.
func TestImageUponABaseOfSeveralLayersRuns(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	host := w.registry("")
	name := host + "/" + w.name + ":base"
	w.summary("--bin", "/bin/bash", "--add", w.fresh, "--layers", "libs", "--compress", "gzip", "-t", name, "--push", "-o", "base.tar")
	w.run("harvest", "-q", "--bin", "/bin/bash", "--add", w.fresh, "--layers", "libs", "--compress", "gzip", "-t", name, "-o", "type=oci,dest=layout")
	// A layer more, so that there are four.
	base := w.summary("--from", "base.tar", "--bin", "/usr/bin/tr", "-t", name, "--push", "-o", "four.tar")
	w.run("harvest", "-q", "--from", "layout", "--bin", "/usr/bin/tr", "-t", name, "-o", "type=oci,dest=four")
	for from, origin := range map[string]string{"registry": name, "archive": "four.tar", "layout": "four"} {
		t.Run(from, func(t *testing.T) {
			w := w.in(t)
			w.image = w.name + ":" + from
			image := w.summary("--from", origin, "--bin", "/usr/bin/sort", "-t", w.image, "-o", from+".tar")
			if len(base.Layers) != 4 || len(image.Layers) != 5 {
				t.Fatalf("%d layers upon %d", len(image.Layers), len(base.Layers))
			}
			for i, l := range base.Layers {
				equal(t, "digest of a layer", image.Layers[i].Digest, l.Digest)
			}
			w.load("docker", from+".tar")
			equal(t, "output", w.start("docker", w.image, "-c", "printf 'b\\na\\n' | sort | tr ab AB"), "A\nB\n")
			history := w.run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", w.image)
			equal(t, "history", history, strings.Join([]string{
				"harvest /usr/bin/sort",
				"harvest /usr/bin/tr",
				"harvest /bin/bash: programs and data",
				"harvest /bin/bash: other libraries",
				"harvest /bin/bash: loader and libc",
			}, "\n")+"\n")
		})
	}
}

// A merged /usr of the base stays one, and its own programs run as before.
func TestProgramsOfTheBaseStillRun(t *testing.T) {
	root := foreignRoot(t, "amd64")
	need(t, "docker")
	w := newWork(t)
	base := w.name + ":base"
	w.forget("docker", base)
	w.shell("tar -C " + root + " -c . | docker import - " + base)
	w.run("docker", "save", "-o", "base.tar", base)
	w.build("--from", "base.tar", "--bin", harvestFile+":/bin/harvest")
	w.load("docker", "image.tar")
	equal(t, "the program", w.start("docker", w.image, "--version"), w.run("harvest", "--version"))
	contains(t, "the base's programs",
		w.start("docker", "--entrypoint", "/bin/bash", w.image, "-c", "ls -l /bin /usr/bin/harvest; ls --version; cat /fresh"),
		"/bin -> usr/bin", "/usr/bin/harvest", "ls (GNU coreutils) 9.7", w.name)
}

// Every program of the base that can be asked for its version starts, with a
// library of its own put upon it once more.
func TestAllProgramsOfTheBaseStart(t *testing.T) {
	root := foreignRoot(t, "amd64")
	need(t, "docker")
	w := newWork(t)
	base := w.name + ":base"
	w.forget("docker", base)
	w.shell("tar -C " + root + " -c --exclude=./usr/bin/bashbug . | docker import - " + base)
	w.run("docker", "save", "-o", "base.tar", base)
	w.run("harvest", "-q", "--from", "base.tar", "--root", root, "--bin", "/usr/bin/ls:/opt/bin/ls",
		"--add", "/usr/lib/x86_64-linux-gnu/libtinfo.so.6:/opt/lib/libtinfo.so.6", "-t", w.image, "-o", "image.tar")
	w.load("docker", "image.tar")
	script := `n=0
for f in /usr/bin/* /opt/bin/*; do
	[ -f "$f" ] && [ "$f" != /usr/bin/yes ] || continue
	out=$("$f" --version </dev/null 2>&1)
	case $? in 126|127) echo "$f: $out" ;; *) n=$((n + 1)) ;; esac
done
[ $n -gt 50 ] || echo "only $n programs"`
	equal(t, "what does not start", w.start("docker", "--entrypoint", "/bin/bash", w.image, "-c", script), "")
}
