package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every transcript of the documentation is run as it stands: a line after "$ "
// is a command, the lines after that are what it prints. Numbers that depend on
// the machine, such as digests, sizes and times, may differ. A command without
// output in the text only has to succeed.
func TestTranscriptsAreTrue(t *testing.T) {
	need(t, "docker", "curl", "git", "strace")
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		dir := transcriptFolder(t)
		steps := transcripts(string(text))
		setAside(t, steps)
		for _, step := range steps {
			ran++
			if !step.run(t, dir) {
				t.Fatalf("in %s", page)
			}
		}
	}
	if ran < 5 {
		t.Fatalf("only %d commands were found", ran)
	}
}

// A step is a command of a transcript and what it prints.
type step struct {
	command string
	want    string
}

// transcripts returns the steps in the console blocks of a page.
func transcripts(page string) []step {
	var steps []step
	inside := false
	for line := range strings.Lines(page) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = strings.HasPrefix(line, "```console")
		case inside && isCommand:
			steps = append(steps, step{command: strings.TrimSpace(command)})
		case inside && len(steps) > 0:
			steps[len(steps)-1].want += line
		}
	}
	return steps
}

func (s step) run(t *testing.T, dir string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", s.command)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("$ %s\n%s%v", s.command, out, err)
		return false
	}
	if s.want == "" {
		return true
	}
	equal(t, "$ "+s.command, timeless(string(out)), timeless(s.want))
	return !t.Failed()
}

// ofMachine are the parts of an output that differ from machine to machine.
var ofMachine = regexp.MustCompile(`[0-9a-f]{64}|\b[0-9]+(\.[0-9]+)? ?(ms|s|B|kB|MB)\b`)

func timeless(s string) string {
	return strings.TrimSpace(ofMachine.ReplaceAllString(s, "#"))
}

// tagFlag finds the names that a command gives to images.
var tagFlag = regexp.MustCompile(`-t (\S+)`)

// setAside makes the names that the steps give to images free, and gives them
// back to whoever had them when the test is over.
func setAside(t *testing.T, steps []step) {
	t.Helper()
	w := newWork(t)
	docker := func(args ...string) error { return exec.Command("docker", args...).Run() }
	seen := make(map[string]bool)
	for _, s := range steps {
		for _, m := range tagFlag.FindAllStringSubmatch(s.command, -1) {
			name := m[1]
			if seen[name] {
				continue
			}
			seen[name] = true
			kept := fmt.Sprintf("%s:kept%d", w.name, len(seen))
			had := docker("tag", name, kept) == nil && docker("rmi", name) == nil
			t.Cleanup(func() {
				_ = docker("rmi", "-f", name)
				if had && (docker("tag", kept, name) != nil || docker("rmi", kept) != nil) {
					t.Errorf("%s is called %s now", name, kept)
				}
			})
		}
	}
}

// transcriptFolder returns a folder with the files that transcripts take as
// given: a program, a folder of settings, another root.
func transcriptFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := `cp "$(type -P true)" app && mkdir etc && echo debug >etc/app.conf && harvest -q --bin bash -o type=rootfs,dest=other-root`
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	return dir
}
