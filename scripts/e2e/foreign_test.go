package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// foreign are the roots that scripts/consumers unpacks, and what must be in an
// image of their bash: Debian 13, by Debian's name of the architecture.
var foreign = map[string]struct {
	platform string // architecture and variant, as in an image's config
	qemu     string
	loader   string // PT_INTERP
	libs     string // where its file and the libraries are
}{
	"amd64":   {"amd64", "x86_64", "/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/"},
	"arm64":   {"arm64", "aarch64", "/lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu/"},
	"armhf":   {"arm v7", "arm", "/lib/ld-linux-armhf.so.3", "usr/lib/arm-linux-gnueabihf/"},
	"i386":    {"386", "i386", "/lib/ld-linux.so.2", "usr/lib/i386-linux-gnu/"},
	"ppc64el": {"ppc64le", "ppc64le", "/lib64/ld64.so.2", "usr/lib/powerpc64le-linux-gnu/"},
	"riscv64": {"riscv64", "riscv64", "/lib/ld-linux-riscv64-lp64d.so.1", "usr/lib/riscv64-linux-gnu/"},
	"s390x":   {"s390x", "s390x", "/lib/ld64.so.1", "usr/lib/s390x-linux-gnu/"},
}

// foreignRoot returns the folder of a root. Where scripts/consumers has not made
// it, the test is skipped, unless HARVEST_REQUIRE has "trixie".
func foreignRoot(t *testing.T, architecture string) string {
	t.Helper()
	dir := filepath.Join("/var/cache/harvest-tests/trixie", architecture)
	_, err := os.Stat(dir)
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("HARVEST_REQUIRE"), ","), "trixie"):
		t.Fatalf("trixie is required: %v", err)
	default:
		t.Skipf("trixie is missing: %v", err)
	}
	return dir
}

func TestImageOfAnotherArchitectureIsCompleteAndRuns(t *testing.T) {
	for architecture, f := range foreign {
		t.Run(architecture, func(t *testing.T) {
			root := foreignRoot(t, architecture)
			w := newWork(t)
			w.run("harvest", "--bare", "--root", root, "--bin", "/bin/bash", "-t", w.image, "-o", "image.tar")
			image := openArchive(t, w.path("image.tar"))
			var config struct{ Architecture, Variant, OS string }
			if err := json.Unmarshal(image.config(), &config); err != nil {
				t.Fatal(err)
			}
			equal(t, "platform", strings.TrimSpace(config.Architecture+" "+config.Variant)+" "+config.OS, f.platform+" linux")
			equal(t, "files", files(image.layer()), strings.Join([]string{
				"etc/ld.so.cache",
				"usr/bin/bash",
				f.libs + filepath.Base(f.loader),
				f.libs + "libc.so.6",
				f.libs + "libtinfo.so.6.5",
			}, "\n"))

			need(t, "root", "chroot", "qemu-"+f.qemu+"-static")
			w.run("harvest", "--bare", "--root", root, "--bin", "/bin/bash", "-o", "type=rootfs,dest=image")
			w.shell("cp $(command -v qemu-" + f.qemu + "-static) image/qemu")
			equal(t, "output", w.run("chroot", "image", "/qemu", "/bin/bash", "-c", "echo hello"), "hello\n")
			contains(t, "what its loader maps", w.run("chroot", "image", "/qemu", "-E", "LD_TRACE_LOADED_OBJECTS=1", "/bin/bash"),
				"\tlibtinfo.so.6 => /"+strings.TrimPrefix(f.libs, "usr/")+"libtinfo.so.6 (0x",
				"\tlibc.so.6 => /"+strings.TrimPrefix(f.libs, "usr/")+"libc.so.6 (0x",
				"\t"+f.loader+" (0x")
		})
	}
}

// files returns the names of the regular files of a layer, sorted.
func files(members []member) string {
	var names []string
	for _, m := range members {
		if m.FileInfo().Mode().IsRegular() {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

// The programs are of glibc 2.41, whatever this system's is.
func TestProgramsOfAnotherReleaseRun(t *testing.T) {
	root := foreignRoot(t, "amd64")
	need(t, "docker")
	for name, layout := range map[string]string{"host": "", "bare": " --bare", "flat": " --layout flat"} {
		t.Run(name, func(t *testing.T) {
			w := newWork(t)
			// Another time of its files makes the layer one that the engine does not know.
			t.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(time.Now().UnixNano()%1e9))
			w.shell("harvest -q --root " + root + " --bin /bin/bash --bin /usr/bin/ls --bin /usr/bin/sort" + layout + " -o image.tar -t " + w.image)
			w.load("docker", "image.tar")
			contains(t, "docker run", w.start("docker", w.image, "-c",
				"$0 --version; ls --version; for w in b a; do echo $w; done | sort", "/lib64/ld-linux-x86-64.so.2"),
				"version 2.41", "ls (GNU coreutils) 9.7", "\na\nb\n")
		})
	}
}
