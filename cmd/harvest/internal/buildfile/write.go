package buildfile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
)

// Contents are what a file is to say.
type Contents struct {
	Values  map[string][]string // of flags, by their names; others are not given
	From    string              // where relative paths start, seen from the folder of the file: "."
	OwnRoot bool                // what is taken from the root is so, too
	Exists  func(string) bool   // says whether a base is a file
}

// Write writes a file that says the same as the flags that it is for. Each key is
// explained; those of flags that are not given are comments with an example. Text
// that is no UTF-8 is an error, since no file can say it.
func Write(w io.Writer, c Contents) error {
	out := writer{w: bufio.NewWriter(w), contents: c}
	out.line("# What harvest is to make an image of: harvest -f FILE. Each key stands for a flag.")
	out.line("\n# files that come before this one\n#%s: [./base.yaml]", include)
	for _, k := range keys {
		if err := out.key(k); err != nil {
			return err
		}
	}
	return out.w.Flush()
}

type writer struct {
	w        *bufio.Writer
	contents Contents
	section  []string // that is open
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w.w, format+"\n", args...) }

// key writes a key with its value, or with an example in a comment.
func (w *writer) key(k Key) error {
	names := strings.Split(k.Path, ".")
	last := len(names) - 1
	w.open(names[:last])
	indent := strings.Repeat("  ", last)
	values := w.contents.Values[k.Flag]
	w.line("%s# %s", indent, k.About)
	if len(values) == 0 {
		w.line("%s#%s: %s", indent, names[last], k.Like)
		return nil
	}
	for i, v := range values {
		if !utf8.ValidString(v) {
			return fmt.Errorf("--%s %q: a file holds UTF-8 only", k.Flag, v)
		}
		s := Setting{value: v, dir: w.contents.From, form: k.Form}
		values[i] = s.Value(w.contents.OwnRoot, func(string) bool { return w.contents.Exists(v) })
	}
	w.line("%s%s:%s", indent, names[last], valueText(k.Form, values, indent))
	return nil
}

// open begins the sections that a key stands in, as comments if nothing in them
// is given.
func (w *writer) open(section []string) {
	if len(section) == 0 || !slices.Equal(section[:1], w.section[:min(1, len(w.section))]) {
		w.line("")
	}
	for i := range section {
		if i < len(w.section) && slices.Equal(section[:i+1], w.section[:i+1]) {
			continue
		}
		comment := "#"
		if w.given(strings.Join(section[:i+1], ".") + ".") {
			comment = ""
		}
		w.line("%s%s%s:", strings.Repeat("  ", i), comment, section[i])
	}
	w.section = section
}

func (w *writer) given(prefix string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool {
		return strings.HasPrefix(k.Path, prefix) && len(w.contents.Values[k.Flag]) > 0
	})
}

// valueText is what stands after a colon.
func valueText(form Form, values []string, indent string) string {
	switch form {
	case Switch:
		return " " + values[0]
	case Command:
		if words := []string(nil); strings.HasPrefix(values[0], "[") && json.Unmarshal([]byte(values[0]), &words) == nil {
			return listText(words, indent)
		}
	case Pairs:
		if names, ok := pairsOf(values); ok {
			return pairsText(names, values, indent)
		}
		return listText(values, indent)
	case List, Paths, Folders, Inputs, Bins, NewDirs, Users:
		return listText(values, indent)
	}
	return " " + scalar(values[0])
}

// listWidth is how long a list may be to stand in one line.
const listWidth = 60

func listText(values []string, indent string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = scalar(v)
	}
	if line := strings.Join(texts, ", "); len(line) <= listWidth {
		return " [" + line + "]"
	}
	return "\n" + indent + "  - " + strings.Join(texts, "\n"+indent+"  - ")
}

// pairsOf returns the names of NAME=VALUE, if each is there once.
func pairsOf(values []string) ([]string, bool) {
	var names []string
	for _, v := range values {
		name, _, ok := strings.Cut(v, "=")
		if !ok || slices.Contains(names, name) {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

func pairsText(names, values []string, indent string) string {
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, "\n%s  %s: %s", indent, scalar(name), scalar(values[i][len(name)+1:]))
	}
	return b.String()
}

// scalar writes a text so that it is read as that, within brackets, too.
func scalar(s string) string {
	list := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}}}
	data, err := yaml.Marshal(&list)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(data), "["), "]\n")
}
