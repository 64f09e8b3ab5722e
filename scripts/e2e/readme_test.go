package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every transcript of the documentation is run as it stands: a line after "$ "
// is a command, the lines after that are what it prints. Numbers that depend on
// the machine, such as digests, sizes and times, may differ. A command without
// output in the text only has to succeed. Each page has a folder of its own,
// which pages call /home/me, and a registry, which they call 127.0.0.1:5000.
func TestTranscriptsAreTrue(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir()) // where harvest login writes
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		steps := transcripts(string(text))
		if len(steps) == 0 {
			continue
		}
		t.Run(strings.TrimPrefix(page, "../../"), func(t *testing.T) {
			needOf(t, steps)
			at := settingFor(t, steps)
			setAside(t, steps)
			for _, step := range steps {
				if !step.run(t, at) {
					break
				}
			}
		})
	}
}

// pages returns the README and the pages of the documentation in English.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/verbs/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) < 5 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		list = append(list, found...)
	}
	return list
}

// needOf skips the test where a command of the steps needs a consumer that is
// missing.
func needOf(t *testing.T, steps []step) {
	t.Helper()
	consumers := map[string]string{
		"docker": "docker", "curl": "curl", "git": "git", "strace": "strace", "gcc": "gcc", "musl-gcc": "musl-gcc",
		"jq": "jq", registryOfPages: "docker-registry", "harvest run": "sandbox", "--check": "sandbox", "harvest trace": "sandbox",
	}
	for word, consumer := range consumers {
		if slices.ContainsFunc(steps, func(s step) bool { return strings.Contains(s.command, word) }) {
			need(t, consumer)
		}
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

// A setting is where the commands of a page run.
type setting struct {
	dir      string // homeOfPages
	registry string // registryOfPages, empty if no command speaks of it
}

const (
	homeOfPages     = "/home/me"
	registryOfPages = "127.0.0.1:5000"
)

func (s step) run(t *testing.T, at setting) bool {
	t.Helper()
	command := s.command
	if at.registry != "" {
		command = strings.ReplaceAll(command, registryOfPages, at.registry)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", command)
	cmd.Dir = at.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("$ %s\n%s%v", command, out, err)
		return false
	}
	if s.want == "" {
		return true
	}
	got := strings.ReplaceAll(string(out), at.dir, homeOfPages)
	if at.registry != "" {
		got = strings.ReplaceAll(got, at.registry, registryOfPages)
	}
	equal(t, "$ "+s.command, timeless(got), timeless(s.want))
	return !t.Failed()
}

// ofMachine are the parts of an output that differ from machine to machine.
var ofMachine = regexp.MustCompile(`[0-9a-f]{64}| +[0-9]+  /|\b[0-9]+(\.[0-9]+)? ?(ms|s|B|kB|MB)\b`)

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

// settingFor returns a folder with the files that transcripts take as given, a
// program, a folder of settings, another root, and a registry for those that
// speak to one.
func settingFor(t *testing.T, steps []step) setting {
	t.Helper()
	w := newWork(t)
	w.run("bash", "-ec", `cp "$(type -P true)" app && mkdir etc && echo debug >etc/app.conf && harvest -q --bin bash -o type=rootfs,dest=other-root`)
	at := setting{dir: w.dir}
	if slices.ContainsFunc(steps, func(s step) bool { return strings.Contains(s.command, registryOfPages) }) {
		at.registry = w.registry("")
	}
	return at
}
