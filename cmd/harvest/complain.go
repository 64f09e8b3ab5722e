package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complain prints an error of a verb: a line for each thing that is wrong, and
// what helps below it.
func complain(w io.Writer, verb *cobra.Command, err error) {
	errs := split(err)
	for i, e := range errs {
		for line := range strings.Lines(withoutLogins(message(e))) {
			fmt.Fprintf(w, "harvest: error: %s\n", strings.TrimRight(line, "\n"))
		}
		h := hint(verb, e)
		if h != "" && (i == len(errs)-1 || hint(verb, errs[i+1]) != h) {
			for line := range strings.Lines(h) {
				fmt.Fprintf(w, "harvest: hint: %s\n", strings.TrimRight(line, "\n"))
			}
		}
	}
}

// withoutLogins takes USER:PASSWORD@ out of a text that has names of images in it
// as somebody typed them.
func withoutLogins(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	withLogin := regexp.MustCompile(`(^|[\s"'(]|//)[^\s"'/:@]+:[^\s"'/][^\s"']*@[^\s"']*`)
	return withLogin.ReplaceAllStringFunc(text, func(name string) string {
		rest := name
		if at := strings.LastIndex(name, "@sha256:"); at >= 0 {
			rest = name[:at]
		}
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			return name
		}
		before := ""
		for _, start := range []string{"//", `"`, "'", "(", " "} {
			if strings.HasPrefix(name, start) {
				before = start
			}
		}
		return before + "(secret)" + name[at:]
	})
}

// split takes apart what errors.Join has joined.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var errs []error
	var lines []string
	for _, e := range joined.Unwrap() {
		errs = append(errs, split(e)...)
		lines = append(lines, e.Error())
	}
	if strings.Join(lines, "\n") != err.Error() { // fmt.Errorf with two errors
		return []error{err}
	}
	return errs
}

// message is the text of an error without the names of functions and operations,
// which help nobody: "open /x: permission denied" is "/x: permission denied", and the
// reason alone where the path has been named before.
func message(err error) string {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		return valueMessage(value)
	}
	text := err.Error()
	var pe *fs.PathError
	if !errors.As(err, &pe) {
		return text
	}
	before, after, found := strings.Cut(text, pe.Error())
	if !found {
		return text
	}
	reason := pe.Err.Error()
	if !strings.Contains(before, pe.Path) {
		reason = pe.Path + ": " + reason
	}
	return before + reason + after
}

// valueMessage says what is wrong with the value of a flag.
func valueMessage(err *pflag.InvalidValueError) string {
	flag := err.GetFlag()
	reason := err.Unwrap().Error()
	switch {
	case errors.Is(err, strconv.ErrRange):
		reason = "out of range"
	case errors.Is(err, strconv.ErrSyntax) && flag.Value.Type() == "bool":
		reason = "neither true nor false"
	case errors.Is(err, strconv.ErrSyntax):
		reason = "not a number"
	}
	return fmt.Sprintf("--%s %s: %s", flag.Name, err.GetValue(), reason)
}
