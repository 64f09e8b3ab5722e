package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// selection is the part of the command line that says what goes into an image.
type selection struct {
	bins        []string
	adds        []string
	mkdirs      []string
	exclude     []string
	noSetuid    bool
	layout      string
	bare        bool
	from        string
	records     string
	root        string
	libraryPath []string
	dlopen      string
	hwcaps      string
	platform    string

	limitOptions // of from
	with         []string
	without      []string
	recipes      []string
	pkgs         []string
	pkgOf        []string
	users        []string

	fault plan.Fault // what is to be broken, if that is asked for
}

func (s *selection) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&s.bins, "bin", "b", nil, "`SRC[:DST]`: a program with all that it needs; a bare name is looked up, DST is another path for it (repeatable)")
	f.StringArrayVar(&s.pkgs, "pkg", nil, "`NAME[:ARCH]`: an installed package: its programs with all that they need and its files, without documentation and the like (repeatable)")
	f.StringArrayVar(&s.pkgOf, "pkg-of", nil, "`PROGRAM`: a program as with --bin, and of the package that has it all but its other programs (repeatable)")
	f.StringArrayVar(&s.adds, "add", nil, "`SRC[:DST]`: a file or folder as it is (repeatable)")
	f.StringArrayVar(&s.mkdirs, "mkdir", nil, "`DIR[:MODE]`: an empty folder, 0755 and root's; DIR:MODE:UID:GID says whose (repeatable)")
	f.StringArrayVar(&s.users, "user-entry", nil, "`NAME[:UID[:GID]]`: a user that passwd and group have, the host's or a new one; NAME:UID:GID:HOME:SHELL says all (repeatable)")
	f.StringArrayVar(&s.exclude, "exclude", nil, "`PATTERN`: leave what matches, with all below it, out of what is added beside programs: '*.bak', '/usr/share/doc/**' (repeatable)")
	f.BoolVar(&s.noSetuid, "no-setuid", false, "take setuid, setgid and capabilities from files")
	f.StringVar(&s.layout, "layout", string(plan.Mirror), "`host|flat`: things stay where the host has them, as is the default, or go into /bin and /lib64")
	f.BoolVar(&s.bare, "bare", false, "only programs, libraries and /dev: no /etc, /tmp and so on")
	f.StringSliceVar(&s.with, "with", nil, "`RECIPE`: what programs need beside libraries, such as certs or tz, more than there is strong evidence for; none is no more than this flag says (repeatable)")
	f.StringSliceVar(&s.without, "without", nil, "`RECIPE`: what is not wanted, whatever the evidence (repeatable)")
	f.StringArrayVar(&s.recipes, "recipes", nil, "`DIR`: recipes of your own, which add to those of harvest or replace them (repeatable)")
	f.StringVar(&s.from, "from", "", "`IMAGE`: a base that it is put upon: an archive, the folder of an OCI layout, or - for an archive on stdin")
	f.StringVar(&s.records, "pkg-db", string(plan.RecordsUponBase), "`auto|all|none`: record the packages that files are of, for scanners: upon a base that has records of the same distribution, as is the default, always, or never")
	s.addRootFlags(cmd)
	addFileFlag(cmd)
	group(f, "What goes in")
	completeWords(cmd, "exclude")
	completeWords(cmd, "user-entry")
	s.completePackages(cmd, "pkg")
	completeWords(cmd, "pkg-db", string(plan.RecordsUponBase), string(plan.RecordsAlways), string(plan.RecordsNever))
	completeWords(cmd, "layout", string(plan.Mirror), string(plan.Flat))
	completeRecipes(cmd, "with", withAuto, withNone)
	completeRecipes(cmd, "without")
	completeDirs(cmd, "recipes")
}

// addRootFlags adds the flags that say where programs come from.
func (s *selection) addRootFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.root, "root", "/", "`DIR`: the root that everything is taken from (default /)")
	f.StringArrayVar(&s.libraryPath, "library-path", nil, "`DIR`: another place to look for libraries, as in LD_LIBRARY_PATH (repeatable)")
	f.StringVar(&s.dlopen, "dlopen", elfdeps.Recommended.String(), "`PRIORITY`: follow what programs say they open later if it is at least required, recommended or suggested; or none of it (default recommended)")
	f.StringVar(&s.hwcaps, "hwcaps", hwcapsBaseline, "`baseline|all`: libraries that run on every processor, as is the default, or those for better ones, too")
	f.StringVar(&s.platform, "platform", "", "`PLATFORM`: what programs must be for, as in linux/arm64; any other is an error")
	completeDirs(cmd, "root")
	completeDirs(cmd, "library-path")
	completeWords(cmd, "dlopen", "required", "recommended", "suggested", "none")
	completeWords(cmd, "hwcaps", hwcapsBaseline, hwcapsAll)
	completeWords(cmd, "platform", platforms...)
}

// The values of --hwcaps.
const (
	hwcapsBaseline = "baseline"
	hwcapsAll      = "all"
)

// platforms are what --platform completes to: those that Debian is made for.
var platforms = []string{"linux/386", "linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64", "linux/mips64le", "linux/ppc64le", "linux/riscv64", "linux/s390x"}

var errNotLinux = errors.New("there are no Linux programs below /")

// host opens the root that everything is taken from.
func (s *selection) host() (*rootfs.Host, error) {
	if err := checkRoot(s.root, runtime.GOOS); err != nil {
		return nil, err
	}
	host, err := rootfs.OpenHost(s.root)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = fmt.Errorf("--root %s: %w", s.root, pe.Err)
	}
	return host, err
}

// checkRoot refuses the running system's own root if that is no Linux.
func checkRoot(root, goos string) error {
	if goos != "linux" && isTop(root) {
		return fmt.Errorf("%w: this is %s", errNotLinux, goos)
	}
	return nil
}

// isTop reports whether a root is the running system's own, however written.
func isTop(root string) bool { return root != "" && filepath.Clean(root) == "/" }

// dueError is a violation of the law, or a conflict, that is due to something
// that was given.
type dueError struct {
	error
	to due
}

func (e *dueError) Unwrap() error { return e.error }

// A due is what an error is due to.
type due int

const (
	dueToFlat due = iota // --layout flat
	dueToDST             // another place of a program
	dueToAdd             // a file that is taken for a library
	dueToEnv             // -e LD_LIBRARY_PATH
)

// plan makes the plan that the flags ask for, upon a base unless that is nil, of an
// image with a user and some variables.
func (s *selection) plan(ctx context.Context, user string, env []string, base *base) (*plan.Plan, error) {
	spec, err := s.spec()
	if err != nil {
		return nil, err
	}
	spec.User = user
	s.setPath(&spec, env, base)
	setLibraryPath(&spec, env, base)
	if spec.Recipes, err = s.cookbook(env); err != nil {
		return nil, err
	}
	if base != nil {
		spec.Base = base.files.Tree
		spec.User = cmp.Or(user, base.Config.User)
	}
	host, err := s.host()
	if err != nil {
		return nil, err
	}
	if err := s.misread(host, spec); err != nil {
		return nil, err
	}
	intoFolders(host, spec.Files)
	var p *plan.Plan
	err = unlessDone(ctx, func() (err error) {
		p, err = plan.Make(ctx, host, spec)
		err = lookElsewhere(ctx, host, err)
		return err
	})
	if err != nil {
		return nil, blame(spec, err)
	}
	p.Notes = slices.Concat(libraryPathNotes(host, spec), preloadNotes(env, base), p.Notes)
	return p, nil
}

// blame returns an error with what it is due to, if that can be told.
func blame(spec plan.Spec, err error) error {
	var law *plan.LawError
	var disturb *plan.DisturbError
	var conflict *rootfs.ConflictError
	switch {
	case errors.As(err, &disturb) && inLibraryPath(spec, disturb.Violations):
		return &dueError{err, dueToEnv}
	case errors.As(err, &law) && spec.Layout == plan.Flat,
		errors.As(err, &conflict) && spec.Layout == plan.Flat && isLibrary(conflict.Want):
		return &dueError{err, dueToFlat}
	case law == nil:
		return err
	case inLibraryPath(spec, law.Violations):
		return &dueError{err, dueToEnv}
	}
	for _, v := range law.Violations {
		switch {
		case slices.ContainsFunc(spec.Files, func(in plan.Input) bool { return isFor(in, path.Clean(v.Image)) }):
			return &dueError{err, dueToAdd}
		case slices.ContainsFunc(spec.Programs, func(in plan.Input) bool { return in.Dest == v.Program }):
			return &dueError{err, dueToDST}
		}
	}
	return err
}

func isLibrary(e *rootfs.Entry) bool { return len(e.Why) > 0 && e.Why[0].Kind == "library" }

// isFor reports whether an input is what lies at a path of the image.
func isFor(in plan.Input, name string) bool {
	dest := cmp.Or(in.Dest, in.Source)
	return name == dest || strings.HasPrefix(name, strings.TrimSuffix(dest, "/")+"/")
}

// spec returns what the flags ask for.
func (s *selection) spec() (plan.Spec, error) {
	spec := plan.Spec{Layout: plan.Layout(s.layout), Bare: s.bare, Exclude: s.exclude, NoPrivileges: s.noSetuid, Fault: s.fault}
	if !s.names() {
		return spec, usagef("no program is named: harvest --bin /bin/bash")
	}
	if spec.Layout != plan.Mirror && spec.Layout != plan.Flat {
		return spec, usagef("--layout %s: there are %s and %s", s.layout, plan.Mirror, plan.Flat)
	}
	switch spec.Records = plan.Records(s.records); spec.Records {
	case plan.RecordsUponBase, plan.RecordsAlways, plan.RecordsNever:
	default:
		return spec, usagef("--pkg-db %s: there are %s, %s and %s", s.records, plan.RecordsUponBase, plan.RecordsAlways, plan.RecordsNever)
	}
	var err error
	if spec.Programs, err = s.inputs("--bin", s.bins); err != nil {
		return spec, err
	}
	if err := s.packages(&spec); err != nil {
		return spec, err
	}
	if spec.Accounts, err = s.accounts(); err != nil {
		return spec, err
	}
	if spec.Files, err = s.inputs("--add", s.adds); err != nil {
		return spec, err
	}
	if spec.Folders, err = s.folders(); err != nil {
		return spec, err
	}
	return spec, s.search(&spec)
}

// search sets how a spec's programs are resolved.
func (s *selection) search(spec *plan.Spec) error {
	var err error
	if spec.Dlopen, err = elfdeps.ParsePriority(s.dlopen); err != nil {
		return usagef("--dlopen %s: there are required, recommended, suggested and none", s.dlopen)
	}
	if s.hwcaps != hwcapsBaseline && s.hwcaps != hwcapsAll {
		return usagef("--hwcaps %s: there are %s and %s", s.hwcaps, hwcapsBaseline, hwcapsAll)
	}
	spec.AllHwcaps = s.hwcaps == hwcapsAll
	if s.platform != "" {
		if spec.Platform, err = plan.ParsePlatform(s.platform); err != nil {
			return usagef("--%w", err)
		}
	}
	spec.LibraryPath, err = s.libraryDirs()
	return err
}

func (s *selection) inputs(flag string, args []string) ([]plan.Input, error) {
	inputs := make([]plan.Input, len(args))
	for i, arg := range args {
		src, dst := splitInput(arg)
		if src == "" {
			return nil, usagef("%s %q names no file", flag, arg)
		}
		if flag == "--add" || strings.Contains(src, "/") {
			var err error
			if src, err = s.hostPath(src); err != nil {
				return nil, err
			}
		}
		if flag == "--bin" && strings.HasSuffix(dst, "/") { // no folder is a program
			dst += path.Base(src)
		}
		inputs[i] = plan.Input{Source: src, Dest: dst}
	}
	return inputs, nil
}

// splitInput takes SRC[:DST] apart. DST is absolute, so a colon that no slash
// follows belongs to a name. A slash at its end is kept.
func splitInput(arg string) (src, dst string) {
	if i := strings.LastIndex(arg, ":/"); i >= 0 {
		dst = path.Clean(arg[i+1:])
		if strings.HasSuffix(arg, "/") && dst != "/" {
			dst += "/"
		}
		return arg[:i], dst
	}
	return arg, ""
}

// intoFolders gives files whose DST ends in a slash their own name below it, as
// cp(1) does. A folder's DST is where its contents go.
func intoFolders(host *rootfs.Host, inputs []plan.Input) {
	for i, in := range inputs {
		if !strings.HasSuffix(in.Dest, "/") {
			continue
		}
		info, err := host.Stat(strings.TrimPrefix(in.Source, "/"))
		if err != nil || !info.IsDir() {
			in.Dest += path.Base(in.Source)
		}
		inputs[i].Dest = path.Clean(in.Dest)
	}
}

// hostPath returns the rooted path of a name that the user gave: below another
// root names start at that root, here relative ones start where we are.
func (s *selection) hostPath(name string) (string, error) {
	if !isTop(s.root) {
		return filepath.Join("/", name), nil
	}
	return filepath.Abs(name)
}

// noArgs refuses arguments: a program may be called ls, as verbs are.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%w: %s", errPositional, args[0])}
	}
	return nil
}
