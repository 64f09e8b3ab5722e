package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// TestManualIsTrue compares the pages in docs/man with what the command line
// says of itself; -update writes them.
func TestManualIsTrue(t *testing.T) {
	root := newRootCmd(streams{})
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Name() == "completion" {
			root.RemoveCommand(cmd) // --help says it all
		}
	}
	for _, cmd := range append(root.Commands(), root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		t.Run(name, func(t *testing.T) {
			compareWithFile(t, filepath.Join("../../docs/man", name), manPage(t, cmd))
		})
	}
}

func compareWithFile(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: go test ./cmd/harvest -update\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// manPage returns the page of a verb, with what cobra leaves out.
func manPage(t *testing.T, cmd *cobra.Command) []byte {
	t.Helper()
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.DisableAutoGenTag = true
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		l := flagLine(flag)
		_, value, _ := strings.Cut(strings.TrimSpace(l.word[len("-x, "):]), " ")
		flag.Usage, flag.DefValue, flag.NoOptDefVal, flag.Value = l.text, value, "", manValue{flag.Value}
	})
	date := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	err := doc.GenMan(cmd, &doc.GenManHeader{Date: &date, Source: "harvest", Manual: "harvest manual"}, &b)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(b.String(), ".SH EXAMPLE\n", manSections(cmd)+".SH EXAMPLES\n")
	page = optionParagraph.ReplaceAllString(page, ".TP\n$1 $2\n$3\n")
	page = strings.ReplaceAll(page, " \n", "\n") // flags without a value
	for _, g := range flagGroups(cmd) {
		if _, flag, _ := strings.Cut(g.lines[0].word, "--"); g.heading != "Flags" {
			flag, _, _ = strings.Cut(flag, " ")
			first := regexp.MustCompile(`\.TP\n.*--` + flag + `\\fP`)
			page = first.ReplaceAllStringFunc(page, func(s string) string { return ".SS " + g.heading + "\n" + s })
		}
	}
	return []byte(page)
}

// optionParagraph is how cobra writes a flag: not as the tagged paragraph that
// man(7) has for it.
var optionParagraph = regexp.MustCompile(`(?:\.PP\n)?(\\fB-.*\\fP)=(.*)\n\t(.*)\n+`)

// manValue is a value that cobra does not put into quotes.
type manValue struct{ pflag.Value }

func (manValue) Type() string { return "word" }

func manSections(cmd *cobra.Command) string {
	var b strings.Builder
	section := func(heading string, lines []helpLine) {
		fmt.Fprintf(&b, ".SH %s\n", heading)
		for _, l := range lines {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", l.word, l.text)
		}
	}
	section("EXIT STATUS", exitCodesOf(cmd))
	if !cmd.HasParent() {
		section("ENVIRONMENT", environment)
	}
	return b.String()
}
