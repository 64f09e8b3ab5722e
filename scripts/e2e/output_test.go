package e2e

import "testing"

func TestLayoutFolderIsAnImage(t *testing.T) {
	w := newWork(t)
	s := w.summary("--bin", "/bin/bash", "--add", w.fresh, "-t", w.image, "-o", "type=oci,dest=layout")
	t.Run("skopeo", func(t *testing.T) {
		need(t, "skopeo")
		w := w.in(t)
		equal(t, "manifest digest", sum(w.run("skopeo", "inspect", "--raw", "oci:layout:v1")), s.Manifest)
		contains(t, "inspect", w.run("skopeo", "inspect", "oci:layout:v1"), s.Layers[0].Digest)
	})
	t.Run("umoci", func(t *testing.T) {
		need(t, "umoci")
		w := w.in(t)
		equal(t, "tags", w.run("umoci", "ls", "--layout", "layout"), "v1\n")
		w.run("umoci", "unpack", "--rootless", "--image", "layout:v1", "bundle")
		w.run("cmp", "/bin/bash", "bundle/rootfs/bin/bash")
	})
	t.Run("podman", func(t *testing.T) {
		need(t, "podman")
		w := w.in(t)
		w.forget("podman", s.ImageID)
		equal(t, "hello", w.start("podman", "oci:layout:v1", "-c", "echo hello"), "hello\n")
	})
}

func TestLayoutFolderIsReplacedByItsSuccessor(t *testing.T) {
	need(t, "umoci")
	w := newWork(t)
	for _, program := range []string{"/bin/bash", "/bin/echo"} {
		w.run("harvest", "--bin", program, "-t", w.image, "-o", "type=oci,dest=layout")
	}
	equal(t, "tags", w.run("umoci", "ls", "--layout", "layout"), "v1\n")
	equal(t, "beside it", w.run("ls", "-A"), "layout\n")
}

func TestLayoutFolderWithAnotherImageIsKept(t *testing.T) {
	need(t, "umoci")
	w := newWork(t)
	w.run("umoci", "init", "--layout", "layout")
	w.run("umoci", "new", "--image", "layout:base")
	said := w.fails("--bin", "/bin/bash", "-t", w.image, "-o", "type=oci,dest=layout")
	contains(t, "said", said, "harvest: error: writing layout: the folder is not empty")
	equal(t, "tags", w.run("umoci", "ls", "--layout", "layout"), "base\n")
}

func TestRootfsFolderIsARoot(t *testing.T) {
	need(t, "root")
	for _, layout := range []string{"host", "flat"} {
		t.Run(layout, func(t *testing.T) {
			w := newWork(t)
			w.run("harvest", "--layout", layout, "--bin", "/bin/bash", "--bin", "/bin/echo", "-o", "type=rootfs,dest=root")
			equal(t, "hello", w.run("chroot", "root", "/bin/bash", "-c", "/bin/echo hello"), "hello\n")
			equal(t, "beside it", w.run("ls", "-A"), "root\n")
		})
	}
}

func TestLayerFileIsARoot(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	s := w.summary("--bin", "/bin/bash", "--add", w.fresh, "-o", "type=layer,dest=layer.tar")
	equal(t, "diff ID", fileSum(t, w.path("layer.tar")), s.Layers[0].Digest)
	w.forget("docker", w.image)
	w.run("docker", "import", "layer.tar", w.image)
	equal(t, "hello", w.start("docker", w.image, "/bin/bash", "-c", "echo hello"), "hello\n")
}

func TestStdoutIsTheSameArchiveAsAFile(t *testing.T) {
	w := newWork(t)
	args := []string{"--bin", "/bin/bash", "--add", w.fresh, "-t", w.image, "-o"}
	w.run("harvest", append(args, "image.tar")...)
	equal(t, "digest", sum(w.run("harvest", append(args, "-")...)), fileSum(t, w.path("image.tar")))
	equal(t, "files", w.run("ls", "-A"), "image.tar\n")
}

func TestReaderThatStopsEndsHarvest(t *testing.T) {
	w := newWork(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	equal(t, "bytes read", w.run("bash", "-c", "harvest --bin /bin/bash -o - | head -c 100 | wc -c"), "100\n")
	equal(t, "files left", listing(t, w.dir)+listing(t, temp), "")
}

func TestTerminalIsNoPlaceForAnArchive(t *testing.T) {
	need(t, "script")
	w := newWork(t)
	said := w.refused(w.command("script", "-qec", "harvest --bin /bin/bash -o -", "/dev/null"))
	contains(t, "said", said, "harvest: error: ", "terminal", "harvest: hint: ", "docker load")
}

// The archive of version 1 was what docker wrote before there was a manifest.json,
// so its chain of layers must be right by itself where an engine still reads it.
func TestLegacyChainAloneIsAnImage(t *testing.T) {
	need(t, "docker")
	w := newWork(t)
	if w.dockerReadsZstd() {
		t.Skip("docker of version 23 or later, of which some read no such archive")
	}
	w.build("--bin", "/bin/bash", "--layers", "libs", "--format", "v1", "--healthcheck", "bash -c true", "--author", "e2e")
	w.shell("mkdir v1 && tar -C v1 -xf image.tar && rm v1/*.json && tar -C v1 -cf chain.tar .")
	w.load("docker", "chain.tar")
	equal(t, "hello", w.start("docker", w.image, "-c", "echo hello"), "hello\n")
	equal(t, "layers, check and author",
		w.run("docker", "image", "inspect", "-f", "{{len .RootFS.Layers}} {{json .Config.Healthcheck.Test}} {{.Author}}", w.image),
		`3 ["CMD","bash","-c","true"] e2e`+"\n")
	equal(t, "its fresh bytes", w.run("harvest", "diff", "--ignore-mtime", "image.tar", "chain.tar"), "")
}

func TestIndexArchiveIsReadAsDocumented(t *testing.T) {
	w := newWork(t)
	w.run("harvest", "--bin", "/bin/bash", "-t", w.image, "-o", "here.tar")
	w.run("mkdir", "folder")
	w.write("folder/file", w.name)
	w.run("harvest", "pack", "folder", "-t", w.image, "--platform", "linux/s390x", "-o", "there.tar")
	w.run("harvest", "index", "here.tar", "there.tar", "-o", "multi.tar")
	t.Run("skopeo", func(t *testing.T) {
		need(t, "skopeo")
		w := w.in(t)
		equal(t, "the other platform", w.run("skopeo", "--override-arch", "s390x", "inspect", "-f", "{{.Architecture}}", "oci-archive:multi.tar:v1"), "s390x\n")
		w.run("skopeo", "copy", "-q", "--all", "oci-archive:multi.tar:v1", "oci:all:v1")
		equal(t, "both image IDs", w.shell("harvest inspect all | grep 'image ID'"), w.shell("harvest inspect multi.tar | grep 'image ID'"))
	})
	t.Run("podman", func(t *testing.T) {
		need(t, "podman")
		w := w.in(t)
		w.load("podman", "multi.tar")
		equal(t, "hello", w.start("podman", w.image, "-c", "echo hello"), "hello\n")
	})
	t.Run("docker", func(t *testing.T) {
		need(t, "docker")
		w := w.in(t)
		if w.dockerReadsZstd() {
			t.Skip("docker of version 23 or later")
		}
		w.refused(w.command("docker", "load", "-i", "multi.tar")) // which the help says
	})
}
