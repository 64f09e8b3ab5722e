package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The blocks of the tutorial, pasted into one shell in an empty folder, print what
// stands below them, and end with a container that says hello.
func TestTutorialIsTrue(t *testing.T) {
	need(t, "docker", "ldd")
	blocks := tutorial(t, "../../docs/tutorial.md")
	if len(blocks) < 15 {
		t.Fatalf("only %d blocks were found", len(blocks))
	}
	w := newWork(t)
	var script strings.Builder
	steps := []step{{command: "-t basic:v1 -t changed:v1"}}
	for i, b := range blocks {
		steps = append(steps, step{command: strings.ReplaceAll("\n"+b.command, "\nimage ", " -t ")})
		fmt.Fprintf(&script, "%s\necho \"%s $?\"\n", b.command, mark(i))
	}
	setAside(t, steps)
	cmd := w.command("bash", "-s")
	cmd.Stdin = strings.NewReader(script.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s%v", out, err)
	}
	rest := string(out)
	for i, b := range blocks {
		got, after, found := strings.Cut(rest, mark(i)+" ")
		status, after, _ := strings.Cut(after, "\n")
		if !found || b.want == "" && status != "0" || !prints(got, b.want) {
			t.Fatalf("%s\ngot, with status %s:\n%s\nwant:\n%s", b.command, status, got, b.want)
		}
		rest = after
	}
	if last := blocks[len(blocks)-1]; !strings.HasSuffix(last.want, "\nhello\n") {
		t.Errorf("it ends with\n%s\nand not with hello", last.want)
	}
}

// mark is what the shell prints after a block.
func mark(i int) string { return fmt.Sprintf("--- end of block %d", i) }

// tutorial returns the blocks of commands of a page, each with what it prints.
func tutorial(t *testing.T, page string) []step {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []step
	kind := ""
	for line := range strings.Lines(string(text)) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && kind == "":
			kind = fence
			if kind == "sh" {
				blocks = append(blocks, step{})
			}
		case isFence:
			kind = ""
		case kind == "sh":
			blocks[len(blocks)-1].command += line
		case kind == "text":
			blocks[len(blocks)-1].want += line
		}
	}
	return blocks
}

// prints reports whether an output is what a page says. A line "..." there stands
// for anything, numbers of the machine may differ, and no text means any output.
func prints(got, want string) bool {
	if want == "" {
		return true
	}
	got, want = "\n"+masked(got), "\n"+masked(want)
	parts := strings.Split(want, "\n...\n")
	for i, part := range parts {
		at := strings.Index(got, part)
		if i == len(parts)-1 && part != "" {
			at = strings.LastIndex(got, part)
		}
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		got = got[at+len(part):]
	}
	return got == "" || parts[len(parts)-1] == ""
}

// address is where a library lies in memory.
var address = regexp.MustCompile(`0x[0-9a-f]+`)

func masked(s string) string {
	return ofMachine.ReplaceAllString(address.ReplaceAllString(s, "#"), "#")
}

// Pages in Chinese have the commands of those in English, and what these print.
func TestPagesAreTheSameInChinese(t *testing.T) {
	english, chinese := tutorial(t, "../../docs/tutorial.md"), tutorial(t, "../../docs/zh/tutorial.md")
	if !slices.Equal(english, chinese) {
		for i := range min(len(english), len(chinese)) {
			if english[i] != chinese[i] {
				t.Fatalf("block %d of the tutorial in Chinese:\n%s%s\nwant:\n%s%s", i, chinese[i].command, chinese[i].want, english[i].command, english[i].want)
			}
		}
		t.Fatalf("the tutorial has %d blocks in Chinese, and %d in English", len(chinese), len(english))
	}
}

// What README.zh.md shows is what README.md does, whose commands are run, but for
// comments.
func TestReadmeIsTheSameInChinese(t *testing.T) {
	english := readmeSteps(t, "../../README.md")
	chinese := readmeSteps(t, "../../README.zh.md")
	if len(chinese) < 20 {
		t.Errorf("only %d commands were found", len(chinese))
	}
	for _, s := range chinese {
		if !slices.Contains(english, s) {
			t.Errorf("README.md has no\n$ %s\n%s", s.command, s.want)
		}
	}
}

func readmeSteps(t *testing.T, page string) []step {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	steps := transcripts(string(text))
	for i := range steps {
		command, _, _ := strings.Cut(steps[i].command, "  #")
		steps[i].command = strings.TrimSpace(command)
	}
	return steps
}
