package teach

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// mostRows is how many lines a list has; the rest of it is counted.
const mostRows = 12

// Explain tells how an image was made, in seven steps: what the program is, who
// starts it, what it needs, where that goes, the tar, config and manifest, and how
// it is run. Each step has a sentence or two, and commands that show it.
//
// A line that begins with five blanks and "$ " is such a command; if it prints
// what is known beforehand, that follows with the same indentation, up to an empty
// line or the next command.
func Explain(w io.Writer, b *Build, l Language) error {
	t, err := newTexts(l)
	if err != nil {
		return err
	}
	x := &explanation{Build: b, texts: t}
	x.line("%s\n", x.say("explain.head", values{"Name": x.name()}))
	if d := x.Plan.Damage; d != nil {
		x.text("explain.broken", values{"Fault": d.Fault.String()})
	}
	x.program()
	x.starter()
	x.needs()
	x.stage()
	if err := x.documents(); err != nil {
		return err
	}
	x.layers()
	x.config()
	x.run()
	_, err = w.Write(x.buf.Bytes())
	return err
}

// An explanation is one that is being written.
type explanation struct {
	*Build
	*texts
	buf   bytes.Buffer
	steps int
	docs  documents
}

func (x *explanation) line(format string, args ...any) { fmt.Fprintf(&x.buf, format+"\n", args...) }

// indent is how far a step is indented, and commands a little more.
const indent = "   "

// step begins a step.
func (x *explanation) step(title string, v values) {
	x.steps++
	x.line("%d. %s", x.steps, x.say(title, v))
	x.line("")
}

// text writes a paragraph.
func (x *explanation) text(key string, v values) {
	for _, line := range fold(x.say(key, v), width-len(indent)) {
		x.line("%s%s", indent, line)
	}
	x.line("")
}

// command writes a command, and what it prints.
func (x *explanation) command(command string, output ...string) {
	x.line("%s  $ %s", indent, command)
	for _, line := range output {
		x.line("%s  %s", indent, line)
	}
}

// rows writes a list in columns. Of a long one, the rest is counted.
func (x *explanation) rows(list [][]string) {
	shown := list[:min(len(list), mostRows)]
	var widths []int
	for _, row := range shown {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range shown {
		line := indent + " "
		for i, cell := range row {
			line += " " + cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-len(cell)+1)
			}
		}
		x.line("%s", strings.TrimRight(line, " "))
	}
	x.line("")
	x.more(len(list)-len(shown), "explain.more")
}

// more says how many are not shown.
func (x *explanation) more(n int, key string) {
	if n > 0 {
		x.text(key, values{"N": n})
	}
}

// first returns the first program, and the ELF file that is started for it in the
// end: its interpreter if it is a script. The latter is nil if there is none.
func (x *explanation) first() (asked, elf *elfdeps.Program) {
	for p := range x.Plan.Closure.All() {
		if asked == nil {
			asked = p
		}
		if p.Script == nil {
			return asked, p
		}
	}
	return asked, nil
}

// hostFile returns the path on this system of a file of the plan's host.
func (x *explanation) hostFile(name string) string {
	if x.Root == "" {
		return name
	}
	if real, err := x.Host.RealPath(name); err == nil { // links of another root lead out of it
		name = real
	}
	return x.Root + name
}

// program tells what the first program is.
func (x *explanation) program() {
	p, _ := x.first()
	file := x.hostFile(p.Name)
	v := values{"Path": comment(p.Name), "Platform": x.Plan.Arch.String()}
	x.step("program.title", v)
	magic := []string{"od -An -c -N4 " + word(file), " 177   E   L   F"}
	switch self := p.Self(); {
	case p.Script != nil:
		v["Line"] = comment(p.Script.String())
		x.text("program.script", v)
		x.command("head -n 1 " + word(file))
		magic = nil
	case p.Loader == nil:
		x.text("program.static", v)
	case self.Type.String() == "ET_DYN":
		x.text("program.pie", v)
	default:
		x.text("program.exec", v)
	}
	if magic != nil {
		x.command(magic[0], magic[1:]...)
		x.command("readelf -h " + word(file))
	}
	x.line("")
	if others := x.Plan.Programs[1:]; len(others) > 0 {
		x.text("program.others", values{"N": len(others), "Programs": comment(strings.Join(others[:min(len(others), mostRows)], " "))})
	}
}

// starter tells who starts it.
func (x *explanation) starter() {
	asked, p := x.first()
	x.step("starter.title", nil)
	if asked.Script != nil {
		v := values{"Path": comment(asked.Name), "Interp": comment(asked.Script.Interp), "First": comment(x.Plan.Programs[0]), "Program": ""}
		if p != nil && p.Name != asked.Script.Interp {
			v["Program"] = comment(p.Name)
		}
		x.text("starter.script", v)
	}
	if p == nil {
		return
	}
	v := values{"Path": comment(p.Name)}
	switch {
	case p.Loader == nil:
		x.text("starter.static", v)
		return
	case p.Self().Interp == "":
		x.text("starter.library", v)
		return
	}
	v["Loader"] = comment(p.Loader.Path)
	v["First"] = comment(x.Plan.Programs[0])
	x.text("starter.loader", v)
	x.command("readelf -l "+word(x.hostFile(p.Name))+" | grep interpreter",
		"      [Requesting program interpreter: "+p.Loader.Path+"]")
	x.line("")
}

// needs tells what is loaded, and by which rule each library was found.
func (x *explanation) needs() {
	_, p := x.first()
	if p == nil || p.Loader == nil {
		return
	}
	x.step("needs.title", nil)
	var names []string
	for _, d := range p.Self().Needed {
		if d.Tag.String() == "DT_NEEDED" {
			names = append(names, d.Name)
		}
	}
	v := values{"Path": comment(p.Name), "Loader": comment(p.Loader.Path), "Cache": p.Loader.CachePath, "Paths": p.Loader.PathFile}
	if len(names) == 0 {
		x.text("needs.none", v)
		return
	}
	x.text("needs.names", v)
	x.command("readelf -d "+word(x.hostFile(p.Name))+` | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'`, names...)
	x.line("")
	var rows [][]string
	for n := range p.Needs() {
		if n.Loads && !n.Interp() {
			rows = append(rows, []string{comment(n.Name), comment(n.Object.Path), x.rule(n)})
		}
	}
	switch {
	case len(rows) == 0:
		x.text("needs.itself", v)
	case p.Loader.Musl:
		x.text("needs.musl", v)
		x.rows(rows)
	default:
		x.text("needs.glibc", v)
		x.rows(rows)
	}
	if x.Root == "" {
		x.text("needs.ask", v)
		x.command(words(p.Loader.Path, "--list", p.Name))
		x.line("")
	}
}

// rule says by which rule a library was found.
func (x *explanation) rule(n elfdeps.Need) string {
	key := map[elfdeps.RuleKind]string{
		elfdeps.RulePath:        "rule.path",
		elfdeps.RuleRpath:       "rule.rpath",
		elfdeps.RuleLibraryPath: "rule.library_path",
		elfdeps.RuleRunpath:     "rule.runpath",
		elfdeps.RuleCache:       "rule.cache",
		elfdeps.RuleDefault:     "rule.default",
		elfdeps.RuleConf:        "rule.conf",
		elfdeps.RuleBuiltin:     "rule.builtin",
	}[n.Rule.Kind]
	if key == "" {
		return comment(n.Rule.String())
	}
	return x.say(key, values{"Dir": comment(n.Rule.Dir), "Of": comment(n.Rule.Of)})
}
