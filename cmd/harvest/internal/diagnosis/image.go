package diagnosis

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

// An Image is where causes are looked for.
type Image struct {
	lint.Root
	Known   bool   // the root says what it runs, as that of an image does
	Machine string // the platform that it is to run on, as in linux/amd64
}

// What a finding is to be about.
const (
	ofName    = "name"    // what is lacking has the name that the message says
	ofVersion = "version" // it says the version that the message does
	ofAny     = "any"
)

// Holds returns the causes of a message that hold in an image. The error is one of
// reading it.
func (b *Book) Holds(ctx context.Context, m Match, img Image) ([]Possible, error) {
	p := &patient{Image: img, match: m}
	if p.Path == nil {
		p.Path = lint.DefaultPath
	}
	p.file = cmp.Or(m.Groups["file"], img.Command)
	if m.Groups["file"] == "" && p.file != "" {
		p.match.Groups["file"] = p.file
	}
	if m.Groups["dir"] == "" && m.Name == "workdir" {
		p.match.Groups["dir"] = img.WorkingDir
	}
	p.starters = p.startersOf(p.file)
	var list []Possible
	for _, name := range m.Causes {
		c := b.causes[name]
		if slices.ContainsFunc(list, func(have Possible) bool { return slices.Contains(c.Unless, have.Cause) }) {
			continue
		}
		found, err := p.look(ctx, c)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// A patient is an image that is looked at for a message.
type patient struct {
	Image
	match    Match
	file     string          // what the message is about, "" if that is not known
	starters map[string]bool // paths of that file, and of what scripts are started with
	findings []lint.Finding  // of lint, nil before it was asked
}

// look returns where a cause holds.
func (p *patient) look(ctx context.Context, c *Cause) ([]Possible, error) {
	for _, name := range c.Present {
		if !p.has(name) {
			return nil, nil
		}
	}
	switch {
	case c.Check != "":
		where, holds := checks[c.Check](p)
		if !holds {
			return nil, nil
		}
		return []Possible{p.holds(c, where)}, nil
	case len(c.Absent) > 0:
		if slices.ContainsFunc(c.Absent, p.has) {
			return nil, nil
		}
		return []Possible{p.holds(c, p.match.fill(c.Absent[0]))}, nil
	}
	if err := p.lint(ctx); err != nil {
		return nil, err
	}
	return p.found(c), nil
}

func (p *patient) holds(c *Cause, where string) Possible {
	return Possible{Cause: c.Name, Path: where, Text: p.match.fill(c.Text), Mend: p.match.fill(c.Mend)}
}

// has reports whether there is something at a path, or at one that a pattern fits.
// What the message does not say is nowhere.
func (p *patient) has(pattern string) bool {
	var pairs []string
	for name, value := range p.match.Groups {
		pairs = append(pairs, "{"+name+"}", escaped(value))
	}
	if !p.says(pattern) {
		return true // it cannot be looked for, so nothing is made of it
	}
	pattern = strings.NewReplacer(pairs...).Replace(pattern)
	found, err := fs.Glob(p.Tree, strings.TrimPrefix(path.Clean(pattern), "/"))
	return err == nil && len(found) > 0
}

// says reports whether the message says everything that a pattern speaks of.
func (p *patient) says(pattern string) bool {
	for part := range strings.SplitSeq(pattern, "{") {
		name, _, isGroup := strings.Cut(part, "}")
		if isGroup && p.match.Groups[name] == "" {
			return false
		}
	}
	return true
}

// escaped returns a pattern that fits a text alone.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(text)
}

// lint asks for everything that is wrong with the image, as far as the message is
// about it: what was to run, and as whom.
func (p *patient) lint(ctx context.Context) error {
	if p.findings != nil {
		return nil
	}
	root := p.Root
	root.Command = p.file
	root.User = cmp.Or(p.match.Groups["user"], root.User)
	if p.match.Name == "no-user" && strings.Contains(p.match.Line, "group file") {
		root.User = "0:" + p.match.Groups["user"]
	}
	r, err := lint.Check(ctx, root)
	if err == nil {
		p.findings = r.Findings
	}
	return err
}

// found returns the findings that a cause is about.
func (p *patient) found(c *Cause) []Possible {
	var own, others []Possible
	told := make(map[[2]string]bool) // of a file that has several names
	for _, f := range p.findings {
		real, err := p.Tree.RealPath(f.Path)
		if !isRule(c, f) || !p.concerns(c, f) || err == nil && told[[2]string{real, f.Need}] {
			continue
		}
		told[[2]string{real, f.Need}] = true
		one := Possible{Cause: c.Name, Path: f.Path, Text: f.Path + ": " + plain(f), Mend: f.Mend}
		if err == nil && p.starters[real] {
			own = append(own, one)
		} else {
			others = append(others, one)
		}
	}
	if len(own) > 0 {
		return own
	}
	return others
}

// plain is the text of a finding about a command, which need not be the image's:
// lint was told so.
func plain(f lint.Finding) string {
	text, about := strings.CutPrefix(f.Text, "is what the image runs, and ")
	if about && !strings.HasPrefix(text, "is ") {
		return "is " + text
	}
	return text
}

// isRule reports whether a finding is of a rule, and the case of it, that a cause
// names.
func isRule(c *Cause, f lint.Finding) bool {
	return slices.Contains(c.Lint, string(f.Rule)) || slices.Contains(c.Lint, string(f.Rule)+"/"+string(f.Case))
}

// concerns reports whether a finding is about what the message speaks of.
func (p *patient) concerns(c *Cause, f lint.Finding) bool {
	name := p.match.Groups["name"]
	switch {
	case f.Rule == lint.Command, f.Rule == lint.User: // of which lint was told
		return true
	case c.Of == ofAny:
		return true
	case c.Of == ofVersion:
		return strings.Contains(f.Text, cmp.Or(p.match.Groups["version"], "versions of symbols"))
	case c.Of == ofName && name == "": // which the message leaves out
		return true
	case c.Of == ofName && f.Rule == lint.Script: // which env would have found
		return strings.TrimSuffix(f.Need, "\r") == name
	case c.Of == ofName:
		return path.Base(f.Need) == path.Base(name)
	}
	real, err := p.Tree.RealPath(f.Path)
	return err == nil && p.starters[real] || f.Rule == lint.Capabilities && path.Base(f.Path) == path.Base(p.file)
}

// mostStarters is how many scripts may start each other (BINPRM_MAX_RECURSION).
const mostStarters = 5

// startersOf returns the real path of a command, and of what starts it if it is a
// script: its interpreter, and what env looks for.
func (p *patient) startersOf(name string) map[string]bool {
	paths := make(map[string]bool)
	for range mostStarters {
		e := p.entry(name)
		if e == nil || paths[e.Path] {
			break
		}
		paths[e.Path] = true
		script := scriptOf(e)
		if script == nil {
			break
		}
		name = script.Interp
		if words := strings.Fields(script.Arg); path.Base(name) == "env" && len(words) > 0 {
			if env := p.entry(name); env != nil {
				paths[env.Path] = true
			}
			name = words[len(words)-1]
		}
	}
	return paths
}

// entry returns the file that a command is, nil if there is none.
func (p *patient) entry(name string) *rootfs.Entry {
	dirs := p.Path
	if strings.Contains(name, "/") {
		dirs = []string{""}
	}
	for _, dir := range dirs {
		file := path.Join(dir, name)
		if !path.IsAbs(file) {
			file = path.Join("/", p.WorkingDir, file)
		}
		if real, err := p.Tree.RealPath(file); err == nil && p.Tree.Entry(real) != nil {
			return p.Tree.Entry(real)
		}
	}
	return nil
}

// scriptOf returns the first line of a script, nil of anything else.
func scriptOf(e *rootfs.Entry) *elfdeps.Script {
	if !e.Mode.IsRegular() {
		return nil
	}
	f, err := e.Open()
	if err != nil {
		return nil
	}
	defer f.Close()
	var head bytes.Buffer
	if _, err := io.CopyN(&head, f, elfdeps.ScriptHead); err != nil && head.Len() == 0 {
		return nil
	}
	script, err := elfdeps.ParseScript(head.Bytes())
	if err != nil {
		return nil
	}
	return script
}
