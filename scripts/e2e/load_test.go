package e2e

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTutorialImageSaysHello(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			w.run("harvest", "--bin", "/bin/bash", "--bin", "/bin/echo", "--add", w.fresh, "-t", w.image)
			contains(t, "load", w.load(engine, w.name+".tar"), "Loaded image: ", w.image+"\n")

			equal(t, "a builtin", w.start(engine, w.image, "-c", "echo hello"), "hello\n")
			equal(t, "a program by both its paths",
				w.start(engine, w.image, "-c", "/bin/echo hi; /usr/bin/echo hi"), "hi\nhi\n")
			equal(t, "in a root that is read only",
				w.start(engine, "--read-only", w.image, "-c", "/bin/echo hello"), "hello\n")
		})
	}
}

func TestFlatImageSaysHello(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			w.build("--layout", "flat", "--bin", "/bin/bash", "--bin", "/bin/echo")
			w.load(engine, "image.tar")
			equal(t, "programs are in /bin", w.start(engine, w.image, "-c", "/bin/echo hello"), "hello\n")
		})
	}
}

func TestFlatBareImageIsThePictureOfTutorials(t *testing.T) {
	need(t, "docker")
	if runtime.GOARCH != "amd64" {
		t.Skip("the picture with the loader in /lib64 is amd64's")
	}
	w := newWork(t)
	// An added file would be in the picture; another time of its files makes a layer fresh too.
	t.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(time.Now().UnixNano()%1e9))
	w.run("harvest", "--layout", "flat", "--bare", "--bin", "/bin/bash", "--bin", "/bin/echo", "-t", w.image, "-o", "image.tar")
	w.load("docker", "image.tar")
	equal(t, "hello", w.start("docker", w.image, "-c", "/bin/echo hello"), "hello\n")

	want := []string{"bin/", "bin/bash", "bin/echo", "dev/", "etc/", "etc/ld.so.cache", "lib64/"}
	for _, file := range strings.Fields(w.run("harvest", "deps", "--list", "/bin/bash", "/bin/echo")) {
		if strings.Contains(file, "/lib") {
			want = append(want, "lib64/"+path.Base(file))
		}
	}
	slices.Sort(want)
	equal(t, "listing", names(openArchive(t, w.path("image.tar")).layer()), strings.Join(want, "\n")+"\n")
}

func TestProgramsRunAsOnTheHost(t *testing.T) {
	for _, name := range []string{"curl", "git", "strace", "python3"} {
		t.Run(name, func(t *testing.T) {
			need(t, "docker", name)
			w := newWork(t)
			w.forget("docker", w.image)
			contains(t, "docker load", w.shell(fmt.Sprintf("harvest --bin %s --add %s -o - -t %s | docker load",
				name, w.fresh, w.image)), "Loaded image: "+w.image)
			program, _, _ := strings.Cut(w.run("harvest", "deps", "--list", name), "\n")
			equal(t, "version", w.start("docker", w.image, "--version"), w.run(program, "--version"))
		})
	}
}

func TestStaticProgramRuns(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.write("go.mod", "module hello\n")
	w.write("main.go", "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\\n\") }\n")
	t.Setenv("CGO_ENABLED", "0")
	w.run("go", "build", "-o", "hello", ".")
	w.build("--bin", "./hello:/hello")
	w.load("docker", "image.tar")
	equal(t, "hello", w.start("docker", w.image), "hello\n")
}

func TestHarvestHarvestsItself(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.build("--bin", harvestFile+":/bin/harvest")
	w.load("docker", "image.tar")
	equal(t, "version", w.start("docker", w.image, "--version"), w.run("harvest", "--version"))
	contains(t, "what it finds in its own image", w.start("docker", w.image, "deps", "harvest"), "/bin/harvest (linux/")
}

func TestLoadHandsTheImageToTheEngine(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.forget("docker", w.image)
	contains(t, "the engine's word",
		w.shell(fmt.Sprintf("harvest --load --bin /bin/bash --add %s -t %s 2>&1", w.fresh, w.image)), "Loaded image: "+w.image)
	equal(t, "files written", listing(t, w.dir), "")
	equal(t, "hello", w.start("docker", w.image, "-c", "echo hello"), "hello\n")
}

func TestLoadAndOutputDoBoth(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	w.forget("docker", w.image)
	s := w.build("--load", "--bin", "/bin/bash")
	equal(t, "image in the engine", w.run("docker", "image", "inspect", "-f", "{{.Id}}", w.image), s.ImageID+"\n")
	equal(t, "image in the file", sum(openArchive(t, w.path("image.tar")).config()), s.ImageID)
}

func TestLoadWithoutAnEngineSaysSo(t *testing.T) {
	w := newWork(t)
	t.Setenv("DOCKER_HOST", "unix://"+w.path("nobody.sock"))
	contains(t, "error", w.fails("--load", "--bin", "/bin/bash", "-t", w.image),
		"harvest: error: ", w.path("nobody.sock"), "no engine answers",
		"harvest: hint: without --load, harvest writes a file for docker load -i")
	equal(t, "files written", listing(t, w.dir), "")
}

func TestDockerFormatHasTheNamesOfTutorials(t *testing.T) {
	w := newWork(t)
	w.build("--format", "docker", "--bin", "/bin/bash")
	equal(t, "members", openArchive(t, w.path("image.tar")).names(), "layer.tar\nconfig.json\nmanifest.json\n")

	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := w.in(t)
			w.load(engine, "image.tar")
			equal(t, "hello", w.start(engine, w.image, "-c", "echo hello"), "hello\n")
		})
	}
	t.Run("skopeo", func(t *testing.T) {
		need(t, "skopeo")
		w.in(t).run("skopeo", "copy", "-q", "docker-archive:image.tar:"+w.image, "dir:copied")
	})
	t.Run("containerd", func(t *testing.T) {
		need(t, "ctr")
		w := w.in(t)
		w.atEnd("ctr", "images", "rm", "--sync", w.full())
		w.run("ctr", "images", "import", "image.tar")
		contains(t, "names", w.run("ctr", "images", "ls", "-q"), w.full()+"\n")
	})
}
