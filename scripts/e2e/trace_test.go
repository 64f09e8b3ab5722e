package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatATraceFoundRuns traces a python program that reads a data file, a
// secret and a file of a home, and builds an image from the draft alone.
func TestWhatATraceFoundRuns(t *testing.T) {
	need(t, "docker", "root", "python3")
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	w := newWork(t)
	app, err := os.MkdirTemp("/opt", "harvest-e2e-") //nolint:usetesting // what lies in /tmp is never shipped
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(app) })
	for name, text := range map[string]string{
		"data.json":  `{"answer": 42}`,
		"server.key": "hush\n",
		"bundle":     "-----BEGIN PRIVATE KEY-----\nMIIEow\n",
		"report.py": `import json, os, sqlite3, subprocess
for name in ("server.key", "bundle", os.path.expanduser("~/notes"), "/etc/shadow"):
    if os.path.exists(name): open(name).read()
print(json.load(open("data.json"))["answer"], subprocess.check_output(["echo", "ran"], text=True).strip(), flush=True)
`,
	} {
		if err := os.WriteFile(filepath.Join(app, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "notes"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	trace := w.command("harvest", "trace", "-q", "-o", w.path("harvest.yaml"), "--", python, "report.py")
	trace.Dir = app
	trace.Env = append(os.Environ(), "HOME="+home)
	equal(t, "what the traced program prints", w.output(trace), "42 ran\n")
	draft, err := os.ReadFile(w.path("harvest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(draft)) {
		rest := strings.TrimSpace(line)
		for _, private := range []string{"server.key", "bundle", "notes", "shadow", home} {
			if !strings.HasPrefix(rest, "#") && strings.Contains(rest, private) {
				t.Errorf("the draft lists %s", rest)
			}
		}
	}
	w.build("-f", "harvest.yaml")
	w.load("docker", "image.tar")
	equal(t, "what the image prints", w.start("docker", w.image), "42 ran\n")
}
