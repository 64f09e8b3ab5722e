package main

import (
	"debug/elf"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// printTrees draws the link map of each program as a tree.
func (o *depsOptions) printTrees(w io.Writer, r *resolved) error {
	for _, p := range r.Programs {
		t := &tree{depth: o.treeDepth, paths: o.paths}
		t.program(p, r.hwcaps[p])
		if _, err := w.Write(t.text); err != nil {
			return err
		}
	}
	return nil
}

// A tree is the drawing of one link map. Each object is drawn below the need
// that made the loader open it.
type tree struct {
	depth int // of levels that are drawn, 0 for all
	paths bool
	text  []byte
}

// program draws a program, on a processor that has hwcaps.
func (t *tree) program(p *elfdeps.Program, hwcaps []string) {
	self := p.Self()
	t.text = append(t.text, printable(p.Name)+" ("+platformOfProgram(p)...)
	if hwcaps != nil {
		t.text = append(t.text, ", "+hwcaps[0]...)
	}
	t.text = append(t.text, ')')
	switch {
	case p.Script != nil:
		t.text = append(t.text, ": a script, "+printable(p.Script.String())...)
	case self.Static():
		t.text = append(t.text, ": static, needs nothing"...)
	}
	t.text = append(t.text, '\n')
	t.needs(self, "", 1)
	for q := range p.All() {
		for _, m := range q.Mentions {
			t.text = fmt.Appendf(t.text, "may also open %s => %s [%s]: its name is at %#x of %s\n",
				printable(m.Name), printable(m.Path), printable(m.Rule.String()), m.Offset, printable(m.By))
		}
	}
}

// platformOfProgram is what a program is for, which of a script without its
// interpreter nobody knows.
func platformOfProgram(p *elfdeps.Program) string {
	if arch := p.Self().Arch; arch != (elfdeps.Arch{}) {
		return arch.String()
	}
	return "linux"
}

// needs draws what an object needs, at a level of the tree.
func (t *tree) needs(o *elfdeps.Object, indent string, level int) {
	for i, n := range o.Needs {
		branch, below := "├── ", "│   "
		if i == len(o.Needs)-1 {
			branch, below = "└── ", "    "
		}
		t.text = append(t.text, indent...)
		t.text = append(t.text, branch...)
		t.text = append(t.text, needText(n, t.paths)...)
		if level == t.depth {
			if more := linesBelow(n); more > 0 {
				t.text = append(t.text, " … "+strconv.Itoa(more)+" more"...)
			}
		}
		t.text = append(t.text, '\n')
		if n.Loads && level != t.depth {
			t.needs(n.Object, indent+below, level+1)
		}
	}
}

// linesBelow counts the lines that a whole tree has below a need.
func linesBelow(n elfdeps.Need) int {
	if !n.Loads {
		return 0
	}
	lines := len(n.Object.Needs)
	for _, next := range n.Object.Needs {
		lines += linesBelow(next)
	}
	return lines
}

// needText is a need in one line: "libc.so.6 => /lib/libc.so.6 [ld.so.cache]".
// With paths, an object goes by its path alone.
func needText(n elfdeps.Need, paths bool) string {
	text := printable(n.Name) + " => not found"
	var rule []string
	switch {
	case n.Object == nil:
	case paths:
		text = printable(n.Object.Path)
	case n.Rule.Kind == elfdeps.RuleLoaded, n.Name == n.Object.Path:
		text = printable(n.Name)
	default:
		text = printable(n.Name) + " => " + printable(n.Object.Path)
	}
	if n.Object != nil {
		rule = append(rule, printable(n.Rule.String()))
	}
	if kind := needKind(n); kind != "" {
		rule = append(rule, kind)
	}
	if len(rule) > 0 {
		text += " [" + strings.Join(rule, "; ") + "]"
	}
	if len(n.Lacks) > 0 {
		text += " lacks version " + printable(strings.Join(n.Lacks, ", "))
	}
	return text
}

// needKind says what is special about a need, "" for DT_NEEDED and PT_INTERP.
func needKind(n elfdeps.Need) string {
	switch {
	case n.Dlopen != nil && n.Dlopen.Feature != "":
		return "dlopen, " + n.Dlopen.Priority.String() + " for " + printable(n.Dlopen.Feature)
	case n.Dlopen != nil:
		return "dlopen, " + n.Dlopen.Priority.String()
	case n.Interp(), n.Starts(), n.Tag == elf.DT_NEEDED:
		return ""
	case n.Tag == elf.DT_AUXILIARY && n.Object == nil:
		return "DT_AUXILIARY, which may be missing"
	}
	return n.Tag.String()
}
