package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/rootfs/plan"
)

var errNotInImage = errors.New("is not in the image")

// config says how to run the image: the first program, with the programs'
// folders as PATH, unless flags say otherwise.
func (o *buildOptions) config(p *plan.Plan) (v1.ImageConfig, error) {
	c := v1.ImageConfig{
		User:       o.user,
		Entrypoint: p.Programs[:1:1],
		WorkingDir: o.workdir,
		Env:        []string{"PATH=" + programPath(p.Programs)},
	}
	if !path.IsAbs(c.WorkingDir) {
		return c, usagef("-w %s: a working directory must be absolute", c.WorkingDir)
	}
	var err error
	if o.setEntrypoint {
		if c.Entrypoint, err = words("--entrypoint", o.entrypoint); err != nil {
			return c, err
		}
	}
	if c.Cmd, err = words("--cmd", o.cmd); err != nil {
		return c, err
	}
	for _, e := range o.env {
		name, _, err := pair("-e", e)
		if err != nil {
			return c, err
		}
		c.Env = setEnv(c.Env, name, e)
	}
	for _, l := range o.labels {
		name, value, err := pair("-l", l)
		if err != nil {
			return c, err
		}
		if c.Labels == nil {
			c.Labels = make(map[string]string)
		}
		c.Labels[name] = value
	}
	return c, checkEntrypoint(p, c)
}

// pair takes NAME=VALUE apart.
func pair(flag, s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", "", usagef("%s %s: give it as NAME=VALUE", flag, s)
	}
	return name, value, nil
}

// checkEntrypoint makes sure that the command is in the image.
func checkEntrypoint(p *plan.Plan, c v1.ImageConfig) error {
	if len(c.Entrypoint) == 0 {
		return nil
	}
	name := c.Entrypoint[0]
	dirs := []string{""}
	if !strings.Contains(name, "/") {
		dirs = strings.Split(lookupEnv(c.Env, "PATH"), ":")
	}
	for _, dir := range dirs {
		file := path.Join("/", c.WorkingDir, dir, name)
		if path.IsAbs(dir) || path.IsAbs(name) {
			file = path.Join(dir, name)
		}
		if info, err := p.Root.Stat(file[1:]); err == nil && !info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("--entrypoint %s %w", name, errNotInImage)
}

// programPath returns the folders of programs, each once, in order.
func programPath(programs []string) string {
	var dirs []string
	seen := make(map[string]bool)
	for _, p := range programs {
		if dir := path.Dir(p); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}

// setEnv replaces the variable called name, or adds it.
func setEnv(env []string, name, pair string) []string {
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = pair
			return env
		}
	}
	return append(env, pair)
}

func lookupEnv(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
