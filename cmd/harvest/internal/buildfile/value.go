package buildfile

import (
	"encoding/json"
	"path"
	"path/filepath"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// value reads the value of a key.
func (s section) value(k Key, n *yaml.Node) {
	switch k.Form {
	case Switch:
		s.truth(k, n)
	case List, Paths, Folders:
		for element := range s.list(k.Path, n) {
			s.scalar(k, element)
		}
	case Pairs:
		s.named(k, n)
	case Command:
		s.command(k, n)
	case Bins, Inputs, NewDirs, Users:
		for element := range s.list(k.Path, n) {
			s.element(k, element)
		}
	default:
		s.scalar(k, n)
	}
}

// set notes what a flag is set to.
func (s section) set(k Key, n *yaml.Node, value string) {
	s.settings = append(s.settings, Setting{Flag: k.Flag, At: s.at(n), value: value, dir: s.dir, form: k.Form})
}

func (s section) scalar(k Key, n *yaml.Node) {
	if value, ok := s.text(k.Path, n); ok {
		s.set(k, n, value)
	}
}

func (s section) truth(k Key, n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" || n.ShortTag() != "!!bool" {
		s.wrong(n, "%s: want true or false, not %s", k.Path, kind(n))
		return
	}
	s.set(k, n, n.Value)
}

// named reads a mapping, or a list of NAME=VALUE.
func (s section) named(k Key, n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		for element := range s.list(k.Path, n) {
			s.scalar(k, element)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		s.wrong(n, "%s: want names with values, as in {NAME: VALUE}, not %s", k.Path, kind(n))
		return
	}
	for name, value := range s.pairs(n) {
		if strings.Contains(name.Value, "=") {
			s.wrong(name, "%s: a name that has = in it: %q", k.Path, name.Value)
			continue
		}
		if text, ok := s.text(k.Path+"."+name.Value, value); ok {
			s.set(k, value, name.Value+"="+text)
		}
	}
}

// command reads words, or a list of them.
func (s section) command(k Key, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		s.scalar(k, n)
		return
	}
	words := []string{}
	for element := range s.list(k.Path, n) {
		if word, ok := s.text(k.Path, element); ok {
			words = append(words, word)
		}
	}
	data, err := json.Marshal(words)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	s.set(k, n, string(data))
}

// parts are the keys of an element of a list.
var parts = map[Form][]string{
	Bins:    {"path", "dest"},
	Inputs:  {"src", "dest", "exclude"},
	NewDirs: {"path", "type", "mode", "uid", "gid"},
	Users:   {"name", "uid", "gid", "home", "shell"},
}

// element reads an element of a list that may be a mapping.
func (s section) element(k Key, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		s.scalar(k, n)
		return
	}
	known := parts[k.Form]
	texts := make(map[string]string)
	var excluded []*yaml.Node
	good := true
	for name, value := range s.pairs(n) {
		switch {
		case !slices.Contains(known, name.Value):
			s.wrong(name, "unknown key %q in %s: there are %s", name.Value, k.Path, strings.Join(known, ", "))
			good = false
		case name.Value == "exclude":
			excluded = slices.Collect(s.list(k.Path+".exclude", value))
		default:
			text, ok := s.text(k.Path+"."+name.Value, value)
			texts[name.Value], good = text, good && ok
		}
	}
	switch {
	case !good:
	case texts[known[0]] == "":
		s.wrong(n, "%s: %s is missing", k.Path, known[0])
	case k.Form == NewDirs:
		s.newDir(k, n, texts)
	case k.Form == Users:
		s.user(k, n, texts)
	default:
		s.input(k, n, texts[known[0]], texts["dest"], excluded)
	}
}

// input notes a file with its place, and what is left out of it.
func (s section) input(k Key, n *yaml.Node, src, dest string, excluded []*yaml.Node) {
	value := src
	switch {
	case strings.Contains(src+dest, ":/"):
		s.wrong(n, `%s: paths with ":/" in them cannot be told from SRC:DST`, k.Path)
		return
	case dest != "" && !path.IsAbs(dest):
		s.wrong(n, "%s: dest %s is not absolute", k.Path, dest)
		return
	case dest != "":
		value += ":" + dest
	}
	s.set(k, n, value)
	for _, e := range excluded {
		if pattern, ok := s.text(k.Path+".exclude", e); ok {
			s.settings = append(s.settings, Setting{Flag: "exclude", At: s.at(e), value: value, dir: s.dir, form: k.Form, excl: pattern})
		}
	}
}

// newDir notes a folder that is to be made.
func (s section) newDir(k Key, n *yaml.Node, t map[string]string) {
	if kind := t["type"]; kind != "" && kind != "directory" {
		s.wrong(n, "%s: type %s: there is directory", k.Path, kind)
		return
	}
	if strings.Contains(t["path"], ":") {
		s.wrong(n, "%s: %s: a folder with a colon in its name cannot be made", k.Path, t["path"])
		return
	}
	s.set(k, n, colons(t["path"], t["mode"], t["uid"], t["gid"]))
}

// user notes an account.
func (s section) user(k Key, n *yaml.Node, t map[string]string) {
	for _, name := range parts[Users] {
		if strings.Contains(t[name], ":") {
			s.wrong(n, "%s: %s %s: no field of passwd has a colon in it", k.Path, name, t[name])
			return
		}
	}
	if t["uid"] == "" && len(t) > 1 {
		s.wrong(n, "%s: %s: a new user has a uid; the host's has nothing but a name", k.Path, t["name"])
		return
	}
	s.set(k, n, colons(t["name"], t["uid"], t["gid"], t["home"], t["shell"]))
}

// colons joins fields, without the last ones that are empty.
func colons(fields ...string) string {
	for len(fields) > 1 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, ":")
}

// Value returns the value of the flag. Paths of this machine are relative to the
// file that has them, and so are those of the root if that is this machine's
// own; exists says whether a base is a file.
func (s Setting) Value(ownRoot bool, exists func(string) bool) string {
	switch s.form {
	case Path, Paths:
		return joined(s.dir, s.value)
	case Image:
		if file := joined(s.dir, s.value); s.value != Stdin && exists(file) {
			return file
		}
	case Output:
		return s.output()
	case Folders:
		if ownRoot {
			return s.folders()
		}
	case Bins, Inputs:
		return s.source(ownRoot)
	}
	return s.value
}

// output anchors what -o names.
func (s Setting) output() string {
	if s.value == Stdin {
		return s.value
	}
	if !strings.HasPrefix(s.value, "type=") && !strings.HasPrefix(s.value, "dest=") {
		return joined(s.dir, s.value)
	}
	fields := strings.Split(s.value, ",")
	for i, field := range fields {
		if dest, ok := strings.CutPrefix(field, "dest="); ok {
			fields[i] = "dest=" + joined(s.dir, dest)
		}
	}
	return strings.Join(fields, ",")
}

// folders anchors the elements of a search path. One that begins with a token, as
// $ORIGIN, is the loader's to anchor.
func (s Setting) folders() string {
	dirs := strings.FieldsFunc(s.value, func(c rune) bool { return c == ':' || c == ';' })
	for i, dir := range dirs {
		if !strings.HasPrefix(dir, "$") && !path.IsAbs(dir) && s.dir != "." {
			dirs[i] = s.dir + "/" + dir // ".." in it is the loader's, too
		}
	}
	return strings.Join(dirs, ":")
}

// source anchors the SRC of SRC[:DST], and gives patterns the folder that they are
// for.
func (s Setting) source(ownRoot bool) string {
	src, dest := s.value, ""
	if i := strings.LastIndex(src, ":/"); i >= 0 {
		src, dest = src[:i], src[i:]
	}
	if ownRoot && src != "" && (s.form == Inputs || strings.Contains(src, "/")) {
		src = anchored(s.dir, src)
	}
	if s.excl == "" {
		return src + dest
	}
	folder := path.Clean(src)
	if dest != "" {
		folder = path.Clean(dest[1:])
	} else if abs, err := filepath.Abs(src); ownRoot && err == nil {
		folder = abs
	}
	folder = quoteMeta(strings.TrimSuffix(path.Join("/", folder), "/"))
	if !path.IsAbs(s.excl) {
		folder += "/**/"
	}
	return folder + s.excl
}

// quoteMeta makes a path a pattern that matches just that.
func quoteMeta(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if strings.IndexByte(`*?[]{}\`, c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// joined returns a path that is relative to a folder.
func joined(dir, name string) string {
	if filepath.IsAbs(name) || name == "" {
		return name
	}
	return filepath.Join(dir, name)
}

// anchored returns a path that is relative to a folder and no bare name.
func anchored(dir, name string) string {
	file := joined(dir, name)
	if file != "" && !strings.Contains(file, "/") {
		file = "./" + file
	}
	return file
}
