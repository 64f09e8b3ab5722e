package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// buildOptions is the command line of a build.
type buildOptions struct {
	selection
	tags       []string
	output     string
	format     string
	entrypoint string
	cmd        string
	env        []string
	workdir    string
	user       string
	labels     []string
	load       bool
	dryRun     bool
	json       bool
	quiet      bool

	setEntrypoint bool // --entrypoint was given, be it empty
}

var errPositional = errors.New("unexpected argument")

func newBuildCmd(io streams) *cobra.Command {
	o := &buildOptions{}
	cmd := &cobra.Command{
		Use:   "harvest --bin PROGRAM [flags]",
		Short: "Turn programs of a Linux root into a minimal container image",
		Long: `harvest finds everything that programs need to run, without running them, lays
it out as a minimal root file system, and ships that as an image which docker,
podman, containerd and skopeo load.

` + exitCodes,
		Example: `  harvest --bin /bin/bash --bin /bin/echo -t basic:v1
  docker load -i basic.tar
  docker run --rm basic:v1 -c "echo hello"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("%w: %s", errPositional, args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.setEntrypoint = cmd.Flags().Changed("entrypoint")
			return buildRun(cmd.Context(), io, o)
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "`NAME[:TAG]` of the image (repeatable)")
	f.StringVarP(&o.output, "output", "o", "", "`FILE`, - for stdout, or type=archive|oci|rootfs|layer,dest=PATH")
	f.StringVar(&o.format, "format", formatArchive, "`archive` is a docker archive and an OCI layout in one, docker has the names of tutorials")
	f.BoolVar(&o.load, "load", false, "load the image into the engine")
	f.StringVar(&o.entrypoint, "entrypoint", "", "`COMMAND` to run instead of the first program: words or a JSON array")
	f.StringVar(&o.cmd, "cmd", "", "default `ARGUMENTS`: words or a JSON array")
	f.StringArrayVarP(&o.env, "env", "e", nil, "`NAME=VALUE` in the environment (repeatable)")
	f.StringVarP(&o.workdir, "workdir", "w", "/", "`DIR` to start in")
	f.StringVarP(&o.user, "user", "u", "", "`USER[:GROUP]` to run as")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "`NAME=VALUE` to label the image with (repeatable)")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON on stdout")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	completeWords(cmd, "format", formatArchive, formatDocker)
	return cmd
}

// buildRun makes an image.
func buildRun(ctx context.Context, s streams, o *buildOptions) error {
	start := time.Now()
	spec, err := o.spec()
	if err != nil {
		return err
	}
	spec.User = o.user
	tags, err := parseTags(o.tags)
	if err != nil {
		return err
	}
	epoch, err := sourceDate(s.getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	out, err := o.destination(tags)
	if err != nil {
		return err
	}
	if err := out.check(s, o); err != nil {
		return err
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	p, err := plan.Make(ctx, host, spec)
	if err != nil {
		return err
	}
	img, err := o.image(p, tags, epoch)
	if err != nil {
		return err
	}
	result := newSummary(p, img, out)
	if !o.dryRun {
		if err := o.ship(ctx, s, p, img, out, result); err != nil {
			return err
		}
	}
	result.Elapsed = time.Since(start)
	return o.report(s, result)
}

// report prints the summary the way that was asked for.
func (o *buildOptions) report(s streams, result *summary) error {
	switch {
	case o.json:
		return writeJSON(s.out, result)
	case o.quiet:
		return nil
	}
	_, err := fmt.Fprint(s.err, result.text())
	return err
}

// image returns the image of a plan.
func (o *buildOptions) image(p *plan.Plan, tags []string, epoch time.Time) (*pack.Image, error) {
	config, err := o.config(p)
	if err != nil {
		return nil, err
	}
	return &pack.Image{
		Tags:         tags,
		Architecture: p.Arch.GOARCH(),
		Variant:      p.Arch.Variant(),
		OS:           "linux",
		Created:      epoch,
		Config:       config,
		Layers:       []pack.Layer{pack.TreeLayer(p.Tree, epoch)},
		CreatedBy:    []string{"harvest " + strings.Join(p.Programs, " ")},
	}, nil
}

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
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return c, usagef("-e %s: give it as NAME=VALUE", e)
		}
		c.Env = setEnv(c.Env, name, e)
	}
	for _, l := range o.labels {
		name, value, ok := strings.Cut(l, "=")
		if !ok || name == "" {
			return c, usagef("-l %s: give it as NAME=VALUE", l)
		}
		if c.Labels == nil {
			c.Labels = make(map[string]string)
		}
		c.Labels[name] = value
	}
	return c, checkEntrypoint(p, c)
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
		if info, err := p.Tree.Stat(file[1:]); err == nil && !info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("--entrypoint %s is not in the image", name)
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

func parseTags(names []string) ([]string, error) {
	var tags []string
	for _, name := range names {
		tag, err := pack.ParseTag(name)
		if err != nil {
			return nil, &usageError{err}
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org): the time that
// nothing in the image is later than. Unset, it is the start of 1970.
func sourceDate(value string) (time.Time, error) {
	if value == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH=%s: not a number of seconds since 1970", value)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
