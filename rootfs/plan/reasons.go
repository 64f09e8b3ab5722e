package plan

import (
	"context"
	"path"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// Reasons says of a finished root, such as that of an image, why paths are in it,
// as far as its programs tell: each program for the reason that is given, and what
// it needs because of that, with links and folders on the way. What programs lack
// is not asked.
func Reasons(ctx context.Context, root *rootfs.Tree, programs []string, why rootfs.Reason) (map[string][]rootfs.Reason, error) {
	r := elfdeps.Resolver{FS: root, Dlopen: elfdeps.Suggested}
	closure, _ := r.Resolve(ctx, programs...) // what it has found is what there is to say
	f := finder{root, make(map[string][]rootfs.Reason)}
	for _, program := range closure.Programs {
		f.say(program.Name, why)
		for p := range program.All() {
			f.program(p)
		}
	}
	return f.why, ctx.Err()
}

// SkeletonReasons says of a root that a plan was for which paths are there whatever
// its programs.
func SkeletonReasons(root *rootfs.Tree) map[string][]rootfs.Reason {
	f := finder{root, make(map[string][]rootfs.Reason)}
	for _, name := range []string{
		"/dev", "/proc", "/sys", "/run", "/root", "/tmp", "/var/tmp", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release",
		"/bin", "/sbin", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.conf",
	} {
		f.say(name, rootfs.Reason{Kind: "skeleton"})
	}
	return f.why
}

// A finder collects the reasons for paths of a root.
type finder struct {
	root *rootfs.Tree
	why  map[string][]rootfs.Reason
}

// program says why what a program needs is there.
func (f finder) program(p *elfdeps.Program) {
	for i, n := range p.Self().Needs {
		if n.Starts() && n.Object != nil && i < len(p.Interpreters) {
			f.say(n.Object.Path, rootfs.Reason{Kind: "interpreter", From: p.Name, Text: n.Name + " by " + n.Rule.String()})
		}
	}
	why := needed(p)
	for _, o := range p.Objects {
		if reason, ok := why[o]; ok && o != p.Self() {
			f.say(o.Path, reason)
		}
		if l := p.Loader; l != nil && l.Path == o.Path && l.CachePath != "" {
			f.say(l.CachePath, rootfs.Reason{Kind: "generated", From: o.Path, Text: "index of libraries"})
		}
	}
}

// say notes a reason for a path, and what it means for those on the way.
func (f finder) say(name string, why rootfs.Reason) {
	way, err := f.root.Way(name)
	if err != nil {
		return
	}
	for i, e := range way {
		reason := why
		switch {
		case i == len(way)-1:
		case e.Link != "":
			reason = rootfs.Reason{Kind: "link", From: name}
		default:
			reason = rootfs.Reason{Kind: "folder", From: name}
		}
		f.add(e.Path, reason)
	}
}

func (f finder) add(name string, why rootfs.Reason) {
	for _, known := range f.why[name] {
		if known == why || why.Kind == "folder" { // which needs no more than one
			return
		}
	}
	if name != "/" && path.Clean(why.From) != name {
		f.why[name] = append(f.why[name], why)
	}
}
