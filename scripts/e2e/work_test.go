package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A work is what one test works with: a folder of its own, in which every
// command runs, and the name of an image that no other test makes.
type work struct {
	t     *testing.T
	dir   string
	name  string // without a tag
	image string // name:v1
	fresh string // for --add: bytes that no image had before
}

func newWork(t *testing.T) *work {
	t.Helper()
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	name := "harvest-e2e-" + hex.EncodeToString(id[:])
	w := &work{t: t, dir: t.TempDir(), name: name, image: name + ":v1"}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := os.WriteFile(fresh, []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
	w.fresh = fresh + ":/fresh"
	return w
}

// in returns the same work for a subtest.
func (w *work) in(t *testing.T) *work {
	in := *w
	in.t = t
	return &in
}

// full returns the name that engines without docker's short forms use.
func (w *work) full() string { return "docker.io/library/" + w.image }

// path returns the path of a file in the test's folder.
func (w *work) path(name string) string { return filepath.Join(w.dir, name) }

// command returns a command that runs in the test's folder and ends with the test.
func (w *work) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), name, args...)
	cmd.Dir = w.dir
	return cmd
}

// run returns what a command prints to stdout. If it fails, so does the test.
func (w *work) run(name string, args ...string) string {
	w.t.Helper()
	return w.output(w.command(name, args...))
}

func (w *work) output(cmd *exec.Cmd) string {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("%s\n%v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// shell runs a pipeline, in which every part must succeed.
func (w *work) shell(pipeline string) string {
	w.t.Helper()
	return w.run("bash", "-o", "pipefail", "-c", pipeline)
}

// fails runs harvest, which must exit with 1, and returns what it says.
func (w *work) fails(args ...string) string {
	w.t.Helper()
	return w.refused(w.command("harvest", args...))
}

// refused runs a command that must exit with 1 and returns all that it says.
func (w *work) refused(cmd *exec.Cmd) string {
	w.t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		w.t.Fatalf("%s: %v, want exit status 1\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// A summary is what harvest --json says of an image.
type summary struct {
	ImageID  string
	Manifest string
	Layers   []struct{ Digest string }
}

// build writes image.tar, the test's image with fresh bytes in it.
func (w *work) build(args ...string) summary {
	w.t.Helper()
	return w.summary(append([]string{"-t", w.image, "--add", w.fresh, "-o", "image.tar"}, args...)...)
}

// summary runs harvest and returns the numbers that it prints.
func (w *work) summary(args ...string) summary {
	w.t.Helper()
	out := w.run("harvest", append([]string{"--json"}, args...)...)
	var s summary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		w.t.Fatalf("%v in\n%s", err, out)
	}
	return s
}

// load loads an archive into docker or podman and returns what the engine says.
// The test's image is removed from it when the test ends.
func (w *work) load(engine, file string) string {
	w.t.Helper()
	w.forget(engine, w.image)
	return w.run(engine, "load", "-i", file)
}

// start runs an image in docker or podman. The arguments are flags, the image,
// and arguments of its entrypoint.
func (w *work) start(engine string, args ...string) string {
	w.t.Helper()
	return w.run(engine, append([]string{"run", "--rm", "--network", "none"}, args...)...)
}

// forget removes images from docker or podman when the test ends.
func (w *work) forget(engine string, images ...string) {
	w.atEnd(engine, append([]string{"rmi", "-f"}, images...)...)
}

// atEnd runs a command when the test ends. A test that has failed may have left
// it nothing to do.
func (w *work) atEnd(name string, args ...string) {
	w.t.Cleanup(func() {
		out, err := exec.CommandContext(context.WithoutCancel(w.t.Context()), name, args...).CombinedOutput()
		if err != nil && !w.t.Failed() {
			w.t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	})
}

// write creates a file in the test's folder and returns its path.
func (w *work) write(name, content string) string {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

// listing lists a folder with everything below it, a line each, by what it
// holds: "out/image.tar -rw-r--r-- sha256:...".
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", rel, info.Mode())
		if info.Mode().IsRegular() {
			fmt.Fprintf(&b, " %s", fileSum(t, name))
		}
		fmt.Fprintln(&b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
