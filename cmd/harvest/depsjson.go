package main

import (
	"debug/elf"
	"io"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
)

// A jsonClosure is a closure as deps --json prints it.
type jsonClosure struct {
	Programs []jsonProgram `json:"programs"`
	Missing  []jsonMissing `json:"missing,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
}

type jsonProgram struct {
	Name     string        `json:"name"`
	Platform string        `json:"platform"`
	Hwcaps   []string      `json:"hwcaps,omitempty"`
	Static   bool          `json:"static,omitempty"`
	Script   *jsonScript   `json:"script,omitempty"`
	Starts   bool          `json:"interpreter,omitempty"` // it was not asked for: a script is started with it
	Loader   *jsonLoader   `json:"loader,omitempty"`
	Objects  []jsonObject  `json:"objects"`
	Mentions []jsonMention `json:"mentions,omitempty"`
}

type jsonScript struct {
	Interpreter string `json:"interpreter"`
	Argument    string `json:"argument,omitempty"`
}

type jsonLoader struct {
	Path        string   `json:"path"`
	Libc        string   `json:"libc"`
	DefaultDirs []string `json:"defaultDirs"`
	Cache       string   `json:"cache,omitempty"`
	CacheUsed   bool     `json:"cacheUsed,omitempty"`
	ConfDirs    []string `json:"confDirs,omitempty"`
	PathFile    string   `json:"pathFile,omitempty"`
}

type jsonObject struct {
	Path    string     `json:"path"`
	Type    string     `json:"type"`
	Soname  string     `json:"soname,omitempty"`
	Interp  string     `json:"interp,omitempty"`
	Rpath   string     `json:"rpath,omitempty"`
	Runpath *string    `json:"runpath,omitempty"` // empty is another thing than none
	Flags   []string   `json:"flags,omitempty"`
	Needs   []jsonNeed `json:"needs,omitempty"`
}

type jsonNeed struct {
	Name   string      `json:"name"`
	Tag    string      `json:"tag"`
	Path   string      `json:"path,omitempty"`
	Loads  bool        `json:"loads,omitempty"`
	Rule   jsonRule    `json:"rule"`
	Dlopen *jsonDlopen `json:"dlopen,omitempty"`
	Lacks  []string    `json:"lacks,omitempty"`
	Tried  []jsonProbe `json:"tried,omitempty"`
}

type jsonRule struct {
	Kind  string  `json:"kind"`
	Of    string  `json:"of,omitempty"`
	Dir   *string `json:"dir,omitempty"` // empty is the working directory
	Hwcap string  `json:"hwcap,omitempty"`
	Text  string  `json:"text"`
}

type jsonDlopen struct {
	Sonames     []string `json:"sonames"`
	Priority    string   `json:"priority"`
	Feature     string   `json:"feature,omitempty"`
	Description string   `json:"description,omitempty"`
}

type jsonProbe struct {
	Path   string   `json:"path"`
	Rule   jsonRule `json:"rule"`
	Reason string   `json:"reason"`
	Fatal  bool     `json:"fatal,omitempty"`
}

type jsonMention struct {
	Name   string   `json:"name"`
	By     string   `json:"by"`
	Offset int64    `json:"offset"`
	Path   string   `json:"path"`
	Rule   jsonRule `json:"rule"`
}

type jsonMissing struct {
	Program string `json:"program"`
	By      string `json:"by"`
	Name    string `json:"name"`
	Text    string `json:"text"`
}

// ruleKinds are the words for the steps of the search.
var ruleKinds = map[elfdeps.RuleKind]string{
	elfdeps.RuleNone:        "none",
	elfdeps.RuleInterp:      "interp",
	elfdeps.RuleLoaded:      "loaded",
	elfdeps.RulePath:        "path",
	elfdeps.RuleRpath:       "rpath",
	elfdeps.RuleLibraryPath: "libraryPath",
	elfdeps.RuleRunpath:     "runpath",
	elfdeps.RuleCache:       "cache",
	elfdeps.RuleConf:        "conf",
	elfdeps.RuleDefault:     "default",
	elfdeps.RuleBuiltin:     "builtin",
	elfdeps.RuleScript:      "script",
	elfdeps.RuleEnv:         "env",
}

// printClosure prints all that is known of a closure as JSON.
func printClosure(w io.Writer, r *resolved) error {
	jc := jsonClosure{Programs: []jsonProgram{}, Notes: r.notes}
	for p := range r.All() {
		jp := newJSONProgram(p)
		jp.Starts = !slices.Contains(r.Programs, p)
		jp.Hwcaps = r.hwcaps[p]
		jc.Programs = append(jc.Programs, jp)
	}
	for _, m := range r.Missing() {
		jc.Missing = append(jc.Missing, jsonMissing{m.Program, m.By, m.Need.Name, m.String()})
	}
	return writeJSON(w, jc)
}

func newJSONProgram(p *elfdeps.Program) jsonProgram {
	jp := jsonProgram{Name: p.Name, Platform: platformOfProgram(p), Static: p.Script == nil && p.Self().Static()}
	if p.Script != nil {
		jp.Script = &jsonScript{p.Script.Interp, p.Script.Arg}
	}
	if l := p.Loader; l != nil {
		jp.Loader = &jsonLoader{l.Path, "glibc", l.DefaultDirs, l.CachePath, l.Cache != nil, l.ConfDirs, l.PathFile}
		if l.Musl {
			jp.Loader.Libc = "musl"
		}
	}
	for _, o := range p.Objects {
		jp.Objects = append(jp.Objects, newJSONObject(p, o))
	}
	for _, m := range p.Mentions {
		jp.Mentions = append(jp.Mentions, jsonMention{m.Name, m.By, m.Offset, m.Path, newJSONRule(m.Rule)})
	}
	return jp
}

func newJSONObject(p *elfdeps.Program, o *elfdeps.Object) jsonObject {
	jo := jsonObject{Path: o.Path, Type: o.Type.String(), Soname: o.Soname, Interp: o.Interp, Rpath: o.Rpath}
	if o.HasRunpath {
		jo.Runpath = &o.Runpath
	}
	if o.Flags1 != 0 {
		jo.Flags = strings.Split(o.Flags1.String(), "+")
	}
	if o == p.Self() && p.Script != nil {
		jo.Type = "script"
	}
	for _, n := range o.Needs {
		jo.Needs = append(jo.Needs, newJSONNeed(p, n))
	}
	return jo
}

func newJSONNeed(p *elfdeps.Program, n elfdeps.Need) jsonNeed {
	jn := jsonNeed{Name: n.Name, Tag: n.Tag.String(), Loads: n.Loads, Rule: newJSONRule(n.Rule), Lacks: n.Lacks}
	switch {
	case n.Dlopen != nil:
		jn.Tag = "dlopen"
		jn.Dlopen = &jsonDlopen{n.Dlopen.Sonames, n.Dlopen.Priority.String(), n.Dlopen.Feature, n.Dlopen.Description}
	case n.Interp():
		jn.Tag = elf.PT_INTERP.String()
	case n.Env():
		jn.Tag = "env"
	case n.Starts():
		jn.Tag = "#!"
	}
	if n.Object != nil {
		jn.Path = n.Object.Path
	}
	for _, probe := range p.Search(n) {
		jn.Tried = append(jn.Tried, jsonProbe{probe.Path, newJSONRule(probe.Rule), probe.Reason, probe.Fatal})
	}
	return jn
}

func newJSONRule(r elfdeps.Rule) jsonRule {
	jr := jsonRule{Kind: ruleKinds[r.Kind], Of: r.Of, Hwcap: r.Hwcap, Text: r.String()}
	switch r.Kind {
	case elfdeps.RuleEnv:
		if r.Dir != "" {
			jr.Dir = &r.Dir
		}
	case elfdeps.RuleRpath, elfdeps.RuleLibraryPath, elfdeps.RuleRunpath, elfdeps.RuleConf, elfdeps.RuleDefault:
		jr.Dir = &r.Dir
	}
	return jr
}
