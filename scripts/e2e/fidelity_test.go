package e2e

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
)

const (
	setuid = fs.ModeSetuid | 0o755
	setgid = fs.ModeSetgid | 0o755
	link   = fs.ModeSymlink | 0o777

	// netRaw is what setcap cap_net_raw+ep stores: revision 2 of VFS_CAP_DATA
	// with the effective bit, and bit 13 of the permitted set.
	netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// zoo has one of everything that a tar can get wrong, sorted by path.
func zoo() []entry {
	long := strings.Repeat("long-", 30)
	return []entry{
		{path: "zoo", mode: fs.ModeDir | 0o755},
		{path: "zoo/a-file", mode: 0o640, uid: 1234, gid: 4321, content: "owned by nobody who is known\n"},
		{path: "zoo/a-file-by-another-name", twin: "zoo/a-file"},
		{path: "zoo/capable", mode: 0o755, content: "capable\n", capability: netRaw},
		{path: "zoo/dangling", mode: link, link: "/nowhere/at/all"},
		{path: "zoo/device", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 3},
		{path: "zoo/empty", mode: 0o644},
		{path: "zoo/fifo", mode: fs.ModeNamedPipe | 0o620, gid: 5},
		{path: "zoo/giant", mode: 0o600, uid: 3000000, gid: 3000000, content: "more than USTAR can count\n"},
		{path: "zoo/given-away", mode: link, uid: 1234, gid: 1234, link: "a-file"},
		{path: "zoo/" + long, mode: fs.ModeDir | 0o755},
		{path: "zoo/" + long + "/" + long, mode: fs.ModeDir | 0o755},
		{path: "zoo/" + long + "/" + long + "/a-link", mode: link, link: "../" + long + "/../../" + long},
		{path: "zoo/" + long + "/" + long + "/a-twin", twin: "zoo/a-file"},
		{path: "zoo/" + long + "/" + long + "/file", mode: 0o644, content: "300 bytes from the top\n"},
		{path: "zoo/private", mode: fs.ModeDir | 0o700, uid: 1234, gid: 1234},
		{path: "zoo/setgid", mode: setgid, gid: 42, content: "setgid\n"},
		{path: "zoo/setuid", mode: setuid, content: "setuid\n"},
		{path: "zoo/shared", mode: fs.ModeDir | fs.ModeSetgid | 0o775, gid: 1234},
		{path: "zoo/sticky", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{path: "zoo/unreadable", mode: 0, content: "for root alone\n"},
		{path: "zoo/with a blank", mode: 0o644, content: "blank\n"},
		{path: "zoo/ünïcødé-文件", mode: 0o644, content: "not ASCII\n"},
		{path: "zoo/\xff\xfe", mode: 0o644, content: "not UTF-8\n"},
	}
}

// withZoo returns an image that holds the zoo.
func withZoo(t *testing.T) *work {
	t.Helper()
	need(t, "root")
	w := newWork(t)
	for _, e := range zoo() {
		e.create(t, w.dir)
	}
	w.build("--bin", "/bin/bash", "--add", w.path("zoo")+":/zoo")
	return w
}

func TestEnginesGetEveryKindOfFileAsItIs(t *testing.T) {
	w := withZoo(t)
	want := text(zoo())
	equal(t, "layer", text(entriesBelow("zoo", openArchive(t, w.path("image.tar")).layer())), want)

	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine)
			w := w.in(t)
			w.load(engine, "image.tar")
			container := strings.TrimSpace(w.run(engine, "create", "--network", "none", w.image))
			w.atEnd(engine, "rm", container)
			exported := readTar(t, strings.NewReader(w.run(engine, "export", container)))
			equal(t, "exported", text(entriesBelow("zoo", exported)), want)
		})
	}
	t.Run("umoci", func(t *testing.T) {
		need(t, "umoci")
		w := w.in(t)
		w.run("mkdir", "layout")
		w.run("tar", "-C", "layout", "-xf", "image.tar")
		w.run("umoci", "unpack", "--image", "layout:v1", "bundle")
		equal(t, "unpacked", text(entriesBelow("zoo", w.folder("bundle/rootfs"))), want)
	})
}

func TestRootfsGetsEveryKindOfFileAsItIs(t *testing.T) {
	w := withZoo(t)
	w.run("rm", "zoo/device", "zoo/fifo") // which only images hold
	w.run("harvest", "--bin", "/bin/bash", "--add", w.path("zoo")+":/zoo", "-o", "type=rootfs,dest=root")
	var want []entry
	for _, e := range zoo() {
		if e.mode&(fs.ModeDevice|fs.ModeNamedPipe) == 0 {
			want = append(want, e)
		}
	}
	equal(t, "folder", text(entriesBelow("zoo", w.folder("root"))), text(want))
}

// folder returns what is in a folder of the test's, as GNU tar sees it.
func (w *work) folder(name string) []member {
	w.t.Helper()
	out := w.run("tar", "--format=posix", "--xattrs", "--xattrs-include=security.*", "--sort=name", "-C", name, "-c", ".")
	return readTar(w.t, bytes.NewReader([]byte(out)))
}

func TestCapabilitiesCountInARunningContainer(t *testing.T) {
	need(t, "docker", "root", "busybox")
	w := newWork(t)
	w.run("cp", "/bin/busybox", "capable")
	if err := (entry{mode: 0o755, capability: netRaw}).attributes(w.path("capable")); err != nil {
		t.Fatal(err)
	}
	w.build("--bin", "./capable:/bin/busybox", "-u", "nonroot")
	w.load("docker", "image.tar")
	got := w.start("docker", w.image, "grep", "CapEff", "/proc/self/status")
	equal(t, "capabilities of a process of nonroot", got, "CapEff:\t0000000000002000\n")
}

func TestFoldersOfARunningContainerHaveTheirModes(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			need(t, engine, "busybox")
			w := newWork(t)
			w.build("--bin", "busybox")
			w.load(engine, "image.tar")
			equal(t, "modes and owners",
				w.start(engine, w.image, "stat", "-c", "%a %u:%g %n", "/tmp", "/var/tmp", "/root", "/usr", "/etc/passwd"),
				"1777 0:0 /tmp\n1777 0:0 /var/tmp\n700 0:0 /root\n755 0:0 /usr\n644 0:0 /etc/passwd\n")
		})
	}
}
