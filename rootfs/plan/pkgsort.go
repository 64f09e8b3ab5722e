package plan

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// sort sorts what a package has.
func (c *counter) sort(p *parcel) error {
	files, err := p.Files()
	if err != nil {
		return err
	}
	if notice := "/usr/share/doc/" + p.Name + "/copyright"; p.Kind == owner.Deb && exists(c.host, notice) {
		files = append(slices.Clip(files), owner.File{Path: notice}) // its folder may be a link to that of another package
	}
	for _, f := range files {
		if p.spares(f.Path) {
			p.leftOut++
			continue
		}
		if err := c.sortOne(p, f); err != nil {
			return plain(err)
		}
	}
	return nil
}

func (c *counter) sortOne(p *parcel, f owner.File) error {
	if c.covers(f.Path) {
		return nil
	}
	dir, err := c.host.RealPath(path.Dir(f.Path))
	if err == nil {
		_, err = c.host.Lstat(path.Join(dir, path.Base(f.Path))[1:])
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !f.Config && !isCopyright(f.Path) { // which people remove, and images go without
			p.missing = append(p.missing, f.Path)
		}
		return nil
	case err != nil:
		return err
	}
	real, err := c.host.RealPath(f.Path)
	if err != nil {
		p.links = append(p.links, f.Path)
		return nil //nolint:nilerr // a link that leads nowhere is a link
	}
	e, err := c.host.Entry(real)
	if err != nil {
		return err
	}
	switch inPath := isCommand(f.Path); {
	case isHosts(real):
		p.leftOut++
	case c.secrets.isSecret(e):
		p.secrets = append(p.secrets, f.Path)
	case e.Mode.IsDir():
		p.files = append(p.files, f.Path)
	case !e.Mode.IsRegular():
		p.leftOut++
	case inPath && p.program != "" && e.Mode&0o111 != 0: // --pkg-of has one alone
	case c.starts(f.Path, real, e) && inPath && e.Mode&0o111 != 0:
		p.programs = append(p.programs, f.Path)
	case mayBeELF(f.Path) && c.starts(f.Path, real, e):
		p.objects = append(p.objects, f.Path)
	default:
		p.files = append(p.files, f.Path)
	}
	return nil
}

// isExample reports whether a path is where scripts are for reading, or for those
// who know what to do with them: what programs start is elsewhere, or linked to.
func isExample(name string) bool {
	return strings.HasPrefix(name, "/usr/share/") || strings.HasPrefix(name, "/etc/") || strings.HasPrefix(name, "/var/")
}

// covers reports whether the user leaves out a path, whichever way it is spelled.
func (c *counter) covers(name string) bool {
	dir, err := c.host.RealPath(path.Dir(name))
	return c.excluded.covers(name) || err == nil && c.excluded.covers(path.Join(dir, path.Base(name)))
}

// starts reports whether a file is one that the kernel starts or a loader opens:
// an ELF file, or, if it may be executed, a script. Object files are neither.
func (c *counter) starts(name, real string, e *rootfs.Entry) bool {
	switch path.Ext(real) {
	case ".o", ".ko", ".mod":
		return false
	}
	f, err := c.host.Open(real[1:])
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	n, _ := f.Read(head[:])
	return string(head[:n]) == "\x7fELF" || strings.HasPrefix(string(head[:n]), "#!") && e.Mode&0o111 != 0 && !isExample(name)
}

// isCommand reports whether a path lies where programs are looked up by name.
func isCommand(name string) bool {
	dir := path.Dir(name)
	return slices.Contains(SearchPath, dir) || dir == "/usr/games" || dir == "/usr/local/games"
}

// spares reports whether an image goes without a path of a package: what people
// read, what building and debugging take, and what services read of which there
// is none in a container. A package for building has what that takes.
func (p *parcel) spares(name string) bool {
	if isCopyright(name) {
		return false
	}
	if !isDev(p.Name) && (matchesAbove(forBuilding[:], name) || slices.Contains([]string{".a", ".la"}, path.Ext(name))) {
		return true
	}
	return isHosts(name) || matchesAbove(spared[:], name)
}

// isDev reports whether a package is for building with, by its name.
func isDev(name string) bool {
	return strings.HasSuffix(name, "-dev") || strings.HasSuffix(name, "-devel") || strings.HasSuffix(name, "-headers")
}

// matchesAbove reports whether a path lies in one of the folders.
func matchesAbove(folders []string, name string) bool {
	return slices.ContainsFunc(folders, func(dir string) bool { return recipe.Match(dir, name) })
}

// spared are patterns of folders of which a package's files are no part of what
// runs; forBuilding, those of a package for building are.
var (
	spared = [...]string{
		"/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/locale", "/usr/share/help", "/usr/share/gtk-doc",
		"/usr/man", "/usr/info", "/usr/local/man", "/usr/local/share/man",
		"/usr/share/bash-completion", "/etc/bash_completion.d", "/usr/share/zsh/vendor-completions", "/usr/share/zsh/site-functions",
		"/usr/share/fish/vendor_completions.d",
		"/usr/share/doc-base", "/usr/share/lintian", "/usr/share/linda", "/usr/share/bug", "/usr/share/apport", "/usr/share/menu",
		"/usr/share/applications", "/usr/share/icons", "/usr/share/pixmaps", "/usr/share/metainfo", "/usr/share/appdata",
		"/usr/lib/debug", "/usr/lib/.build-id",
		"/etc/init.d", "/etc/rc.d", "/etc/logrotate.d", "/etc/apparmor.d", "/etc/cron.*", "/etc/systemd/system",
		"/lib/systemd/system", "/lib/systemd/user", "/usr/lib/systemd/system", "/usr/lib/systemd/user", "/usr/lib/systemd/*-preset",
		"/usr/lib/tmpfiles.d", "/usr/lib/sysusers.d",
	}
	forBuilding = [...]string{"/usr/include", "/usr/src", "/usr/share/aclocal", "/usr/share/pkgconfig", "/usr/lib/pkgconfig", "/usr/lib/*/pkgconfig", "/usr/lib64/pkgconfig"}
)

// isCopyright reports whether a file is the licence of a package, which passing
// the package on takes along.
func isCopyright(name string) bool {
	dir, base := path.Split(name)
	return base == "copyright" && strings.HasPrefix(dir, "/usr/share/doc/")
}
