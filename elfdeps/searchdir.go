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

// rpath returns the elements of o's DT_RPATH.
func (m *linkMap) rpath(o *Object) []searchDir {
	if o.rpath == nil && o.Rpath != "" {
		o.rpath = m.split(o.Rpath, o)
	}
	return o.rpath
}

// runpath returns the elements of o's DT_RUNPATH.
func (m *linkMap) runpath(o *Object) []searchDir {
	if o.runpath == nil && o.Runpath != "" {
		o.runpath = m.split(o.Runpath, o)
	}
	return o.runpath
}

// split takes a search path of o apart (fillin_rpath in dl-load.c): tokens
// expanded, final slashes and repetitions dropped. An empty element stands for
// the working directory and stays empty.
func (m *linkMap) split(list string, o *Object) []searchDir {
	dirs := []searchDir{}
	for text := range strings.SplitSeq(list, ":") {
		dir, ok := m.expand(text, o)
		if !ok {
			continue
		}
		d := searchDir{strings.TrimRight(dir, "/"), text}
		if dir == "" {
			d.dir = "."
		}
		if !slices.ContainsFunc(dirs, func(have searchDir) bool { return have.dir == d.dir }) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// expand replaces the dynamic string tokens of ld.so(8) in a path of o. It
// reports false if one of them has no value, which voids the element.
func (m *linkMap) expand(text string, o *Object) (string, bool) {
	if !strings.Contains(text, "$") {
		return text, true
	}
	var b strings.Builder
	for text != "" {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			break
		}
		name, rest := token(after)
		value, known, ok := m.token(name, o)
		switch {
		case !known:
			b.WriteByte('$')
			text = after
			continue
		case !ok:
			return "", false
		}
		b.WriteString(value)
		text = rest
	}
	return b.String(), true
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
	n := 0
	for n < len(s) && (s[n] == '_' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return s[:n], s[n:]
}

func (m *linkMap) token(name string, o *Object) (value string, known, ok bool) {
	switch name {
	case "ORIGIN":
		value, ok = m.origin(o)
		return value, true, ok
	case "LIB":
		return m.loader.lib, true, true
	case "PLATFORM":
		return m.loader.platform, true, m.loader.platform != ""
	}
	return "", false, false
}

// origin returns $ORIGIN of an object: the folder of the path by which a
// library was opened, and of the file itself for the program, which the loader
// asks /proc/self/exe for.
func (m *linkMap) origin(o *Object) (string, bool) {
	file := o.Path
	if o == m.self && o.Interp != "" {
		var err error
		if file, err = m.realPath(o.Path); err != nil {
			return "", false
		}
	}
	return file[:strings.LastIndexByte(file, '/')], true
}
