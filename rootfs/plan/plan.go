// Package plan joins what programs need with where it goes: from a [Spec] and a
// host, [Make] resolves a closure and lays out a tree.
//
// # The law
//
// A tree is right when every program, resolved inside the tree, gets under each
// name the same file as on the host. Make checks this with the same resolver
// before it returns, so a plan with a tree is one whose programs will start. A
// tree that breaks it is a *[LawError] and is not returned. Programs that the
// image's user may not execute are an *[AccessError].
//
// A [Fault] is put in afterwards, and the law is asked again: it must notice, if
// programs are to, and nothing else may be wrong.
//
// # Layouts
//
// [Mirror], the default, keeps the host's paths: every lookup that worked on
// the host works in the image. [Flat] has programs in /bin and libraries in
// /lib64, as tutorials draw it, and is refused where the law fails.
package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A Layout says where programs and libraries go.
type Layout string

// The layouts; the zero value means Mirror.
const (
	Mirror Layout = "host" // the host's own paths, with every link on the way
	Flat   Layout = "flat" // programs in /bin, libraries in /lib64
)

// A Spec says what a root file system is to hold.
type Spec struct {
	Programs    []Input // at least one; a source without a slash is looked up in [SearchPath]
	Files       []Input // files and folders, with all that is in them
	Layout      Layout
	Bare        bool     // programs, libraries and /dev, without the rest of the skeleton
	User        string   // who the image's process is: "name", "uid" or either with ":group"
	LibraryPath []string // where libraries are also looked for; they are found in the image without it

	Dlopen    elfdeps.Priority // how far to follow what objects open later
	AllHwcaps bool             // add the libraries for better processors (glibc-hwcaps) beside those for every one
	Platform  Platform         // that programs must be for; the zero value allows any
	Mentions  bool             // look for names of libraries that nothing needs, see [elfdeps.Mention]

	Exclude      []string // patterns of paths that are left out of what is added beside programs
	Folders      []Folder // to be made
	NoPrivileges bool     // without setuid, setgid and capabilities, but for a base's files
	Records      Records  // whether packages that files are of are recorded

	Path      []string // PATH that the image has in any case, where env finds the interpreters of scripts
	PathIsSet bool     // it has no other folders; else those that programs are in come behind, and [SearchPath] at last
	Recipes   Recipes  // what is brought in beside libraries

	// Packages are brought in whole, each NAME or NAME:ARCH; PackageOf is for programs,
	// whose packages come without their other programs. What a package has is its
	// files and the links to them, with the closures of programs and libraries. Left
	// out are documentation, manuals, translations, completions, what building,
	// debugging and desktops take, and what is for init and cron. What a package
	// depends on is not followed.
	Packages  []string
	PackageOf []string
	Accounts  []Account // that passwd and group are to have

	Base      *rootfs.Tree // what lies below, as the layers of an image have it; nil for nothing
	BasePath  []string     // the LD_LIBRARY_PATH that its programs have without what comes upon it
	ImagePath []string     // the LD_LIBRARY_PATH that all programs of the image have

	Fault Fault // what is to be broken on purpose, when all else is right; not upon a base
}

// An Input is something of the host.
type Input struct {
	Source string // path on the host
	Dest   string // path in the image, "" for the layout's choice

	by string // the flag and its value, if that is not --bin with what String returns
}

// String returns the input as it is given on a command line.
func (in Input) String() string {
	if in.Dest == "" {
		return in.Source
	}
	return in.Source + ":" + in.Dest
}

// A Plan is a root file system that is to be, with the reasons for it.
type Plan struct {
	Tree     *rootfs.Tree     // what is to be shipped, without what the base has; nil if Make failed
	Root     *rootfs.Tree     // what the image has in all; without a base, that is Tree
	Sound    *rootfs.Tree     // Root before the Fault of the Spec was put into it; without one, that is Root
	Damage   *Damage          // what the Fault has done, nil without one
	Closure  *elfdeps.Closure // on the host
	Variants []Variant        // the closures for better processors that differ from it, if the Spec wants them
	Programs []string         // paths in the image, in the order of the Spec, each once
	Arch     elfdeps.Arch     // of all programs
	Notes    []string         // what the user should know, a sentence each

	Decisions []Decision        // what recipes brought, and what they would if that were wanted
	Env       map[string]string // variables that recipes want the image to have, unless it sets them
	Shipments []Shipment        // what packages brought
	Main      string            // of Programs, what the image is for: the first that the user named, or that is called like a package or its only one; "" for none

	host     *rootfs.Host
	excluded *exclusion      // nil for nothing
	path     []string        // in which env looks
	found    map[string]bool // what is in there of folders in which it finds something, in the image
	brought  []string        // paths in the image of the programs and libraries that recipes brought
}

// SearchPath is where a program that is given by its bare name is looked for.
var SearchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// A NoProgramError means that a spec names no program, nor a package that has one.
type NoProgramError struct{ Packages []string }

func (e *NoProgramError) Error() string {
	if len(e.Packages) == 0 {
		return "no program is named"
	}
	return fmt.Sprintf("--pkg %s: no program is in there, and none is named", strings.Join(e.Packages, ", "))
}

// Make returns a plan for spec. With an error comes a plan without a tree: if
// needs are unmet, which is an error that wraps *[elfdeps.MissingError], it has
// the closure that was found.
func Make(ctx context.Context, host *rootfs.Host, spec Spec) (*Plan, error) {
	p := &Plan{host: host, found: make(map[string]bool)}
	var err error
	if p.excluded, err = newExclusion(host, spec.Exclude); err != nil {
		return p, err
	}
	parcels, err := spec.parcels(host, p.excluded)
	if err != nil {
		return p, err
	}
	spec, err = spec.with(parcels).located(host)
	if err != nil {
		return p, err
	}
	p.path = spec.searchPath()
	p.Closure, err = resolve(ctx, host, spec)
	if err != nil {
		return p, err
	}
	if p.Arch, err = spec.Platform.architecture(p.Closure); err != nil {
		return p, err
	}
	if err := spec.Platform.check(p.Closure); err != nil {
		return p, err
	}
	p.Notes = notes(host, p.Closure, !spec.NoPrivileges)
	b := builder{plan: p, host: host, spec: spec, tree: &rootfs.Tree{}, excluded: p.excluded, parcels: parcels}
	if err := b.provision(ctx); err != nil {
		return p, err
	}
	if err := b.variants(ctx); err != nil {
		return p, err
	}
	if spec.Base != nil {
		if err := b.stack(spec.Base); err != nil {
			return p, err
		}
	}
	if err := b.build(); err != nil {
		return p, baseError(err)
	}
	if err := b.access(); err != nil {
		return p, err
	}
	if err := b.checkLaw(ctx); err != nil {
		return p, err
	}
	if err := b.checkBase(ctx); err != nil {
		return p, err
	}
	b.conclude()
	b.ship()
	p.Sound = b.tree
	if err := b.damage(ctx); err != nil {
		return p, err
	}
	p.Tree, p.Root = b.tree, b.tree
	if spec.Base != nil {
		p.Tree = b.tree.Added()
	}
	return p, nil
}

// Resolve returns the closure of programs alone, whose names are as in a [Spec].
// With an error comes the closure of those that could be found.
func Resolve(ctx context.Context, host *rootfs.Host, spec Spec) (*elfdeps.Closure, error) {
	excluded, err := newExclusion(host, spec.Exclude)
	if err != nil {
		return &elfdeps.Closure{}, err
	}
	parcels, err := spec.parcels(host, excluded)
	if err != nil {
		return &elfdeps.Closure{}, err
	}
	spec, missing := spec.with(parcels).located(host)
	if len(spec.Programs) == 0 {
		return &elfdeps.Closure{}, missing
	}
	c, err := resolve(ctx, host, spec)
	if wrong := spec.Platform.check(c); wrong != nil {
		missing = errors.Join(missing, wrong)
	}
	if missing == nil {
		return c, err
	}
	return c, errors.Join(missing, err)
}

func resolve(ctx context.Context, host *rootfs.Host, spec Spec) (*elfdeps.Closure, error) {
	r := spec.resolver(host)
	return r.Resolve(ctx, spec.sources()...)
}

// resolver returns one that looks for libraries as the spec says.
func (s Spec) resolver(host *rootfs.Host) elfdeps.Resolver {
	return elfdeps.Resolver{FS: host, LibraryPath: s.LibraryPath, Dlopen: s.Dlopen, Mentions: s.Mentions, Path: s.searchPath()}
}

func (s Spec) sources() []string {
	names := make([]string, len(s.Programs))
	for i, in := range s.Programs {
		names[i] = in.Source
	}
	return names
}

// located returns the spec with every program's source as a rooted path, each
// program once. With an error, it has those that are there.
func (s Spec) located(host *rootfs.Host) (Spec, error) {
	if len(s.Programs) == 0 {
		return s, &NoProgramError{s.Packages}
	}
	var programs []Input
	var errs []error
	seen := make(map[Input]bool)
	for _, in := range s.Programs {
		var err error
		if in.Source, err = Find(host, in.Source); err == nil {
			_, err = host.RealPath(in.Source)
		}
		switch same := (Input{Source: in.Source, Dest: in.Dest}); {
		case err != nil:
			errs = append(errs, plain(err))
		case !seen[same]:
			seen[same] = true
			programs = append(programs, in)
		}
	}
	s.Programs = programs
	return s, errors.Join(errs...)
}

// plain takes the operation out of an error of the host: what the user named,
// and what it led to, is enough.
func plain(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// A NotFoundError means that no program of a bare name is in [SearchPath].
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no program %s in %s", e.Name, strings.Join(SearchPath, ", "))
}

// Find returns the rooted path of a program: name itself if it holds a slash,
// else the first that is executable in [SearchPath].
func Find(host fs.FS, name string) (string, error) {
	if strings.Contains(name, "/") {
		return path.Join("/", name), nil
	}
	for _, dir := range SearchPath {
		file := dir + "/" + name
		info, err := fs.Stat(host, file[1:])
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &NotFoundError{name}
}
