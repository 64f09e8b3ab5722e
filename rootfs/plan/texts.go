package plan

import (
	"bytes"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// maxText is how long a script or a configuration may be to be read.
const maxText = 1 << 20

// textPath finds the rooted paths of a text: words of two components or more,
// before which stands what stands before a word in shells and configurations.
var textPath = regexp.MustCompile("(?m)(?:^|[\\s\"'`=(<>,:;|&{\\[-])(/[\\w.+@-]+(?:/[\\w.+@-]+)+)")

// textPlugin finds names of libraries without the folder that they lie in.
var textPlugin = regexp.MustCompile(`(?:^|[\s"'=/])([\w.+@-]+\.so)(?:["';\s]|$)`)

// textPaths returns the paths that a text of some bytes names, each once, and the
// names of libraries, but for those in comments, which are lines that begin with #
// or ;. A longer text than people write has none.
func textPaths(r io.Reader, size int64) (paths, plugins []string, err error) {
	if size > maxText {
		return nil, nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(r, maxText))
	if err != nil {
		return nil, nil, err
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, nil, nil // no text
	}
	seen := make(map[string]bool)
	for line := range bytes.Lines(data) {
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && (trimmed[0] == '#' || trimmed[0] == ';') {
			continue
		}
		for _, m := range textPath.FindAllSubmatch(line, -1) {
			name := path.Clean(string(m[1]))
			if !seen[name] {
				seen[name] = true
				paths = append(paths, name)
			}
		}
		for _, m := range textPlugin.FindAllSubmatch(line, -1) {
			plugins = append(plugins, string(m[1]))
		}
	}
	return paths, plugins, nil
}

// shells are the interpreters whose scripts [shellCommands] reads.
var shells = []string{"sh", "dash", "bash", "ash", "ksh", "mksh"}

// isBuiltin reports whether each of the shells has a command inside, for which it
// starts no program.
func isBuiltin(name string) bool {
	const builtins = `. : [ alias bg break cd command continue echo eval exec exit export false fg getopts hash jobs kill printf pwd read
	readonly return set shift test times trap true type ulimit umask unalias unset wait`
	return slices.Contains(strings.Fields(builtins), name)
}

// throughs are commands that start the one which follows.
var throughs = []string{"exec", "command", "env", "nohup", "nice", "setsid"}

// shellCommands returns the words of a shell's script that stand where the name
// of a command does, each once: not those that the script defines or the shell has,
// and none that is made up as it runs. A text that is no script has none.
func shellCommands(script io.Reader) []string {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(io.LimitReader(script, maxText), "")
	if err != nil {
		return nil
	}
	var names []string
	own := make(map[string]bool)
	syntax.Walk(file, func(node syntax.Node) bool {
		switch n := node.(type) {
		case *syntax.FuncDecl:
			own[n.Name.Value] = true
		case *syntax.CallExpr:
			names = append(names, called(n)...)
		}
		return true
	})
	names = slices.DeleteFunc(names, func(name string) bool { return own[name] || isBuiltin(name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// called returns the names of what a command starts, one through the other.
func called(call *syntax.CallExpr) []string {
	var names []string
	for _, word := range call.Args {
		name := word.Lit()
		if name == "" {
			break
		}
		names = append(names, name)
		if !slices.Contains(throughs, name) {
			break
		}
	}
	return names
}
