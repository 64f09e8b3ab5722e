package lint

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// resolve finds what programs and scripts lack.
func (c *checker) resolve(ctx context.Context, programs, scripts []string) error {
	r := elfdeps.Resolver{FS: c.Tree, LibraryPath: c.LibraryPath, Path: c.Path}
	closure, err := r.Resolve(ctx, slices.Concat(programs, scripts)...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	libraries := make(map[string]bool)
	closure.Programs = slices.DeleteFunc(closure.Programs, func(p *elfdeps.Program) bool {
		libraries[p.Name] = isLibrary(p.Self())
		return libraries[p.Name] || p.Script != nil
	})
	c.result.Programs = len(closure.Programs)
	c.mixed(closure)
	c.loaders(closure)
	for _, e := range parts(err) {
		var missing *elfdeps.MissingError
		var damaged *fs.PathError
		switch {
		case errors.As(e, &missing):
			c.missing(slices.DeleteFunc(missing.Missing, func(m elfdeps.Missing) bool { return libraries[m.Program] }))
		case errors.As(e, &damaged) && c.badScript(damaged):
		case errors.As(e, &damaged):
			c.find(Damaged, damaged.Path, damaged.Err.Error(), "take it again from where it came")
		}
	}
	return nil
}

// loaders notes programs whose loader the kernel may not execute.
func (c *checker) loaders(closure *elfdeps.Closure) {
	for _, p := range closure.Programs {
		if p.Loader == nil {
			continue
		}
		real, err := c.Tree.RealPath(p.Loader.Path)
		if e := c.Tree.Entry(real); err == nil && e != nil && e.Mode.IsRegular() && !executable(e) {
			c.lacks(Interpreter, p.Name, p.Loader.Path, fmt.Sprintf("its interpreter %s is not executable (mode %04o)", p.Loader.Path, rootfs.UnixPerm(e.Mode)),
				"chmod 0755 "+real+" before it is packed")
			c.inCase(Closed)
		}
	}
}

// isLibrary reports whether a file that can be executed is there to be loaded, as
// those of some distributions are. What it needs may be found only by way of the
// program that loads it.
func isLibrary(o *elfdeps.Object) bool {
	return o.Type == elf.ET_DYN && o.Interp == "" && !o.Static()
}

// parts takes apart what errors.Join has joined.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// missing notes unmet needs, each of an object once.
func (c *checker) missing(list []elfdeps.Missing) {
	seen := make(map[[2]string]bool)
	for _, m := range list {
		key := [2]string{m.By, m.Need.Name}
		if seen[key] || c.libcs[m.By] && libcOf(m.Need.Name) != "" {
			continue
		}
		seen[key] = true
		switch {
		case m.Need.Starts():
			c.unstarted(m)
		case m.Need.Interp():
			c.lacks(Interpreter, m.By, m.Need.Name, fmt.Sprintf("its interpreter %s: %s", m.Need.Name, m.Need.Tried[0].Reason), c.mendInterpreter(m))
			c.inCase(Absent)
		case len(m.Need.Lacks) > 0:
			c.lacks(Library, m.By, m.Need.Name, fmt.Sprintf("needs versions %s of symbols, which %s has not", strings.Join(m.Need.Lacks, ", "), m.Need.Object.Path),
				"it was linked with a newer library: take both from one system")
		default:
			text := strings.Replace(m.String(), ", needed by "+m.By, "", 1)
			c.lacks(Library, m.By, m.Need.Name, "needs "+text, c.mendLibrary(m.Need.Name))
		}
	}
}

// mendInterpreter says what helps a program without its loader.
func (c *checker) mendInterpreter(m elfdeps.Missing) string {
	wants := "glibc"
	if strings.Contains(path.Base(m.Need.Name), "musl") {
		wants = "musl"
	}
	has := c.libcOfRoot()
	base := path.Base(m.Need.Name)
	switch at := c.names[base]; {
	case at != "":
		return fmt.Sprintf("it is at %s: a link there from %s", at, m.Need.Name)
	case has != "" && has != wants:
		return fmt.Sprintf("the program was made for %s and the image has %s: build it for that, link it statically, or use a base with %s", wants, has, wants)
	}
	return fmt.Sprintf("the image needs %s: harvest --bin %s, where it runs, takes it along", wants, path.Base(m.By))
}

// libcOfRoot returns which libc's loader is there, "" for none or both.
func (c *checker) libcOfRoot() string {
	var has string
	for e := range c.Tree.All() {
		base := path.Base(e.Path)
		var libc string
		switch {
		case strings.HasPrefix(base, "ld-musl-"):
			libc = "musl"
		case strings.HasPrefix(base, "ld-linux"), strings.HasPrefix(base, "ld64.so."):
			libc = "glibc"
		default:
			continue
		}
		if has != "" && has != libc {
			return ""
		}
		has = libc
	}
	return has
}

// mendLibrary says what helps where a library is not found.
func (c *checker) mendLibrary(name string) string {
	if at := c.names[path.Base(name)]; at != "" {
		return fmt.Sprintf("it is at %s: set LD_LIBRARY_PATH=%s, or list the folder in /etc/ld.so.conf and run ldconfig before packing", at, path.Dir(at))
	}
	return "add the package that holds it; harvest --bin takes a program with all that it needs"
}

// mixed notes objects that are made for another libc than the program is that
// loads them.
func (c *checker) mixed(closure *elfdeps.Closure) {
	c.libcs = make(map[string]bool)
	for _, p := range closure.Programs {
		if p.Loader == nil {
			continue
		}
		own := "glibc"
		if p.Loader.Musl {
			own = "musl"
		}
		for _, o := range p.Objects {
			for _, n := range o.Needs {
				other := libcOf(n.Name)
				if n.Interp() || other == "" || other == own || c.libcs[o.Path] {
					continue
				}
				c.libcs[o.Path] = true
				text := fmt.Sprintf("is made for %s, since it needs %s, and is started with %s", other, n.Name, own)
				if o != p.Self() {
					text = fmt.Sprintf("is made for %s, since it needs %s, and %s loads it with %s", other, n.Name, p.Name, own)
				}
				c.lacks(Libc, o.Path, n.Name, text, "take it from a system with "+own)
			}
		}
	}
}

// libcOf returns the libc that a name of a library belongs to, "" for any.
func libcOf(name string) string {
	switch {
	case name == "libc.so", strings.HasPrefix(name, "libc.musl-"), strings.HasPrefix(name, "ld-musl-"):
		return "musl"
	case name == "libc.so.6", name == "libm.so.6", name == "libpthread.so.0", name == "libdl.so.2", name == "librt.so.1",
		strings.HasPrefix(name, "ld-linux"):
		return "glibc"
	}
	return ""
}

// commandPlatform checks that what the image runs is for the image's platform.
func (c *checker) commandPlatform(e *rootfs.Entry) {
	f, err := e.Open()
	if err != nil {
		return // resolving says why
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok || c.Platform == "" {
		return
	}
	file, err := elfdeps.Read(at, e.Size)
	if err != nil || runsOn(file.Arch.String(), c.Platform) {
		return
	}
	c.find(Command, e.Path, fmt.Sprintf("is what the image runs, and for %s, while the image says that it is for %s", file.Arch, c.Platform),
		"say --platform "+file.Arch.String()+" when it is packed, or put a program for "+c.Platform+" there")
	c.inCase(Platform)
}

// runsOn reports whether a program of one platform runs on another.
func runsOn(program, platform string) bool {
	base := func(p string) string { // linux/arm64/v8 is linux/arm64
		parts := strings.SplitN(p, "/", 3)
		return strings.Join(parts[:min(2, len(parts))], "/")
	}
	p, on := base(program), base(platform)
	return p == on || p == "linux/386" && on == "linux/amd64" || p == "linux/arm" && on == "linux/arm64"
}
