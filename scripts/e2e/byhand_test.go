package e2e

import (
	"strings"
	"testing"
)

// What --by-hand writes makes the same archive, and docker the same image of it.
func TestScriptsMakeTheSameImage(t *testing.T) {
	need(t, "docker", "curl")
	for name, flags := range map[string][]string{
		"bash and echo":  {"--bin", "bash", "--bin", "echo", "--cmd", `["-c", "echo hello"]`},
		"curl":           {"--bin", "curl", "--cmd", "--version"},
		"flat":           {"--bin", "bash", "--layout", "flat", "--bare", "--cmd", `["-c", "echo hello"]`},
		"layers":         {"--bin", "bash", "--layers", "libs", "--cmd", `["-c", "echo hello"]`},
		"docker archive": {"--bin", "bash", "--format", "docker", "--cmd", `["-c", "echo hello"]`},
		"owner":          {"--bin", "bash", "--mkdir", "/srv:0750:33:33", "--cmd", `["-c", "echo hello"]`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWork(t)
			want := w.build(append([]string{"--by-hand", "by-hand.sh"}, flags...)...)
			said := w.run("sh", "by-hand.sh")
			contains(t, "what the script says", said, "image ID "+want.ImageID, "diff_id")
			w.run("cmp", "image.tar", "by-hand/image.tar")
			w.load("docker", "by-hand/image.tar")
			equal(t, "docker's image ID", strings.TrimSpace(w.run("docker", "image", "inspect", "-f", "{{.Id}}", w.image)), want.ImageID)
			if said := w.start("docker", w.image); !strings.Contains(said, "hello") && !strings.Contains(said, "curl") {
				t.Errorf("the image says %q", said)
			}
		})
	}
}

// Whoever is not root makes the same.
func TestScriptsNeedNoRoot(t *testing.T) {
	need(t, "root", "setpriv")
	w := newWork(t)
	w.build("--bin", "bash", "--by-hand", "by-hand.sh", "--mkdir", "/srv:0750:33:33")
	w.shell(`chmod 755 . .. && mkdir mine && chown 65534 mine && cp by-hand.sh mine && cd mine &&
		setpriv --reuid 65534 --regid 65534 --clear-groups sh by-hand.sh`)
	w.run("cmp", "image.tar", "mine/by-hand/image.tar")
}

// Every command that --explain shows does what it says, in the order in which
// they stand there, in either language.
func TestExplanationsAreTrue(t *testing.T) {
	need(t, "docker", "curl", "readelf")
	for name, c := range map[string]struct {
		flags []string
		least int // commands with an output
	}{
		"bash and echo":  {[]string{"--bin", "/bin/bash", "--bin", "/bin/echo", "--cmd", `["-c", "echo hello"]`}, 7},
		"script":         {[]string{"--bin", "ldd", "--cmd", "--version"}, 6},
		"static":         {[]string{"--bin", harvestFile, "--cmd", "--version"}, 5},
		"curl, 3 layers": {[]string{"--bin", "curl", "--layers", "libs", "--cmd", "--version"}, 11},
		"flat, gzip":     {[]string{"--bin", "bash", "--layout", "flat", "--compress", "gzip", "--cmd", `["-c", "echo hello"]`}, 8},
		"docker archive": {[]string{"--bin", "bash", "--format", "docker", "--cmd", `["-c", "echo hello"]`}, 6},
	} {
		for _, lang := range []string{"en", "zh"} {
			t.Run(name+", "+lang, func(t *testing.T) {
				w := newWork(t)
				w.forget("docker", w.image)
				told := w.run("harvest", append([]string{"-q", "--explain", "--lang", lang, "-t", w.image, "--add", w.fresh}, c.flags...)...)
				compared := 0
				for _, s := range explained(told) {
					if w.explained(s) {
						compared++
					}
				}
				if compared < c.least {
					t.Errorf("only %d commands with an output were found in\n%s", compared, told)
				}
			})
		}
	}
}

// explained returns the commands of an explanation, and what they print.
func explained(told string) []step {
	const indent = "     "
	var steps []step
	open := false
	for line := range strings.Lines(told) {
		rest, inside := strings.CutPrefix(line, indent)
		command, isCommand := strings.CutPrefix(rest, "$ ")
		switch {
		case !inside:
			open = false
		case isCommand:
			open = true
			steps = append(steps, step{command: strings.TrimSpace(command)})
		case open:
			steps[len(steps)-1].want += rest
		}
	}
	return steps
}

// explained runs a command of an explanation, and reports whether there was an
// output to compare.
func (w *work) explained(s step) bool {
	w.t.Helper()
	command := strings.Replace(s.command, "docker run --rm -it ", "docker run --rm ", 1)
	command = strings.Replace(command, "docker run", "docker run --network none", 1)
	got := w.shell(command)
	if s.want == "" {
		return false
	}
	equal(w.t, "$ "+s.command, got, s.want)
	return true
}

// A layer that commands shown by --explain can be made of the very files has the
// digest that they say: the whole way, for a root without anything generated.
func TestExplainedCommandsMakeTheLayer(t *testing.T) {
	need(t, "docker", "gcc")
	w := newWork(t)
	w.write("hello.c", `int main(void) { return 0; }`)
	w.run("gcc", "-static", "-o", "hello", "hello.c")
	w.forget("docker", w.image)
	told := w.run("harvest", "-q", "--explain", "-t", w.image, "--bare", "--with", "none", "--bin", "./hello:/hello", "--layout", "flat")
	for _, s := range explained(told) {
		w.explained(s)
	}
	sum, _, _ := strings.Cut(w.run("sha256sum", "layer.tar"), " ")
	contains(t, "what is explained", told, "\n     "+sum+"  -\n")
}
