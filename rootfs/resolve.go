package rootfs

import (
	"io/fs"
	"path"
	"slices"
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
// that name leads to, or with an error the one where it went wrong. With last
// unset, a link that is the last component, with no slash behind it, is not
// followed. Errors are an *fs.PathError whose path shows the chain of links.
func resolve(name string, last bool, look lookup) (string, error) {
	at, rest := "/", name
	chain := []string{"/" + strings.TrimLeft(name, "/")}
	for rest != "" {
		elem, after, more := strings.Cut(rest, "/")
		rest = after
		switch elem {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := join(at, elem)
		mode, link, err := look(next)
		switch {
		case err != nil:
			return next, chainError(chain, err)
		case mode&fs.ModeSymlink != 0 && (last || more):
			if len(chain) > maxLinks {
				return next, chainError(chain, syscall.ELOOP)
			}
			if path.IsAbs(link) {
				at = "/"
			}
			rest = link
			if more {
				rest += "/" + after
			}
			chain = append(chain, path.Join(at, rest))
		case more && !mode.IsDir():
			return next, chainError(chain, syscall.ENOTDIR)
		default:
			at = next
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

// chainError names the file by all the names that it went by. A chain that
// bites its tail is shown up to there.
func chainError(chain []string, err error) error {
	for i, name := range chain {
		if slices.Contains(chain[:i], name) {
			chain = chain[:i+1]
			break
		}
	}
	return &fs.PathError{Op: "open", Path: strings.Join(chain, " -> "), Err: err}
}

// fsName turns a rooted path into a name for an fs.FS.
func fsName(rooted string) string {
	if rooted == "/" {
		return "."
	}
	return rooted[1:]
}

// validPath is [fs.ValidPath] for names that are bytes: those of a Linux host
// need not be UTF-8.
func validPath(name string) bool {
	if name == "." {
		return true
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || elem == "." || elem == ".." {
			return false
		}
	}
	return true
}
