package elfdeps

import (
	"bytes"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps/ldcache"
)

// A Loader is what a program's interpreter tells of how it searches.
type Loader struct {
	Path        string         // PT_INTERP of the programs that use it
	DefaultDirs []string       // built into it or, musl, listed in PathFile; in search order
	CachePath   string         // of the index that it reads, "" for none
	Cache       *ldcache.Cache // what CachePath holds, nil if the loader would ignore it
	ConfDirs    []string       // if there is no file at CachePath: what ld.so.conf lists, for ldconfig to look in
	Musl        bool           // it is musl's, else glibc's
	PathFile    string         // musl: the file that, if it is there, lists the default directories

	abi    abi
	lib    string              // $LIB
	hwcaps []string            // see Resolver
	legacy []string            // subdirectories that come before each directory, whatever the processor
	paths  memo[string, found] // what cached has answered
}

// found is what the cache says of a name.
type found struct{ path, hwcap string }

// maxLoader bounds what is read of an interpreter. Real ones have 0.2 to 0.9 MB.
const maxLoader = 16 << 20

// newLoader reads the search rules out of an interpreter's own bytes.
//
// glibc's loader holds its default directories as adjacent strings that begin
// and end with a slash (system_dirs in dl-load.c), and the name of its cache.
func newLoader(path string, data []byte, abi abi) *Loader {
	l := &Loader{
		Path:        path,
		DefaultDirs: defaultDirs(data),
		CachePath:   cachePath(data),
		abi:         abi,
	}
	if l.DefaultDirs == nil {
		l.DefaultDirs = []string{"/" + abi.lib, "/usr/" + abi.lib}
	}
	if abi.platform == "amd64" && bytes.Contains(data, []byte("\x00avx512_1\x00")) {
		// Up to 2.36, glibc makes them of the processor's name and features, and of
		// "tls" (_dl_important_hwcaps). These are there on each.
		l.legacy = []string{"tls/x86_64", "tls", "x86_64"}
	}
	// $LIB is the directory that system libraries are in, below the prefix.
	first := l.DefaultDirs[0]
	l.lib = first[strings.Index(first, "/lib")+1:]
	return l
}

// A libc is a kind of loader, with its own rules.
type libc int

const (
	unknownLibc libc = iota
	glibc
	musl
)

// libcOf tells whose loader a file is, by the names of files that it looks for.
func libcOf(data []byte) libc {
	switch {
	case bytes.Contains(data, []byte("/etc/ld-musl-")):
		return musl
	case bytes.Contains(data, []byte("glibc-ld.so.cache")):
		return glibc
	}
	return unknownLibc
}

// cached returns what the cache has for a name, an empty path if nothing.
func (l *Loader) cached(name string) found {
	if l.Cache == nil {
		return found{}
	}
	return l.paths.get(name, func() found { return l.lookUp(name) })
}

// lookUp asks the cache. Entries for other architectures, and those that ask
// for more than the processor has, are passed over. The best that it has wins,
// else the first that asks for nothing.
func (l *Loader) lookUp(name string) found {
	var best found
	rank := len(l.hwcaps) + 1
	for _, e := range l.Cache.Lookup(name) {
		if e.Flags != l.abi.cache && (e.Flags == 0 || e.Flags != l.abi.alsoCache) {
			continue
		}
		r := slices.Index(l.hwcaps, e.HwcapName)
		if e.Baseline() {
			r = len(l.hwcaps)
		}
		if r >= 0 && r < rank {
			best, rank = found{e.Path, e.HwcapName}, r
		}
	}
	return best
}

// isDefault reports whether a file lies below a default directory.
func (l *Loader) isDefault(file string) bool {
	return slices.ContainsFunc(l.DefaultDirs, func(dir string) bool {
		return strings.HasPrefix(file, dir+"/")
	})
}

// cachePath finds the name of the cache in a loader.
func cachePath(data []byte) string {
	const name = "/ld.so.cache\x00"
	end := bytes.Index(data, []byte(name))
	if end < 0 {
		return ""
	}
	start := end - len(printableTail(data[:end]))
	return string(data[start : end+len(name)-1])
}

// defaultDirs finds the longest run of directory names in a loader. Since glibc
// 2.34 it stands there twice; a run of one counts only then.
func defaultDirs(data []byte) []string {
	var best []string
	seen := make(map[string]int)
	for _, run := range pathRuns(data) {
		if len(run) == 1 {
			if seen[run[0]]++; seen[run[0]] < 2 {
				continue
			}
		}
		if len(run) > len(best) {
			best = run
		}
	}
	return best
}

// maxRuns bounds the runs that are looked at, and the names in one. Loaders have
// a handful.
const maxRuns = 256

// pathRuns returns the runs of adjacent strings that are names of library
// directories, without their final slashes.
func pathRuns(data []byte) [][]string {
	var runs [][]string
	next := -1 // where a string would begin that goes on with the last run
	for at := 0; ; {
		slash := bytes.Index(data[at:], []byte("/\x00"))
		if slash < 0 {
			return runs
		}
		end := at + slash + 1
		dir := printableTail(data[at:end])
		at = end + 1
		if !isLibraryDir(dir) {
			continue
		}
		name := strings.TrimSuffix(string(dir), "/")
		switch last := len(runs) - 1; {
		case end-len(dir) != next && len(runs) < maxRuns:
			runs = append(runs, []string{name})
		case end-len(dir) == next && len(runs[last]) < maxRuns:
			runs[last] = append(runs[last], name)
		default:
			return runs
		}
		next = at
	}
}

// isLibraryDir reports whether dir is an absolute name with a component that
// begins with "lib".
func isLibraryDir(dir []byte) bool {
	const longest = 256
	return len(dir) <= longest && dir[0] == '/' && bytes.Contains(dir, []byte("/lib"))
}

// printableTail returns the end of s that holds only printable bytes.
func printableTail(s []byte) []byte {
	start := len(s)
	for start > 0 && 0x21 <= s[start-1] && s[start-1] <= 0x7e {
		start--
	}
	return s[start:]
}
