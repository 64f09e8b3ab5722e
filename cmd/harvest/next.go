package main

import (
	"path"
	"slices"
	"strings"
)

// interactive are the programs that want a terminal when nothing is said.
var interactive = []string{"sh", "ash", "bash", "dash", "fish", "ksh", "zsh"}

// next returns the commands that come next, to be pasted.
func (s *summary) next() []string {
	to := shellWord(s.Output.Path)
	switch {
	case s.DryRun, s.Output.Path == stdout:
		return nil
	case len(s.Loaded) > 0, s.Output.Path == "":
		return []string{s.dockerRun()}
	}
	switch s.Output.Type {
	case typeRootfs:
		return []string{"chroot " + to + " " + s.program()}
	case typeLayer:
		return []string{"tar -tvf " + to}
	case typeOCI:
		if len(s.Tags) == 0 {
			return []string{"podman run --rm " + s.terminal() + "oci:" + to}
		}
		name := s.Tags[0]
		tag := name[strings.LastIndex(name, ":"):]
		return []string{"skopeo copy oci:" + to + tag + " docker-daemon:" + name, s.dockerRun()}
	}
	steps := []string{"docker load -i " + to, s.dockerRun()}
	if s.Broken != nil {
		steps = append(steps, "harvest diagnose "+shellWord(s.Broken.Message)+" "+to)
	}
	return steps
}

// dockerRun returns the command that runs the image once docker has it.
func (s *summary) dockerRun() string {
	name := s.Digests.Image.String()
	if len(s.Tags) > 0 {
		name = s.Tags[0]
	}
	run := "docker run --rm "
	if s.Broken == nil {
		run += s.terminal()
	} else {
		run += s.Broken.flags
	}
	run += name
	if len(s.entrypoint) == 0 && !s.hasCmd {
		run += " " + s.program()
	}
	if s.Broken != nil && s.Broken.args != "" && !s.hasCmd {
		run += " " + s.Broken.args
	}
	return run
}

// program is what runs if nothing is said.
func (s *summary) program() string {
	switch {
	case len(s.entrypoint) > 0:
		return shellWord(s.entrypoint[0])
	case len(s.Programs) > 0:
		return shellWord(s.Programs[0])
	}
	return "COMMAND"
}

// terminal is the flag that gives a shell its terminal.
func (s *summary) terminal() string {
	if slices.Contains(interactive, path.Base(s.program())) && !s.hasCmd {
		return "-it "
	}
	return ""
}

// shellWord quotes a word if a shell would take it apart.
func shellWord(word string) string {
	if strings.ContainsAny(word, " \t\n'\"\\$`;&|<>()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
