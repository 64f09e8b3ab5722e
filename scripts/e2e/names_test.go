package e2e

import (
	"strings"
	"testing"
)

func TestEveryConsumerKnowsTheImageByItsName(t *testing.T) {
	w := newWork(t)
	s := w.build("--bin", "/bin/bash")
	t.Run("docker", func(t *testing.T) {
		need(t, "docker")
		w := w.in(t)
		equal(t, "said", w.load("docker", "image.tar"), "Loaded image: "+w.image+"\n")
		equal(t, "image ID", w.run("docker", "image", "inspect", "-f", "{{.Id}}", w.image), s.ImageID+"\n")
	})
	t.Run("podman", func(t *testing.T) {
		need(t, "podman")
		w := w.in(t)
		equal(t, "said", w.load("podman", "image.tar"), "Loaded image: "+w.full()+"\n")
		equal(t, "image ID and digest",
			w.run("podman", "image", "inspect", "-f", "sha256:{{.Id}} {{.Digest}}", w.full()), s.ImageID+" "+s.Manifest+"\n")
		equal(t, "hello", w.start("podman", w.image, "-c", "echo hello"), "hello\n")
	})
	t.Run("containerd", func(t *testing.T) {
		need(t, "ctr")
		w := w.in(t)
		w.atEnd("ctr", "images", "rm", "--sync", w.full())
		w.run("ctr", "images", "import", "image.tar")
		contains(t, "image", w.run("ctr", "images", "ls", "name=="+w.full()), w.full(), s.Manifest)
		need(t, "root")
		equal(t, "hello", w.run("ctr", "run", "--rm", w.full(), w.name, "/bin/bash", "-c", "echo hello"), "hello\n")
	})
	t.Run("skopeo docker-archive", func(t *testing.T) {
		need(t, "skopeo")
		w := w.in(t)
		w.run("skopeo", "copy", "-q", "docker-archive:image.tar:"+w.image, "dir:from-docker")
		equal(t, "image ID", fileSum(t, w.path("from-docker/"+hexOf(s.ImageID))), s.ImageID)
	})
	t.Run("skopeo oci-archive", func(t *testing.T) {
		need(t, "skopeo")
		w := w.in(t)
		w.run("skopeo", "copy", "-q", "oci-archive:image.tar:v1", "dir:from-oci")
		equal(t, "image ID", fileSum(t, w.path("from-oci/"+hexOf(s.ImageID))), s.ImageID)
		equal(t, "manifest digest", sum(w.run("skopeo", "inspect", "--raw", "oci-archive:image.tar:v1")), s.Manifest)
	})
	t.Run("umoci", func(t *testing.T) {
		need(t, "umoci")
		w := w.in(t)
		w.run("mkdir", "layout")
		w.run("tar", "-C", "layout", "-xf", "image.tar")
		equal(t, "tags", w.run("umoci", "ls", "--layout", "layout"), "v1\n")
		contains(t, "layers", w.run("umoci", "stat", "--image", "layout:v1"), s.Layers[0].Digest)
		w.run("umoci", "unpack", "--rootless", "--image", "layout:v1", "bundle")
		w.run("cmp", "/bin/bash", "bundle/rootfs/usr/bin/bash")
	})
}

// hexOf returns a digest without its algorithm.
func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

func TestEveryTagArrives(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			tags := []string{w.name + ":v1", w.name + ":latest", "localhost:5000/" + w.name + ":v2", "quay.io/e2e/" + w.name + ":v3"}
			s := w.build("--bin", "/bin/bash", "-t", w.name, "-t", tags[2], "-t", tags[3])
			w.forget(engine, tags[1:]...)
			w.load(engine, "image.tar")
			for _, tag := range tags {
				id := strings.TrimSpace(w.run(engine, "image", "inspect", "-f", "{{.Id}}", tag))
				equal(t, tag, hexOf(id), hexOf(s.ImageID))
			}
		})
	}
}

func TestUntaggedImageGoesByItsID(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := newWork(t)
			s := w.summary("--bin", "/bin/bash", "--add", w.fresh)
			w.forget(engine, s.ImageID)
			contains(t, "said", w.run(engine, "load", "-i", "bash.tar"), s.ImageID)
			equal(t, "hello", w.start(engine, s.ImageID, "-c", "echo hello"), "hello\n")
		})
	}
}

// An ordinary user's skopeo cannot give away the folders of a layout that an
// archive has no members for.
func TestOrdinaryUserReadsTheArchive(t *testing.T) {
	need(t, "skopeo", "root", "setpriv")
	w := newWork(t)
	s := w.build("--bin", "/bin/bash")
	w.run("chmod", "755", "..", ".") // the test's folders are root's own
	for transport, name := range map[string]string{"docker-archive": w.image, "oci-archive": "v1"} {
		t.Run(transport, func(t *testing.T) {
			inspected := w.in(t).run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
				"skopeo", "inspect", transport+":image.tar:"+name)
			contains(t, "layers", inspected, s.Layers[0].Digest)
		})
	}
}
