package elfdeps

import (
	"slices"
	"strings"
)

// A searchDir is an element of a search path.
type searchDir struct {
	dir  string // to which "/" and a name are appended
	text string // as it is written in the file
}

// file returns the path of a name in the directory.
func (d searchDir) file(name string) string { return d.dir + "/" + name }

// rpath returns the elements of o's DT_RPATH.
func (m *linkMap) rpath(o *Object) []searchDir {
	if o.rpath == nil && o.Rpath != "" {
		o.rpath = m.split(o.Rpath, ":", o)
	}
	return o.rpath
}

// runpath returns the elements of o's DT_RUNPATH.
func (m *linkMap) runpath(o *Object) []searchDir {
	if o.runpath == nil && o.Runpath != "" {
		o.runpath = m.split(o.Runpath, ":", o)
	}
	return o.runpath
}

// split takes a search path of o apart at the given separators (fillin_rpath in
// dl-load.c): tokens expanded, final slashes and repetitions dropped. An empty
// element stands for the working directory.
func (m *linkMap) split(list, separators string, o *Object) []searchDir {
	dirs := []searchDir{}
	for {
		end := strings.IndexAny(list, separators)
		text := list
		if end >= 0 {
			text = list[:end]
		}
		if dir, ok := m.expand(text, o); ok {
			d := searchDir{strings.TrimRight(dir, "/"), text}
			if dir == "" {
				d.dir = "."
			}
			if !slices.ContainsFunc(dirs, func(have searchDir) bool { return have.dir == d.dir }) {
				dirs = append(dirs, d)
			}
		}
		if end < 0 {
			return dirs
		}
		list = list[end+1:]
	}
}

// expand replaces the dynamic string tokens of ld.so(8) in a name or path of o.
// It reports false if one of them has no value, which voids the whole, and for
// what is longer than a path can be.
func (m *linkMap) expand(text string, o *Object) (string, bool) {
	if !strings.Contains(text, "$") {
		return text, len(text) < maxPath
	}
	var b strings.Builder
	for b.Len() < maxPath {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String(), b.Len() < maxPath
		}
		name, rest := token(after)
		value, known := m.token(name, o)
		switch {
		case !known:
			value, rest = "$", after
		case value == "":
			return "", false
		}
		b.WriteString(value)
		text = rest
	}
	return "", false
}

// token takes the identifier behind a "$" off the front of s: braced, or as
// long as it goes, so that $ORIGINAL is no token.
func token(s string) (name, rest string) {
	if strings.HasPrefix(s, "{") {
		if name, rest, ok := strings.Cut(s[1:], "}"); ok {
			return name, rest
		}
		return "", s
	}
	end := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || '9' < r) && (r < 'A' || 'Z' < r) && (r < 'a' || 'z' < r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// token returns the value of a dynamic string token, "" if it has none, and
// whether there is a token of that name.
func (m *linkMap) token(name string, o *Object) (value string, known bool) {
	switch name {
	case "ORIGIN":
		return m.origin(o), true
	case "LIB":
		return m.loader.lib, true
	case "PLATFORM":
		return m.loader.abi.atPlatform, true
	}
	return "", false
}

// origin returns the directory of the path by which a library was opened, and
// of the file itself for the program, which the loader asks /proc/self/exe for;
// likewise for the loader itself, on whose behalf auditors are loaded.
func (m *linkMap) origin(o *Object) string {
	if o == m.rtld {
		o = m.self
	}
	file := o.Path
	if o == m.self && o.Interp != "" {
		var err error
		if file, err = m.realPath(o.Path); err != nil {
			return ""
		}
	}
	switch end := strings.LastIndexByte(file, '/'); {
	case end < 0: // whatever the file system says of it, no place that others could start from
		return ""
	case end == 0:
		return "/"
	default:
		return file[:end]
	}
}
