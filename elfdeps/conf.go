package elfdeps

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits on ld.so.conf and what it includes.
const (
	maxConf     = 1 << 16 // bytes of one file
	maxIncludes = 1024    // files
)

// confDirs returns the directories that ld.so.conf lists, in the order in which
// ldconfig(8) takes them. The loader reads that file never; but a root in which
// nobody has run ldconfig yet says there what its cache will lead to.
func (s *search) confDirs(file string) []string {
	c := conf{search: s, seen: make(map[string]bool)}
	c.read(file)
	return c.dirs
}

// A conf is an ld.so.conf with what it includes.
type conf struct {
	*search
	dirs []string
	seen map[string]bool
}

func (c *conf) read(file string) {
	if c.seen[file] || len(c.seen) == maxIncludes {
		return
	}
	c.seen[file] = true
	data, err := c.contents(file, maxConf)
	if err != nil {
		return // as ldconfig, which says so and goes on
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0, words[0] == "hwcap":
		case words[0] == "include":
			for _, pattern := range words[1:] {
				c.include(pattern, path.Dir(file))
			}
		default:
			c.add(strings.TrimSpace(line))
		}
	}
}

// include reads the files that match a pattern, in the order of their names.
func (c *conf) include(pattern, dir string) {
	if !path.IsAbs(pattern) {
		pattern = path.Join(dir, pattern)
	}
	names, err := fs.Glob(c.fs, strings.TrimPrefix(path.Clean(pattern), "/"))
	if err != nil {
		return // a pattern that no file matches
	}
	for _, name := range names {
		c.read("/" + name)
	}
}

// add adds a directory, behind which an old ldconfig could be told of a libc.
func (c *conf) add(dir string) {
	dir, _, _ = strings.Cut(dir, "=")
	dir = strings.TrimRight(dir, "/ \t")
	if path.IsAbs(dir) && len(c.dirs) < maxDirs && !slices.Contains(c.dirs, dir) {
		c.dirs = append(c.dirs, dir)
	}
}
