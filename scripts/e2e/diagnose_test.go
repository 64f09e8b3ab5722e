package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A brokenRow is a line of the table in docs/verbs/diagnose.md.
type brokenRow struct {
	fault, suffix string
	says          map[string]string // by what runs it
}

// brokenRows reads the table.
func brokenRows(t *testing.T) []brokenRow {
	t.Helper()
	page, err := os.ReadFile("../../docs/verbs/diagnose.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| [^|]+ \\| `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\|$")
	var rows []brokenRow
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, brokenRow{m[1], m[2], map[string]string{"docker": m[3], "podman": m[4], "harvest": m[5]}})
	}
	return rows
}

// plantedCauses are what diagnose is to name, for each fault.
var plantedCauses = map[string]string{
	"loader":       "no-loader",
	"lib:libtinfo": "no-library",
	"tmp":          "no-tmp",
	"passwd":       "no-account",
	"exec-bit":     "not-executable",
	"arch":         "other-processor",
	"root-dir":     "no-file",
}

// Each broken variant says what is documented, wherever it runs, and diagnose
// tells from that and the image what was broken, and nothing else.
func TestBrokenVariantsSayWhatIsDocumented(t *testing.T) {
	rows := brokenRows(t)
	if len(rows) != len(plantedCauses) {
		t.Fatalf("the table has %d variants", len(rows))
	}
	for _, runner := range []string{"docker", "podman", "harvest"} {
		t.Run(runner, func(t *testing.T) {
			need(t, runner)
			for _, row := range rows {
				t.Run(row.fault, func(t *testing.T) { row.try(t, runner) })
			}
		})
	}
}

func (row brokenRow) try(t *testing.T, runner string) {
	w := newWork(t)
	promised := row.build(w, "--bin", "/bin/bash")
	file := w.name + row.suffix + ".tar"
	said := row.start(w, runner, file)
	contains(t, runner+" run", said, row.says[runner])
	if runner == "docker" && !strings.Contains(row.says[runner], promised) {
		t.Errorf("a build promises %q", promised)
	}
	want := plantedCauses[row.fault]
	equal(t, "diagnose - "+file+" <<"+said, causesIn(w, said, file), want)
	equal(t, "diagnose of the documented message", causesIn(w, row.says[runner], file), want)
}

// build writes the broken variant, and returns what it promises to say.
func (row brokenRow) build(w *work, args ...string) string {
	w.t.Helper()
	var built struct {
		Tags   []string
		Broken struct{ Message string }
	}
	out := w.run("harvest", append(args, "--add", w.fresh, "-t", w.image, "--break", row.fault, "--json")...)
	if err := json.Unmarshal([]byte(out), &built); err != nil {
		w.t.Fatal(err)
	}
	equal(w.t, "name", strings.Join(built.Tags, " "), w.image+row.suffix)
	return built.Broken.Message
}

// What a build promises is true of other programs, too: scripts, those of musl,
// static ones, in other layouts and layers.
func TestBrokenVariantsSayWhatIsPromised(t *testing.T) {
	need(t, "docker", "curl", "busybox", "musl-gcc")
	for _, test := range []struct{ fault, suffix, args, cause string }{
		{"loader", "-no-loader", "--bin ldd", "no-loader"},
		{"root-dir", "-wrong-root-dir", "--bin ldd", "no-file"},
		{"lib:libz.so.1", "-no-libz.so.1", "--bin curl --layers libs --compress gzip", "no-library"},
		{"loader", "-no-loader", "--bin curl --layout flat", "no-loader"},
		{"exec-bit", "-no-exec-bit", "--bin busybox --layout flat", "not-executable"},
		{"arch", "-wrong-arch", "--bin busybox", "other-processor"},
		{"lib:libb", "-no-libb", "--bin app", "no-library"},
		{"loader", "-no-loader", "--bin app", "no-loader"},
	} {
		t.Run(test.fault+" "+test.args, func(t *testing.T) {
			w := newWork(t)
			args := strings.Fields(test.args)
			if args[1] == "app" {
				args[1] = w.path("app")
				w.write("b.c", "int b(void) { return 1; }")
				w.write("a.c", "int b(void); int a(void) { return b(); }")
				w.write("app.c", "int a(void); int main(void) { return a(); }")
				w.shell("musl-gcc -shared -fPIC -o libb.so b.c && musl-gcc -shared -fPIC -o liba.so a.c -L. -lb -Wl,-rpath,'$ORIGIN' && " +
					"musl-gcc -o app app.c -L. -la -Wl,-rpath,'$ORIGIN' -Wl,-rpath-link,.")
			}
			row := brokenRow{fault: test.fault, suffix: test.suffix}
			promised := row.build(w, args...)
			file := w.name + row.suffix + ".tar"
			said := row.start(w, "docker", file)
			contains(t, "docker run", said, promised)
			equal(t, "diagnose of "+said, causesIn(w, said, file), test.cause)
		})
	}
}

// start runs a broken variant, which must not end well, and returns all that is
// said.
func (row brokenRow) start(w *work, runner, file string) string {
	w.t.Helper()
	args := []string{"run"}
	image := w.image + row.suffix
	switch runner {
	case "harvest":
		image = file
	default:
		w.forget(runner, image)
		w.run(runner, "load", "-i", file)
		args = append(args, "--rm", "--network", "none")
	}
	if row.fault == "passwd" {
		args = append(args, "-u", "nobody")
	}
	args = append(args, image)
	if row.fault == "tmp" {
		args = append(args, "-c", "echo >/tmp/x")
	}
	out, err := w.command(runner, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		w.t.Fatalf("%s %s: %v, want a failure\n%s", runner, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// causesIn returns the causes that diagnose finds in an image for a text.
func causesIn(w *work, text, file string) string {
	w.t.Helper()
	cmd := w.command("harvest", "diagnose", "--json", "-", file)
	cmd.Stdin = strings.NewReader(text)
	var list []struct {
		Causes []struct{ Cause string }
	}
	if err := json.Unmarshal([]byte(w.output(cmd)), &list); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		for _, c := range d.Causes {
			names = append(names, c.Cause)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// In an image that lacks nothing, no message has a cause.
func TestSoundImagesHaveNoCause(t *testing.T) {
	w := newWork(t)
	w.run("harvest", "--bin", "/bin/bash", "-o", "image.tar", "-q")
	for _, row := range brokenRows(t) {
		if row.fault == "passwd" { // whose message is about who runs it
			continue
		}
		cmd := w.command("harvest", "diagnose", row.says["docker"], "image.tar")
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 4 {
			t.Errorf("%s: %v\n%s", row.fault, err, out)
		}
		contains(t, row.fault, string(out), "none of these holds in image.tar")
	}
}
