package main

import (
	"errors"
	"strings"
	"testing"
)

// No loader disagrees without a reason that is known, so this one is made up.
func TestADifferenceThatNothingExplainsIsAnError(t *testing.T) {
	var out strings.Builder
	err := printOpinion(&out, jsonOpinion{
		Name: "/bin/app", Platform: "linux/amd64", Loader: "/lib64/ld.so", Both: []string{"/lib64/ld.so"},
		Differences: []jsonDifference{{"/lib/liba.so", "loader", "not explained"}},
	})
	want := "/bin/app (linux/amd64): 1 in both lists\n    only loader: /lib/liba.so [not explained]\n"
	if err != nil || out.String() != want {
		t.Errorf("got %q, %v, want %q", out.String(), err, want)
	}
	err = errors.Join(errors.New("another"), &disagreeError{1})
	if got := exitCode(err); got != exitUnresolved {
		t.Errorf("got exit code %d, want %d", got, exitUnresolved)
	}
	out.Reset()
	complain(&out, newRootCmd(streams{}), &disagreeError{2})
	want = "harvest: error: 2 of the differences from what the loader says are not explained\n" +
		"harvest: hint: please report them, with what harvest deps --json prints\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
