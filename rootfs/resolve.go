package rootfs

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links the kernel follows in one name
// (path_resolution(7)).
const maxLinks = 40

// A lookup tells what stands at a rooted path whose parents are no links.
type lookup func(path string) (mode fs.FileMode, link string, err error)

// resolve walks name as the kernel does under chroot(2): absolute link targets
// start at the root again, and ".." never leaves it. It returns the rooted path
// that name leads to. With last unset, a link that is the last component is
// not followed. Errors are an *fs.PathError whose path shows the chain of links.
func resolve(name string, last bool, look lookup) (string, error) {
	at, rest := "/", name
	chain := []string{path.Join("/", name)}
	for rest != "" {
		var elem string
		elem, rest, _ = strings.Cut(rest, "/")
		switch elem {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := join(at, elem)
		mode, link, err := look(next)
		if err != nil {
			return next, chainError(chain, err)
		}
		if mode&fs.ModeSymlink == 0 || (!last && strings.Trim(rest, "/") == "") {
			if rest != "" && !mode.IsDir() {
				return next, chainError(chain, syscall.ENOTDIR)
			}
			at = next
			continue
		}
		if path.IsAbs(link) {
			at = "/"
		}
		rest = strings.TrimSuffix(link+"/"+rest, "/")
		chain = append(chain, path.Join(at, rest))
		if len(chain) > maxLinks {
			return next, chainError(chain[:3], syscall.ELOOP)
		}
	}
	return at, nil
}

// join appends one component to a clean rooted path.
func join(dir, elem string) string {
	if dir == "/" {
		return "/" + elem
	}
	return dir + "/" + elem
}

func chainError(chain []string, err error) error {
	return &fs.PathError{Op: "open", Path: strings.Join(chain, " -> "), Err: err}
}

// fsName turns a rooted path into a name for an fs.FS.
func fsName(rooted string) string {
	if rooted == "/" {
		return "."
	}
	return rooted[1:]
}
