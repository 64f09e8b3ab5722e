package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// breakOptions is the part of the command line that says what is to be broken.
type breakOptions struct {
	fault plan.Fault
}

// addBreakFlag adds --break to a build.
func (o *breakOptions) addBreakFlag(cmd *cobra.Command) {
	cmd.Flags().Var((*faultValue)(&o.fault), "break", "`WHAT`: make a variant that is broken on purpose, to show what that leads to: "+faultWords()+"; its names and its file end in what is wrong, as in basic:v1-no-loader")
	words := make([]string, len(plan.FaultKinds))
	for i, kind := range plan.FaultKinds {
		words[i] = string(kind)
	}
	completeWords(cmd, "break", words...)
}

// faultWords lists what can be broken, and what that is.
func faultWords() string {
	return "loader, lib:NAME, tmp (no /tmp), passwd (no /etc/passwd), exec-bit, arch (for another processor) or root-dir (all of it in " + plan.FaultRoot + ")"
}

// A faultValue is the value of --break.
type faultValue plan.Fault

// Set reads the value.
func (v *faultValue) Set(text string) error {
	f, err := plan.ParseFault(text)
	if fault := (*plan.FaultError)(nil); errors.As(err, &fault) {
		return fault.Reason()
	}
	*v = faultValue(f)
	return err
}

// String writes the value.
func (v *faultValue) String() string {
	if *v == (faultValue{}) {
		return ""
	}
	return plan.Fault(*v).String()
}

// Type is what pflag calls the value.
func (v *faultValue) Type() string { return "fault" }

// suffix is what the names of the variant end in, "" if nothing is broken. A tag
// has letters, digits and _.- only.
func (o *breakOptions) suffix() string {
	switch o.fault.Kind {
	case "":
		return ""
	case plan.NoLibrary:
		return "-no-" + strings.Map(func(c rune) rune {
			if c < 0x80 && (c == '_' || c == '.' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
				return c
			}
			return '_'
		}, o.fault.Name)
	case plan.OtherArch, plan.OtherRoot:
		return "-wrong-" + string(o.fault.Kind)
	}
	return "-no-" + string(o.fault.Kind)
}

// rename gives the variant its names, and the file that nobody has named.
func (o *buildOptions) rename(tags []string, out *destination) error {
	suffix := o.breaks.suffix()
	for i := range tags {
		var err error
		if tags[i], err = pack.ParseTag(tags[i] + suffix); err != nil {
			return &tagError{err}
		}
	}
	if name, ok := strings.CutSuffix(out.Path, ".tar"); ok && o.output == "" {
		out.Path = name + suffix + ".tar"
	}
	return nil
}

// A brokenSummary says what was broken on purpose.
type brokenSummary struct {
	Fault   string   `json:"fault"`
	Paths   []string `json:"paths,omitempty"`
	Message string   `json:"message"` // what an engine, or the program, says

	flags, args string // of docker run, for it to be seen
}

// newBrokenSummary describes damage, nil for none.
func newBrokenSummary(d *plan.Damage, user string) *brokenSummary {
	if d == nil {
		return nil
	}
	b := &brokenSummary{Fault: d.Fault.String(), Paths: d.Paths}
	switch d.Fault.Kind {
	case plan.NoLoader:
		b.Message = fmt.Sprintf("exec %s: no such file or directory", d.Program)
	case plan.NoLibrary:
		b.Message = fmt.Sprintf("%s: error while loading shared libraries: %s: cannot open shared object file: No such file or directory", d.Program, d.Name)
		if d.Musl {
			b.Message = fmt.Sprintf("Error loading shared library %s: No such file or directory (needed by %s)", d.Name, d.By)
		}
	case plan.NoTmp:
		b.Message = "/tmp/x: No such file or directory"
		if isShell(d.Program) {
			b.args = "-c 'echo >/tmp/x'"
		}
	case plan.NoPasswd:
		user, _, _ = strings.Cut(user, ":")
		if _, err := strconv.Atoi(user); user == "" || err == nil { // a number needs no line
			user = "nobody"
			b.flags = "-u nobody "
		}
		b.Message = fmt.Sprintf("unable to find user %s: no matching entries in passwd file", user)
	case plan.NoExecBit:
		b.Message = fmt.Sprintf("exec: %q: permission denied", d.Program)
	case plan.OtherArch:
		b.Message = fmt.Sprintf("exec %s: exec format error", d.Program)
	case plan.OtherRoot:
		b.Message = fmt.Sprintf("exec: %q: stat %s: no such file or directory", d.Program, d.Program)
	}
	return b
}

// isShell reports whether a program takes a line with -c.
func isShell(program string) bool {
	return slices.Contains(interactive, program[strings.LastIndexByte(program, '/')+1:])
}

// what says what is wrong with the variant.
func (b *brokenSummary) what() string {
	fault, _ := plan.ParseFault(b.Fault)
	switch paths := shorten(b.Paths, 100); fault.Kind {
	case plan.NoExecBit:
		return "not executable: " + paths
	case plan.OtherArch:
		return "for another processor: " + paths
	case plan.OtherRoot:
		return "all of it lies in " + plan.FaultRoot
	default:
		return "without " + paths
	}
}
