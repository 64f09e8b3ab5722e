package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A subject is a program, and what shows that an image of it is good; programs.yaml
// tells of the keys.
type subject struct {
	Name     string   `yaml:"name"`
	Bins     []string `yaml:"bins"`
	Packages []string `yaml:"packages"`
	Files    string   `yaml:"files"`
	Checks   []check  `yaml:"checks"`

	awkward bool
}

// A check is a script, and what it must and must not print.
type check struct {
	Run   string    `yaml:"run"`
	Want  []pattern `yaml:"want"`
	Never []pattern `yaml:"never"`
}

// A pattern is a regular expression in which ^ and $ are ends of lines.
type pattern struct{ *regexp.Regexp }

// UnmarshalYAML compiles it.
func (p *pattern) UnmarshalYAML(node *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile("(?m)" + node.Value)
	return err
}

// readSubjects reads the two lists.
func readSubjects(usual, awkward []byte) ([]*subject, error) {
	var all []*subject
	seen := make(map[string]bool)
	for i, data := range [][]byte{usual, awkward} {
		var list []*subject
		d := yaml.NewDecoder(bytes.NewReader(data))
		d.KnownFields(true)
		if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for _, s := range list {
			if s.Name == "" || seen[s.Name] || len(s.Checks) == 0 {
				return nil, fmt.Errorf("program %q has no name, or no checks, or is there twice", s.Name)
			}
			seen[s.Name] = true
			s.awkward = i == 1
			if len(s.Bins) == 0 {
				s.Bins = []string{s.Name}
			}
		}
		all = append(all, list...)
	}
	return all, nil
}

// command is what builds the image, as a user types it.
func (s *subject) command() string {
	return "harvest --bin " + strings.Join(s.Bins, " --bin ")
}

// missingPackages returns the packages of the subjects that dpkg does not have.
func missingPackages(ctx context.Context, subjects []*subject) ([]string, error) {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("asking dpkg what is installed: %w", err)
	}
	have := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, ":")
		have[name] = have[name] || status == "installed"
	}
	var missing []string
	for _, s := range subjects {
		for _, p := range s.Packages {
			if !have[p] {
				have[p] = true
				missing = append(missing, p)
			}
		}
	}
	return missing, nil
}

func installPackages(ctx context.Context, packages []string) error {
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
