package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A builder fills the tree of a plan.
type builder struct {
	plan *Plan
	host *rootfs.Host
	spec Spec // with the programs that recipes bring behind those of the user
	tree *rootfs.Tree

	fixed    error      // why the base's index of libraries stays as it is, nil if it can be amended
	excluded *exclusion // nil for nothing

	starts, scripts []string // paths in the image of what is started for a program, and of what is read in doing so

	parcels  []*parcel      // the packages that are shipped
	replaced map[string]int // how much of the base they replace, by their flags
	pantry   *pantry        // nil until something is provided for
	brought  []ingredient   // the last of the spec's programs
}

// reason says what the i-th of the spec's programs is there for.
func (b *builder) reason(i int) rootfs.Reason {
	if own := len(b.spec.Programs) - len(b.brought); i >= own {
		return b.brought[i-own].why
	}
	in := b.spec.Programs[i]
	return rootfs.Reason{Kind: "program", From: cmp.Or(in.by, "--bin "+in.String())}
}

// placed notes where the i-th of the spec's programs is in the image. What recipes
// bring may be a library, which nobody starts.
func (b *builder) placed(i int, p *elfdeps.Program, dest string) {
	if i >= len(b.spec.Programs)-len(b.brought) {
		b.plan.brought = append(b.plan.brought, dest)
		return
	}
	b.plan.Programs = append(b.plan.Programs, dest)
	b.started(p, dest)
}

// programs returns the paths in the image of all programs, in the order of the
// closure.
func (b *builder) programs() []string { return slices.Concat(b.plan.Programs, b.plan.brought) }

func (b *builder) build() error {
	layout := b.mirror
	switch b.spec.Layout {
	case Mirror, "":
	case Flat:
		layout = b.flat
	default:
		return fmt.Errorf("unknown layout %q: there are %s and %s", b.spec.Layout, Mirror, Flat)
	}
	if err := layout(); err != nil {
		return err
	}
	b.tree.Skip = b.excluded.covers
	if err := b.files(); err != nil {
		return err
	}
	if err := b.folders(); err != nil {
		return err
	}
	if err := b.unpack(); err != nil {
		return err
	}
	if err := b.exclude(); err != nil {
		return err
	}
	if err := b.skeleton(); err != nil {
		return err
	}
	if err := b.lookups(); err != nil {
		return err
	}
	if err := b.records(); err != nil {
		return err
	}
	b.dangling()
	b.preloads()
	if b.spec.NoPrivileges {
		b.unprivileged()
	}
	return nil
}

// mirror puts everything where the host has it.
func (b *builder) mirror() error {
	for i, p := range b.plan.Closure.Programs {
		in := b.spec.Programs[i]
		if err := b.add(in, p.Name, b.reason(i)); err != nil {
			return err
		}
		b.placed(i, p, cmp.Or(in.Dest, p.Name))
		if err := b.mirrorInterpreters(p); err != nil {
			return err
		}
		if err := b.objects(i, b.mirrorObjects); err != nil {
			return err
		}
	}
	return nil
}

// objects calls add with the link map of a program, or of each that a script is
// started with, on every kind of processor.
func (b *builder) objects(program int, add func(*elfdeps.Program) error) error {
	for c := range b.plan.closures() {
		for p := range c.Programs[program].All() {
			if err := add(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) mirrorObjects(p *elfdeps.Program) error {
	why, self := needed(p), p.Self()
	for _, o := range p.Objects {
		if o == self {
			continue
		}
		if err := b.tree.AddHost(b.host, o.Path, why[o]); err != nil {
			return err
		}
		if link := b.hwcapLink(p, o); link != "" {
			if err := b.tree.AddHost(b.host, link, why[o]); err != nil {
				return err
			}
		}
	}
	return nil
}

// hwcapLink returns the other path of a library for better processors. The cache
// has them by the name of the file itself; by soname, the loader finds them
// without a cache, and so does the next ldconfig.
func (b *builder) hwcapLink(p *elfdeps.Program, o *elfdeps.Object) string {
	for _, by := range p.Objects {
		for _, n := range by.Needs {
			link := path.Dir(o.Path) + "/" + n.Name
			if n.Object != o || o.Hwcap == "" || link == o.Path || strings.Contains(n.Name, "/") {
				continue
			}
			if _, err := b.host.Stat(link[1:]); err == nil {
				return link
			}
		}
	}
	return ""
}

// Where a flat image has what it has.
const (
	flatPrograms  = "/bin"
	flatLibraries = "/lib64"
)

// flat puts programs into /bin and libraries, under each name that something
// asks for, into /lib64. The interpreter stays at the path that the kernel opens.
func (b *builder) flat() error {
	for i, p := range b.plan.Closure.Programs {
		in := b.spec.Programs[i]
		dest := b.spec.place(in)
		if err := b.place(p.Name, dest, b.reason(i)); err != nil {
			return err
		}
		b.placed(i, p, dest)
		if err := b.flatInterpreters(p); err != nil {
			return err
		}
		if err := b.objects(i, b.flatObjects); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) flatObjects(p *elfdeps.Program) error {
	why, self := needed(p), p.Self()
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if n.Object == nil || n.Object == self || n.Starts() {
				continue
			}
			dest := flatPath(n)
			switch {
			case n.Interp():
				dest = n.Name
			case n.Object.Path == p.Loader.Path:
				continue // it is loaded already when somebody asks for it
			}
			if err := b.place(n.Object.Path, dest, why[n.Object]); err != nil {
				return err
			}
		}
	}
	return nil
}

// flatPath returns where the library that meets a need goes.
func flatPath(n elfdeps.Need) string {
	dir := flatLibraries
	if n.Object.Hwcap != "" {
		dir += "/glibc-hwcaps/" + n.Object.Hwcap
	}
	return dir + "/" + path.Base(n.Name)
}

// place adds the host's file src under the path dst, in folders of its own.
func (b *builder) place(src, dst string, why rootfs.Reason) error {
	real, err := b.host.RealPath(src)
	if err != nil {
		return err
	}
	e, err := b.host.Entry(real)
	if err != nil {
		return err
	}
	e.Path = dst
	return b.tree.Add(e.For(why))
}

// flatTop makes the folders in which loaders look by default lead to the one
// that holds the libraries, names it to a later ldconfig, and adds the file that
// names the distribution.
func (b *builder) flatTop(why rootfs.Reason) error {
	if _, err := b.host.Stat("etc/os-release"); err == nil && !b.taken("/etc/os-release") {
		if err := b.place("/etc/os-release", "/etc/os-release", why); err != nil {
			return err
		}
	}
	return b.addMissing(why,
		rootfs.Dir(flatLibraries, 0o755),
		rootfs.Symlink("/lib", "lib64"),
		rootfs.Symlink("/usr/lib", "../lib64"),
		rootfs.Symlink("/usr/lib64", "../lib64"),
		rootfs.File("/etc/ld.so.conf", 0o644, []byte(flatLibraries+"\n")),
	)
}

// addMissing adds files and links at paths where nobody has put something, and
// folders, which tolerate nothing else in their place but a link to a folder. A
// folder gives its mode to one that is there only because something lies in it.
func (b *builder) addMissing(why rootfs.Reason, entries ...*rootfs.Entry) error {
	for _, e := range entries {
		if !e.Mode.IsDir() && b.taken(e.Path) {
			continue
		}
		if err := b.tree.Add(e.For(why)); err != nil {
			return err
		}
	}
	return nil
}

// needed returns, for every object of a link map but the program itself, the
// need that brought it in.
func needed(p *elfdeps.Program) map[*elfdeps.Object]rootfs.Reason {
	why := make(map[*elfdeps.Object]rootfs.Reason, len(p.Objects))
	for _, o := range p.Objects {
		for _, n := range o.Needs {
			if _, known := why[n.Object]; known || n.Object == nil {
				continue
			}
			r := rootfs.Reason{Kind: "library", From: o.Path, Text: n.Name + " by " + n.Rule.String()}
			switch {
			case n.Interp():
				r.Kind, r.Text = "loader", n.Rule.String()
			case n.Dlopen != nil:
				r.Text += fmt.Sprintf(", opened later (%v)", n.Dlopen.Priority)
			}
			why[n.Object] = r
		}
	}
	return why
}

// files adds what the user named beside programs.
func (b *builder) files() error {
	for _, in := range b.spec.Files {
		why := rootfs.Reason{Kind: "added", From: "--add " + in.String()}
		if err := b.file(in, why); err != nil {
			return plain(err)
		}
	}
	return nil
}

// file adds one file, or one folder with all that is in it. A flat image has
// folders where the host may have links, so there only the path counts.
func (b *builder) file(in Input, why rootfs.Reason) error {
	real, err := b.host.RealPath(in.Source)
	if err != nil {
		return err
	}
	e, err := b.host.Entry(real)
	if err != nil {
		return err
	}
	if b.spec.Layout == Flat && in.Dest == "" {
		in.Dest = in.Source
	}
	if in.Dest == "" || !e.Mode.IsDir() {
		if err := b.add(in, in.Source, why); err != nil {
			return err
		}
	}
	if !e.Mode.IsDir() {
		return nil
	}
	return b.tree.AddHostTree(b.host, real, cmp.Or(in.Dest, in.Source), why)
}

// add adds the file or the bare folder src where the input wants it.
func (b *builder) add(in Input, src string, why rootfs.Reason) error {
	if in.Dest == "" {
		return b.tree.AddHost(b.host, src, why)
	}
	return b.tree.AddHostAs(b.host, src, in.Dest, why)
}

// mostDangling is how many links that lead to nothing are named.
const mostDangling = 5

// dangling notes links of added folders that lead to nothing in the image
// though they do on the host.
func (b *builder) dangling() {
	found := 0
	for e := range b.tree.All() {
		if e.Link == "" || e.Why[0].Kind != "added" {
			continue
		}
		if _, err := b.tree.Stat(e.Path[1:]); err == nil {
			continue
		}
		if _, err := b.host.Stat(e.Source[1:]); err != nil {
			continue
		}
		if found++; found <= mostDangling {
			b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(
				"%s is a link to %s, which is not in the image; --add it too if it is wanted", e.Path, e.Link))
		}
	}
	if more := found - mostDangling; more > 0 {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("links to what is not in the image: %d more of what is added", more))
	}
}
