package main

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// printWhy prints, for each program and everybody in it who asks for a library,
// the chain of needs that leads there, and below it what was looked at before
// the library was found. It may be named by soname, file name or path.
func (o *depsOptions) printWhy(w io.Writer, r *resolved) error {
	lib := newWanted(r.host, o.why)
	found := false
	for _, p := range r.Programs {
		answered, err := o.printChains(w, r.title(p), p, lib)
		if err != nil {
			return err
		}
		found = found || answered
	}
	if !found && len(r.Programs) > 0 {
		return fmt.Errorf("nothing here needs %s", o.why)
	}
	return nil
}

// printChains prints the chains of one program, and reports whether there are any.
func (o *depsOptions) printChains(w io.Writer, title string, p *elfdeps.Program, lib wanted) (found bool, err error) {
	chains := chainsOf(p)
	for q := range p.All() {
		for _, asker := range q.Objects {
			for _, n := range asker.Needs {
				if !lib.answers(n) {
					continue
				}
				found = true
				if err := o.printChain(w, title, chains.to(asker), n); err != nil {
					return true, err
				}
				if err := printSearch(w, q, n); err != nil {
					return true, err
				}
			}
		}
	}
	return found, nil
}

// printChain prints the needs that lead from a program to one of its objects,
// and to the need of that.
func (o *depsOptions) printChain(w io.Writer, program string, chain []elfdeps.Need, n elfdeps.Need) error {
	links := []string{program}
	for _, link := range chain {
		if o.paths {
			links = append(links, printable(link.Object.Path))
		} else {
			links = append(links, printable(link.Name))
		}
	}
	_, err := fmt.Fprintf(w, "%s > %s\n", strings.Join(links, " > "), needText(n, o.paths))
	return err
}

// printSearch prints what a need is for, where that is known, and what was
// looked at in vain.
func printSearch(w io.Writer, p *elfdeps.Program, n elfdeps.Need) error {
	if n.Dlopen != nil && n.Dlopen.Description != "" {
		if _, err := fmt.Fprintf(w, "    for: %s\n", printable(n.Dlopen.Description)); err != nil {
			return err
		}
	}
	for _, probe := range p.Search(n) {
		_, err := fmt.Fprintf(w, "    tried %s [%s]: %s\n",
			printable(probe.Path), printable(probe.Rule.String()), printable(probeText(probe)))
		if err != nil {
			return err
		}
	}
	return nil
}

// probeText is why a place did not serve.
func probeText(p elfdeps.Probe) string {
	if p.Fatal {
		return p.Reason + "; the loader stops there"
	}
	return p.Reason
}

// chains are, for each object but the program, the needs that made the loader
// open it.
type chains map[*elfdeps.Object]link

// A link is a need with who has it.
type link struct {
	by   *elfdeps.Object
	need elfdeps.Need
}

func chainsOf(p *elfdeps.Program) chains {
	c := make(chains)
	for q := range p.All() {
		for _, o := range q.Objects {
			for _, n := range o.Needs {
				if n.Object == nil || n.Object == q.Self() {
					continue
				}
				if _, known := c[n.Object]; !known || n.Loads {
					c[n.Object] = link{o, n}
				}
			}
		}
	}
	return c
}

// to returns the needs that lead from the program to an object, in that order.
func (c chains) to(o *elfdeps.Object) []elfdeps.Need {
	var needs []elfdeps.Need
	for l, ok := c[o]; ok && len(needs) < len(c); l, ok = c[l.by] {
		needs = append(needs, l.need)
	}
	slices.Reverse(needs)
	return needs
}

// wanted is a library that was named in one of several ways.
type wanted struct {
	host *rootfs.Host
	name string
	real string // where it leads to as a path, "" if it is none or leads nowhere
}

func newWanted(host *rootfs.Host, name string) wanted {
	lib := wanted{host: host, name: name}
	if strings.Contains(name, "/") {
		lib.real, _ = host.RealPath(name)
	}
	return lib
}

// answers reports whether a need is for the library.
func (lib wanted) answers(n elfdeps.Need) bool {
	if n.Name == lib.name || n.Dlopen != nil && slices.Contains(n.Dlopen.Sonames, lib.name) && n.Object == nil {
		return true
	}
	o := n.Object
	if o == nil {
		return false
	}
	if o.Path == lib.name || o.Soname == lib.name || path.Base(o.Path) == lib.name {
		return true
	}
	real, err := lib.host.RealPath(o.Path)
	return err == nil && (real == lib.real || path.Base(real) == lib.name)
}
