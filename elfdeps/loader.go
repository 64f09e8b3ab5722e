package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

// A Loader is what a program's interpreter tells of how it searches.
type Loader struct {
	Path        string         // PT_INTERP of the programs that use it
	DefaultDirs []string       // built into it, in search order
	CachePath   string         // of the index that it reads, "" for none
	Cache       *ldcache.Cache // what CachePath holds, nil if the loader would ignore it

	lib      string            // $LIB
	platform string            // $PLATFORM
	byName   map[string]string // paths in the cache that this loader may use
}

// maxLoader bounds what is read of an interpreter. Real ones have 0.2 to 0.9 MB.
const maxLoader = 16 << 20

// newLoader reads the search rules out of an interpreter's own bytes.
//
// glibc's loader holds its default directories as adjacent strings that begin
// and end with a slash (system_dirs in dl-load.c), and the name of its cache.
func newLoader(path string, data []byte, arch Arch) *Loader {
	abi := arch.abi()
	l := &Loader{
		Path:        path,
		DefaultDirs: defaultDirs(data),
		CachePath:   cachePath(data),
		platform:    abi.platform,
	}
	if l.DefaultDirs == nil {
		l.DefaultDirs = []string{"/" + abi.lib, "/usr/" + abi.lib}
	}
	l.lib = strings.TrimPrefix(strings.TrimPrefix(l.DefaultDirs[0], "/usr"), "/")
	return l
}

// useCache takes over the entries that the loader would accept: those for its
// architecture that ask nothing more of the processor.
func (l *Loader) useCache(c *ldcache.Cache, arch Arch) {
	l.Cache = c
	flags := arch.abi().cacheFlags
	l.byName = make(map[string]string, len(c.Entries))
	for _, e := range c.Entries {
		if e.Baseline() && slices.Contains(flags, e.Flags) {
			if _, known := l.byName[e.Name]; !known {
				l.byName[e.Name] = e.Path
			}
		}
	}
}

// cachePath finds the name of the cache in a loader.
func cachePath(data []byte) string {
	const name = "/ld.so.cache\x00"
	end := bytes.Index(data, []byte(name))
	if end < 0 {
		return ""
	}
	start := end
	for start > 0 && printable(data[start-1]) {
		start--
	}
	return string(data[start : end+len(name)-1])
}

// defaultDirs finds the longest run of directory names in a loader. Since glibc
// 2.34 it stands there twice; a run of one counts only then.
func defaultDirs(data []byte) []string {
	var best []string
	seen := make(map[string]int)
	for _, run := range pathRuns(data) {
		seen[strings.Join(run, ":")]++
		if len(run) > len(best) {
			best = run
		}
	}
	if len(best) == 1 {
		best = nil
		for run, n := range seen {
			if n > 1 && (best == nil || run < best[0]) {
				best = []string{run}
			}
		}
	}
	return best
}

// pathRuns returns the runs of adjacent strings that are names of library
// directories, without their final slashes.
func pathRuns(data []byte) [][]string {
	var runs [][]string
	var run []string
	flush := func() {
		if len(run) > 0 {
			runs = append(runs, run)
		}
		run = nil
	}
	for len(data) > 0 {
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			break
		}
		s := data[:end]
		data = data[end+1:]
		if len(s) < 2 || s[len(s)-1] != '/' || len(s) > 256 {
			flush()
			continue
		}
		start := len(s)
		for start > 0 && printable(s[start-1]) {
			start--
		}
		if start > 0 {
			flush()
		}
		if dir := string(s[start:]); isLibraryDir(dir) {
			run = append(run, strings.TrimSuffix(dir, "/"))
		} else {
			flush()
		}
	}
	flush()
	return runs
}

// isLibraryDir reports whether dir is an absolute name with a component that
// begins with "lib".
func isLibraryDir(dir string) bool {
	return len(dir) > 1 && dir[0] == '/' && strings.Contains(dir, "/lib")
}

func printable(c byte) bool { return 0x21 <= c && c <= 0x7e }

// ByteOrder returns the order in which numbers of the architecture are stored.
func (a Arch) ByteOrder() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if a.Data == elf.ELFDATA2MSB {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
