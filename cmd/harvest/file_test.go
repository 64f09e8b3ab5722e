package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/buildfile"
)

// notInFiles are the flags of a build that a file does not say: what is about one
// run, what the user of a file and not its author decides, and the file itself.
var notInFiles = []string{"dry-run", "explain", "file", "help", "json", "lang", "load", "max-unpacked", "plain-http", "push", "quiet", "version"}

func TestAFileCanSayWhatFlagsCan(t *testing.T) {
	cmd := newRootCmd(streams{})
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	said := slices.Clone(notInFiles)
	for _, k := range buildfile.Keys() {
		flag := cmd.Flags().Lookup(k.Flag)
		if flag == nil {
			t.Errorf("%s stands for --%s, which there is not", k.Path, k.Flag)
			continue
		}
		said = append(said, k.Flag)
		_, isList := flag.Value.(pflag.SliceValue)
		if want := !slices.Contains(oneValue, k.Form); isList != want {
			t.Errorf("%s: list %v, --%s: list %v", k.Path, want, k.Flag, isList)
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(said, f.Name) {
			t.Errorf("no key of a file says what --%s says; add one to buildfile's table", f.Name)
		}
	})
	slices.Sort(said)
	if once := slices.Compact(slices.Clone(said)); len(once) != len(said) {
		t.Errorf("said twice: %v", said)
	}
}

// oneValue are the forms of flags that are given once.
var oneValue = []buildfile.Form{buildfile.Text, buildfile.Switch, buildfile.Command, buildfile.Path, buildfile.Image, buildfile.Output}

func TestTheDocumentationHasAllKeys(t *testing.T) {
	text, err := os.ReadFile("../../docs/file.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range buildfile.Keys() {
		last := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		if !strings.Contains(string(text), "`"+k.Path+"`") && !strings.Contains(string(text), "`."+last+"`") {
			t.Errorf("docs/file.md does not have %s", k.Path)
		}
	}
}
