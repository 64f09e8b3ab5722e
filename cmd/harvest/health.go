package main

import (
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/harvest-oci/harvest/pack"
)

// The kinds of a health check (Dockerfile reference, HEALTHCHECK).
const (
	checkNone  = "NONE"
	checkWords = "CMD"
	checkShell = "CMD-SHELL"
)

// shell is what runs a check of the kind CMD-SHELL.
const shell = "/bin/sh"

// healthOptions is the part of the command line that says how an engine finds out
// whether a container is well. Names and meanings are those of docker run.
type healthOptions struct {
	test                           string
	interval, timeout, startPeriod time.Duration
	retries                        int
}

func (o *healthOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.test, "healthcheck", "", "`COMMAND`: what tells whether a container is well, words, quoted as in a shell, or a JSON array; CMD-SHELL LINE for a line of the shell; NONE for no check, where a base has one")
	f.DurationVar(&o.interval, "health-interval", 0, "`TIME`: between two checks (default 30s)")
	f.DurationVar(&o.timeout, "health-timeout", 0, "`TIME`: after which a check has failed (default 30s)")
	f.DurationVar(&o.startPeriod, "health-start-period", 0, "`TIME`: from the start, in which failures do not count (default none)")
	f.IntVar(&o.retries, "health-retries", 0, "`N`: failures in a row that make a container unhealthy (default 3)")
}

// healthFlags are the names of these flags.
var healthFlags = []string{"healthcheck", "health-interval", "health-timeout", "health-start-period", "health-retries"}

// configure changes what flags have a word on. A check of the base's keeps its
// times, unless there is another.
func (o *healthOptions) configure(c *pack.Config) error {
	if *o == (healthOptions{}) {
		return nil
	}
	h := &pack.Healthcheck{}
	if c.Healthcheck != nil {
		*h = *c.Healthcheck
	}
	if o.test != "" {
		var err error
		if h.Test, err = checkOf(o.test); err != nil {
			return err
		}
	}
	if len(h.Test) == 0 {
		return usagef("there is no health check: add --healthcheck COMMAND")
	}
	for _, t := range []struct {
		flag string
		was  *time.Duration
		is   time.Duration
	}{
		{"interval", &h.Interval, o.interval}, {"timeout", &h.Timeout, o.timeout}, {"start-period", &h.StartPeriod, o.startPeriod},
	} {
		if t.is < 0 || t.is > 0 && t.is < time.Millisecond { // as docker has it
			return usagef("--health-%s %s: give at least 1ms", t.flag, t.is)
		}
		if t.is > 0 {
			*t.was = t.is
		}
	}
	if o.retries < 0 {
		return usagef("--health-retries %d: less than none", o.retries)
	}
	if o.retries > 0 {
		h.Retries = o.retries
	}
	if h.Test[0] == checkNone {
		h = &pack.Healthcheck{Test: h.Test}
	}
	c.Healthcheck = h
	return nil
}

// checkOf returns the test of a health check as engines have it.
func checkOf(s string) ([]string, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	command := s
	switch {
	case kind == checkNone && rest == "":
		return []string{checkNone}, nil
	case kind == checkShell && strings.TrimSpace(rest) != "":
		return []string{checkShell, strings.TrimSpace(rest)}, nil
	case kind == checkWords:
		command = rest
	}
	list, err := words("--healthcheck", command)
	if err == nil && (len(list) == 0 || list[0] == "" || kind == checkNone || kind == checkShell) {
		err = usagef("--healthcheck %s: name a command, or NONE", s)
	}
	return append([]string{checkWords}, list...), err
}

// check makes sure that the command of a check that was asked for is in the image.
func (o *healthOptions) check(root fs.FS, c pack.Config) error {
	if o.test == "" || c.Healthcheck == nil {
		return nil
	}
	switch test := c.Healthcheck.Test; test[0] {
	case checkWords:
		return checkCommand(root, c, "--healthcheck", test[1])
	case checkShell:
		return checkCommand(root, c, "--healthcheck", shell)
	}
	return nil
}

// healthText says what a health check does.
func healthText(h *pack.Healthcheck) string {
	if h == nil || len(h.Test) == 0 {
		return ""
	}
	text := h.Test[0]
	switch text {
	case checkWords:
		text = commandLine(h.Test[1:])
	case checkShell:
		text = shell + " -c " + commandLine(h.Test[1:])
	case checkNone:
		return "none"
	}
	for _, t := range []struct {
		before string
		time   time.Duration
	}{
		{"every ", h.Interval}, {"within ", h.Timeout}, {"not in the first ", h.StartPeriod},
	} {
		if t.time != 0 {
			text += ", " + t.before + t.time.String()
		}
	}
	if h.Retries != 0 {
		text += ", " + plural(h.Retries, "try", "tries")
	}
	return text
}
