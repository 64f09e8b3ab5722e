package e2e

import (
	"os"
	"testing"
)

// outputs are the values of -o that write below the folder out, each by its
// name. Where it may, it takes the place of what an earlier run wrote there.
var outputs = []struct{ name, flag string }{
	{"archive", "out/image.tar"},
	{"layer", "type=layer,dest=out/layer.tar"},
	{"layout", "type=oci,dest=out/layout"},
	{"rootfs", "type=rootfs,dest=out/root"},
}

func TestFullDiskLeavesWhatWasThere(t *testing.T) {
	need(t, "root", "mount")
	for _, output := range outputs {
		t.Run(output.name, func(t *testing.T) {
			w := newWork(t)
			w.mount("out", "size=1m")
			w.earlier()
			before := listing(t, w.dir)
			contains(t, "error", w.fails("--bin", "/bin/bash", "-o", output.flag),
				"harvest: error: writing out/", ": no space left on device")
			equal(t, "folder", listing(t, w.dir), before)
		})
	}
}

func TestFullDeviceIsAnError(t *testing.T) {
	w := newWork(t)
	contains(t, "-o FILE", w.fails("--bin", "/bin/bash", "-o", "/dev/full"), "error: writing /dev/full", "no space left on device")
	for _, args := range []string{"--bin bash -o -", "--bin bash -o image.tar --json", "ls --bin bash", "deps bash", "deps --json bash"} {
		contains(t, args, w.refused(w.command("sh", "-c", "harvest "+args+" >/dev/full")), "error: ", "no space left on device")
	}
}

func TestFileThatChangesWhileItIsPackedIsAnError(t *testing.T) {
	for _, change := range []struct {
		name  string
		apply func(f *os.File) error
	}{
		{"grows", func(f *os.File) error { return f.Truncate(bigSize + 1) }},
		{"shrinks", func(f *os.File) error { return f.Truncate(bigSize / 2) }},
		{"is written to", func(f *os.File) error { _, err := f.WriteAt([]byte("x"), 0); return err }},
	} {
		t.Run(change.name, func(t *testing.T) {
			w := newWork(t)
			w.run("mkdir", "out")
			w.earlier()
			big := w.big()
			before := listing(t, w.path("out"))
			p := w.begin(w.command("harvest", "--bin", "/bin/bash", "--add", "big:/big", "-o", "out/image.tar"))
			p.untilItWrites()
			if err := change.apply(big); err != nil {
				t.Fatal(err)
			}
			contains(t, "said", p.failed(), "harvest: error: ", "/big: file changed while packing",
				"harvest: hint: run harvest again when nothing writes to it")
			equal(t, "folder", listing(t, w.path("out")), before)
		})
	}
}

// mount makes a folder of the test's a file system of its own.
func (w *work) mount(dir, options string) {
	w.t.Helper()
	w.run("mkdir", dir)
	w.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir)
	w.atEnd("umount", w.path(dir))
}

// earlier puts into the folder out what an earlier run may have written there.
func (w *work) earlier() {
	w.t.Helper()
	w.write("out/image.tar", "an earlier image\n")
	w.write("out/layer.tar", "an earlier layer\n")
	w.run("mkdir", "-p", "out/layout/blobs/sha256")
	w.write("out/layout/oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
	w.write("out/layout/index.json", `{"schemaVersion":2,"manifests":[]}`)
}

const bigSize = 512 << 20

// big creates a file that takes a while to pack, and no room on the disk.
func (w *work) big() *os.File {
	w.t.Helper()
	f, err := os.Create(w.path("big"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { f.Close() })
	if err := f.Truncate(bigSize); err != nil {
		w.t.Fatal(err)
	}
	return f
}
