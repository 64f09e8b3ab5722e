package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A helpLine is a word and what it means.
type helpLine struct{ word, text string }

// exitCodes are what --help and the manual list.
var exitCodes = []helpLine{
	{"0", "done"},
	{"1", "wrong usage, or something could not be read or written"},
	{"2", "a harvest.yaml that -f names says something that cannot be"},
	{"3", "a program needs something that is not there, or would find something else in the image than on the host"},
	{"4", "a check has found something"},
	{"5", "the image would be bigger than --max-size"},
}

// runExitCodes are those of run.
var runExitCodes = []helpLine{
	{"124", "--timeout has ended the command"},
	{"125", "harvest could not run it"},
	{"126", "the command is there, and cannot be executed"},
	{"127", "there is no such command"},
	{"any other", "the command's own, 128+N if signal N has ended it"},
}

// traceExitCodes are those of trace.
var traceExitCodes = []helpLine{
	{"0", "the command has succeeded, or --timeout has ended it"},
	{"125", "harvest could not trace it, or not write the file"},
	{"126", "the command is there, and cannot be executed"},
	{"127", "there is no such command"},
	{"any other", "the command's own, 128+N if signal N has ended it; with --trace-log, the one that the log has"},
}

// diagnoseExitCodes are those of diagnose.
var diagnoseExitCodes = []helpLine{
	{"0", "a cause was found or, without an image, causes were listed"},
	{"1", "wrong usage, or something could not be read or written"},
	{"4", "the message is not known, or none of its causes is in the image"},
}

// exitCodesOf returns those of a verb.
func exitCodesOf(verb *cobra.Command) []helpLine {
	switch verb.Name() {
	case runVerb:
		return runExitCodes
	case traceVerb:
		return traceExitCodes
	case diagnoseVerb:
		return diagnoseExitCodes
	}
	return exitCodes
}

// environment is what the manual lists of it.
var environment = []helpLine{
	{"SOURCE_DATE_EPOCH", "Seconds since 1970: the time of the image, and what no file in it is later than. 0 if unset."},
	{"DOCKER_HOST", "The engine that --load speaks to: unix://PATH or tcp://HOST:PORT."},
	{"DOCKER_CONTEXT", "The docker context that names the engine, if DOCKER_HOST does not."},
	{"DOCKER_CONFIG", "The folder of docker's config.json, which names the context otherwise, and has the logins to registries. ~/.docker if unset."},
	{"REGISTRY_AUTH_FILE", "podman's file of logins to registries, in which those are looked for that docker has not got. If unset, containers/auth.json in $XDG_RUNTIME_DIR and in ~/.config."},
	{"SSL_CERT_FILE", "The authorities that registries' certificates must be from, if not the system's. Those in /etc/docker/certs.d/HOST count besides, and so do podman's."},
	{"HTTPS_PROXY, NO_PROXY", "The proxy for registries, and those that need none."},
	{"NO_COLOR, CI", "If one of them is set, no progress line is shown."},
}

const helpWidth = 80

// groupAnnotation marks a flag with the heading that --help puts it under.
const groupAnnotation = "harvest-group"

// group puts all flags that have no heading yet under one.
func group(f *pflag.FlagSet, heading string) {
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations[groupAnnotation] != nil {
			return
		}
		if err := f.SetAnnotation(flag.Name, groupAnnotation, []string{heading}); err != nil {
			panic("BUG: " + err.Error())
		}
	})
}

func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "help [VERB]",
		Short:  "Print what --help prints",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("help: there is no verb %s", args[0])
			}
			return about.Help()
		},
	}
}

// printHelp prints what a verb is for, its flags under their headings, examples,
// and the exit codes.
func printHelp(w io.Writer, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", text, cmd.UseLine())
	printLines(w, "Verbs", verbLines(cmd), 0)
	groups := flagGroups(cmd)
	column := 0
	for _, g := range groups {
		column = max(column, widest(g.lines))
	}
	for _, g := range groups {
		printLines(w, g.heading, g.lines, column)
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.Flags().Lookup("platform") != nil { // it harvests, or reads images
		printLines(w, "Exit codes", exitCodesOf(cmd), 0)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s VERB --help tells more of a verb.\n", cmd.Name())
	}
}

func verbLines(cmd *cobra.Command) []helpLine {
	var lines []helpLine
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			lines = append(lines, helpLine{c.Name(), c.Short})
		}
	}
	return lines
}

// A flagGroup is what stands below one heading.
type flagGroup struct {
	heading string
	lines   []helpLine
}

// flagGroups returns the flags of a verb by heading, in the order in which they
// were added.
func flagGroups(cmd *cobra.Command) []flagGroup {
	var groups []flagGroup
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		heading := "Flags"
		if a := flag.Annotations[groupAnnotation]; a != nil {
			heading = a[0]
		}
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.heading == heading })
		if i < 0 {
			i = len(groups)
			groups = append(groups, flagGroup{heading: heading})
		}
		groups[i].lines = append(groups[i].lines, flagLine(flag))
	})
	return groups
}

// flagLine returns how a flag is written and what it means, from a usage like
// "`DIR`: where to look" or "look in `DIR`".
func flagLine(flag *pflag.Flag) helpLine {
	value, text := pflag.UnquoteUsage(flag)
	word := "    --" + flag.Name
	if flag.Shorthand != "" {
		word = "-" + flag.Shorthand + ", --" + flag.Name
	}
	if value != "" {
		word += " " + value
	}
	return helpLine{word, strings.TrimPrefix(text, value+": ")}
}

func widest(lines []helpLine) int {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.word))
	}
	return width
}

// printLines prints a heading and lines in two columns, the first at least as
// wide as given.
func printLines(w io.Writer, heading string, lines []helpLine, column int) {
	if len(lines) == 0 {
		return
	}
	column = max(column, widest(lines))
	fmt.Fprintf(w, "\n%s:\n", heading)
	for _, l := range lines {
		word := l.word
		for _, part := range wrap(l.text, helpWidth-column-4) {
			fmt.Fprintf(w, "  %-*s  %s\n", column, word, part)
			word = ""
		}
	}
}

// wrap breaks a text between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
