package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs/plan"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

var errNotInImage = errors.New("is not in the image")

// config says how to run the image: as base says, or else the first program, with
// the programs' folders in PATH, unless flags say otherwise. As in a Dockerfile,
// a new entrypoint does away with the arguments of the old one.
func (o *buildOptions) config(p *plan.Plan, base *base) (pack.Config, error) {
	c := pack.Config{ImageConfig: v1.ImageConfig{WorkingDir: "/"}}
	if base != nil {
		c = base.Config
		c.Env = slices.Clone(c.Env)
		c.Labels, c.ExposedPorts, c.Volumes = maps.Clone(c.Labels), maps.Clone(c.ExposedPorts), maps.Clone(c.Volumes)
	}
	if dirs, all := base.path(), programPath(base.path(), p.Path()); !slices.Equal(dirs, all) {
		c.Env = setEnv(c.Env, "PATH", "PATH="+strings.Join(all, ":"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		if lookupEnv(c.Env, name) == "" {
			c.Env = setEnv(c.Env, name, name+"="+p.Env[name])
		}
	}
	if len(c.Entrypoint) == 0 && len(c.Cmd) == 0 && p.Main != "" {
		c.Entrypoint = []string{p.Main}
	}
	if err := o.configure(&c); err != nil {
		return c, err
	}
	if o.setEntrypoint {
		if err := checkEntrypoint(p.Sound, c); err != nil {
			return c, err
		}
	}
	return c, o.health.check(p.Sound, c)
}

// configure changes what flags have a word on.
func (o *imageOptions) configure(c *pack.Config) error {
	c.User = cmp.Or(o.user, c.User)
	c.WorkingDir = cmp.Or(o.workdir, c.WorkingDir)
	c.StopSignal = cmp.Or(o.stopSignal, c.StopSignal)
	if !path.IsAbs(cmp.Or(c.WorkingDir, "/")) {
		return usagef("-w %s: a working directory must be absolute", c.WorkingDir)
	}
	if err := o.command(c); err != nil {
		return err
	}
	if err := o.environment(c); err != nil {
		return err
	}
	if err := o.offers(c); err != nil {
		return err
	}
	return o.health.configure(c)
}

// command sets what runs.
func (o *imageOptions) command(c *pack.Config) (err error) {
	if o.setEntrypoint {
		c.Cmd = nil
		if c.Entrypoint, err = words("--entrypoint", o.entrypoint); err != nil {
			return err
		}
	}
	if o.cmd != "" {
		c.Cmd, err = words("--cmd", o.cmd)
	}
	return err
}

// environment sets variables and labels.
func (o *imageOptions) environment(c *pack.Config) error {
	for _, e := range o.env {
		name, _, err := pair("-e", e)
		if err != nil {
			return err
		}
		c.Env = setEnv(c.Env, name, e)
	}
	for _, l := range o.labels {
		name, value, err := pair("-l", l)
		if err != nil {
			return err
		}
		if c.Labels == nil {
			c.Labels = make(map[string]string)
		}
		c.Labels[name] = value
	}
	return nil
}

// offers declares the ports and folders that a container offers.
func (o *imageOptions) offers(c *pack.Config) error {
	for _, port := range o.expose {
		number, proto, given := strings.Cut(port, "/")
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 || given && proto != "tcp" && proto != "udp" && proto != "sctp" {
			return usagef("--expose %s: give it as PORT, PORT/udp or PORT/sctp", port)
		}
		c.ExposedPorts = with(c.ExposedPorts, number+"/"+cmp.Or(proto, "tcp"))
	}
	for _, dir := range o.volumes {
		if !path.IsAbs(dir) {
			return usagef("--volume %s: a volume is mounted at an absolute path", dir)
		}
		c.Volumes = with(c.Volumes, dir)
	}
	return nil
}

// with returns the set with one more element.
func with(set map[string]struct{}, element string) map[string]struct{} {
	if set == nil {
		set = make(map[string]struct{})
	}
	set[element] = struct{}{}
	return set
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
func checkEntrypoint(root fs.FS, c pack.Config) error {
	if len(c.Entrypoint) == 0 {
		return nil
	}
	return checkCommand(root, c, "--entrypoint", c.Entrypoint[0])
}

// checkCommand makes sure that a command that a flag names is in the image.
func checkCommand(root fs.FS, c pack.Config, flag, name string) error {
	dirs := []string{""}
	if !strings.Contains(name, "/") {
		dirs = searchPath(c.Env)
	}
	for _, dir := range dirs {
		file := path.Join("/", c.WorkingDir, dir, name)
		if path.IsAbs(dir) || path.IsAbs(name) {
			file = path.Join(dir, name)
		}
		if info, err := fs.Stat(root, file[1:]); err == nil && !info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("%s %s %w", flag, name, errNotInImage)
}

// programPath returns the search path of a base, if there is one, with those of
// other folders that it lacks, each once, in order.
func programPath(base, folders []string) []string {
	dirs := slices.Clone(base)
	for _, dir := range folders {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// path returns the folders in which a base's programs are looked up by their
// names; none without a base.
func (b *base) path() []string {
	if b == nil {
		return nil
	}
	return slices.DeleteFunc(searchPath(b.Config.Env), func(dir string) bool { return dir == "" })
}

// searchPath returns the folders of PATH, or where an image does not set it, those
// that engines set.
func searchPath(env []string) []string {
	if list := lookupEnv(env, "PATH"); list != "" {
		return strings.Split(list, ":")
	}
	return slices.Clone(lint.DefaultPath)
}

// setPath tells a spec of the PATH that the image will have: what -e says, else
// the base's with more.
func (s *selection) setPath(spec *plan.Spec, env []string, base *base) {
	spec.Path = base.path()
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			spec.Path, spec.PathIsSet = strings.Split(value, ":"), true
		}
	}
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
