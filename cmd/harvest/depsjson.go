package main

import "github.com/harvest-oci/harvest/elfdeps"

type jsonProgram struct {
	Name     string       `json:"name"`
	Platform string       `json:"platform"`
	Loader   string       `json:"loader,omitempty"`
	Objects  []jsonObject `json:"objects"`
}

type jsonObject struct {
	Path    string     `json:"path"`
	Soname  string     `json:"soname,omitempty"`
	Rpath   string     `json:"rpath,omitempty"`
	Runpath string     `json:"runpath,omitempty"`
	Needs   []jsonNeed `json:"needs,omitempty"`
}

type jsonNeed struct {
	Name  string      `json:"name"`
	Path  string      `json:"path,omitempty"`
	Rule  string      `json:"rule"`
	Tried []jsonProbe `json:"tried,omitempty"`
}

type jsonProbe struct {
	Path   string `json:"path"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// jsonClosure is a closure as deps --json prints it.
func jsonClosure(c *elfdeps.Closure) []jsonProgram {
	programs := []jsonProgram{}
	for _, p := range c.Programs {
		jp := jsonProgram{Name: p.Name, Platform: p.Self().Arch.String()}
		if p.Loader != nil {
			jp.Loader = p.Loader.Path
		}
		for _, o := range p.Objects {
			jp.Objects = append(jp.Objects, newJSONObject(o))
		}
		programs = append(programs, jp)
	}
	return programs
}

func newJSONObject(o *elfdeps.Object) jsonObject {
	jo := jsonObject{Path: o.Path, Soname: o.Soname, Rpath: o.Rpath, Runpath: o.Runpath}
	for _, n := range o.Needs {
		jn := jsonNeed{Name: n.Name, Rule: n.Rule.String()}
		if n.Object != nil {
			jn.Path = n.Object.Path
		}
		for _, p := range n.Tried {
			jn.Tried = append(jn.Tried, jsonProbe{p.Path, p.Rule.String(), p.Reason})
		}
		jo.Needs = append(jo.Needs, jn)
	}
	return jo
}
