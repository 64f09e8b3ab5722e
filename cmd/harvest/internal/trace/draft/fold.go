package draft

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// When a folder stands for its files: see the package.
const (
	leastFiles = 4
	mostFiles  = 1 << 14 // that are looked at
)

// fold replaces files by the folder that they are in, where that was listed and
// most of it was used. The outermost such folder counts.
func (m *maker) fold() {
	for _, dir := range slices.Sorted(maps.Keys(m.listed)) {
		if m.inWhole(dir) {
			continue
		}
		all, used, ok := m.below(dir)
		if !ok || all < leastFiles || used*5 < all*4 {
			continue
		}
		maps.DeleteFunc(m.files, func(name string, _ bool) bool { return isBelow(m.realDir(name), dir) })
		m.files[dir] = true
		m.wholes[dir] = all
	}
}

func (m *maker) inWhole(name string) bool {
	for dir := range m.wholes {
		if isBelow(name, dir) {
			return true
		}
	}
	return false
}

// realDir returns a name with the folder that it is in as it really is.
func (m *maker) realDir(name string) string {
	return path.Join(m.real(path.Dir(name)), path.Base(name))
}

// below counts the files below a folder and those that were used. It is not ok
// if one of them is to be left out, or there are too many.
func (m *maker) below(dir string) (all, used int, ok bool) {
	if dir == "/" || denied(dir, m.homes) != "" || writable(dir) != "" {
		return 0, 0, false
	}
	wanted := map[string]bool{}
	for name := range m.files {
		wanted[m.realDir(name)] = true
	}
	err := fs.WalkDir(m.host, strings.TrimPrefix(dir, "/"), func(name string, d fs.DirEntry, err error) error {
		name = "/" + name
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case !isPackable(d.Type()), denied(name, m.homes) != "", m.isLeft(name), all == mostFiles:
			return fs.ErrInvalid
		}
		all++
		if wanted[name] || m.closure[name] {
			used++
		} else if d.Type().IsRegular() && holdsKey(m.host, name) {
			return fs.ErrInvalid
		}
		return nil
	})
	return all, used, err == nil
}

// isLeft reports whether a file is left out for what it is, or what was done with
// it.
func (m *maker) isLeft(name string) bool {
	for _, names := range m.leftOut {
		if names[name] {
			return true
		}
	}
	return false
}

// skeleton are the folders that every image has.
var skeleton = []string{"/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var", "/var/tmp"}

// prune removes the folders that come with a file below them, or that every
// image has. Those that are written into stay, unless a whole folder has them.
func (m *maker) prune() {
	come := map[string]bool{}
	for _, names := range []map[string]bool{m.files, m.closure} {
		for name := range names {
			for dir := path.Dir(m.realDir(name)); dir != "/" && dir != "."; dir = path.Dir(dir) {
				come[dir] = true
			}
		}
	}
	maps.DeleteFunc(m.folders, func(dir string, f *Folder) bool {
		return slices.Contains(skeleton, dir) || m.inWhole(dir) || come[dir] && !f.Written || !m.mayBeMade(dir)
	})
}
