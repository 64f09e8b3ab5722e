package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harvest-oci/harvest/rootfs"
)

// whyOptions is the command line of why.
type whyOptions struct {
	selection
	hub    registryOptions
	limits limitOptions
	user   string
	all    bool
	json   bool
}

// errNotThere is why there is no reason for a path.
var errNotThere = errors.New("is not in the image")

func newWhyCmd(s streams) *cobra.Command {
	o := &whyOptions{}
	cmd := &cobra.Command{
		Use:   "why PATH --bin PROGRAM [flags]\n  harvest why PATH IMAGE",
		Short: "Say why a path is in an image",
		Long: `why prints the chain of reasons that leads to a path: from a flag to a program,
what that needs, and so on. PATH is a path in the image, or just the last name of
some. Of several reasons, the one with the shortest chain is printed and the
others are counted, unless --all is given.

With flags, it is about the image that they make. With IMAGE, whoever made it, it
is about that image: its own programs are asked. What none of them loads was
brought by a recipe, by another rule, a flag such as --add, or a base. An image
does not say by which, so of one that harvest made the reasons are those of a
build of the same programs now, if that has the same there; else the recipe that
brings such is named, with what in the image it is for. harvest deps --why shows
where a loader looked for a library, too.

` + imageHelp,
		Example: `  harvest why libtinfo.so.6 --bin bash
  harvest why /etc/ld.so.cache -f harvest.yaml
  harvest why /lib64 basic.tar`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 || args[0] == "" {
				return usagef("why: name a path, and flags of a build or an image")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.hub.given(cmd)
			if len(args) == 2 {
				if o.names() {
					return usagef("why: --bin and %s: one of them is enough", args[1])
				}
				return whyImage(cmd.Context(), s, o, args[0], args[1])
			}
			return whyPlan(cmd.Context(), s, o, args[0])
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVarP(&o.user, "user", "u", "", "`USER[:GROUP]`: who the image runs as, and so whom its passwd and group hold")
	completeWords(cmd, "user")
	group(cmd.Flags(), "How it runs")
	o.hub.addFlags(cmd)
	o.limits.addFlag(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "print a chain for each reason")
	cmd.Flags().BoolVar(&o.json, "json", false, "print all chains as JSON")
	group(cmd.Flags(), "Output")
	return cmd
}

// whyPlan says why a path would be in the image that flags ask for.
func whyPlan(ctx context.Context, s streams, o *whyOptions, name string) error {
	base, err := o.openBase(ctx, s, o.hub)
	if err != nil {
		return err
	}
	if base != nil {
		defer base.Close()
	}
	p, err := o.plan(ctx, o.user, nil, base)
	if err != nil {
		return err
	}
	host, err := o.host()
	if err != nil {
		return err
	}
	r := reasons{root: p.Root, of: func(e *rootfs.Entry) []rootfs.Reason { return e.Why }}
	r.placed = r.sources(host)
	return r.print(s.out, o, name)
}

// reasons are those for all paths of a root.
type reasons struct {
	root   *rootfs.Tree
	of     func(*rootfs.Entry) []rootfs.Reason
	placed func(name string) string // where a path of the host is in the root, "" if nowhere; nil if they are the same

	next map[string]rootfs.Reason // for each path, the reason that is nearest to a flag
}

// sources returns where paths of the host are in the root, if not at the same
// path.
func (r *reasons) sources(host *rootfs.Host) func(string) string {
	at := make(map[string]string)
	for e := range r.root.All() {
		if e.Source != "" && at[e.Source] == "" {
			at[e.Source] = e.Path
		}
	}
	return func(name string) string {
		real, err := host.RealPath(name)
		if err != nil {
			return ""
		}
		return at[real]
	}
}

// from returns the path that a reason starts at, "" if it starts at a flag or
// nowhere.
func (r *reasons) from(why rootfs.Reason) string {
	if !path.IsAbs(why.From) {
		return ""
	}
	if real, err := r.root.RealPath(why.From); err == nil {
		return real
	}
	if r.placed == nil {
		return ""
	}
	return r.placed(why.From)
}

// settle finds the nearest reasons: breadth first, from those that start nowhere.
func (r *reasons) settle() {
	type step struct {
		to  string
		why rootfs.Reason
	}
	var steps []step
	after := make(map[string][]step)
	for e := range r.root.All() {
		for _, why := range r.of(e) {
			if from := r.from(why); from != "" {
				after[from] = append(after[from], step{e.Path, why})
			} else {
				steps = append(steps, step{e.Path, why})
			}
		}
	}
	r.next = make(map[string]rootfs.Reason)
	for len(steps) > 0 {
		s := steps[0]
		steps = steps[1:]
		if _, known := r.next[s.to]; !known {
			r.next[s.to] = s.why
			steps = append(steps, after[s.to]...)
		}
	}
}

// A link of a chain is a path with the reason that leads to it.
type chainLink struct {
	Path string        `json:"path"`
	Why  rootfs.Reason `json:"why"`
}

// chain returns the shortest chain that ends with a reason for a path.
func (r *reasons) chain(name string, why rootfs.Reason) []chainLink {
	chain := []chainLink{{name, why}}
	for from := r.from(why); from != ""; from = r.from(why) {
		if slices.ContainsFunc(chain, func(l chainLink) bool { return l.Path == from }) {
			break // reasons that lead to each other only, of a root that is no plan's
		}
		var known bool
		if why, known = r.next[from]; !known {
			break
		}
		chain = append(chain, chainLink{from, why})
	}
	slices.Reverse(chain)
	return chain
}

// A whyEntry is a path with the chains that lead to it, the shortest first.
type whyEntry struct {
	Path   string        `json:"path"`
	Chains [][]chainLink `json:"chains"`
}

// find returns what a path is, and links on the way to it; or all that have a
// name.
func (r *reasons) find(name string) ([]*rootfs.Entry, error) {
	var found []*rootfs.Entry
	if !strings.Contains(name, "/") {
		for e := range r.root.All() {
			if path.Base(e.Path) == name {
				found = append(found, e)
			}
		}
	} else if way, err := r.root.Way(name); err == nil {
		for i, e := range way {
			if (e.Link != "" || i == len(way)-1) && e.Path != "/" {
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %w", name, errNotThere)
	}
	return found, nil
}

// print prints why a path is there.
func (r *reasons) print(w io.Writer, o *whyOptions, name string) error {
	found, err := r.find(name)
	if err != nil {
		return err
	}
	r.settle()
	var list []whyEntry
	for _, e := range found {
		entry := whyEntry{Path: e.Path}
		for _, why := range r.of(e) {
			entry.Chains = append(entry.Chains, r.chain(e.Path, why))
		}
		slices.SortStableFunc(entry.Chains, func(a, b []chainLink) int { return cmp.Compare(len(a), len(b)) })
		list = append(list, entry)
	}
	if o.json {
		return writeJSON(w, list)
	}
	for _, entry := range list {
		if err := entry.print(w, o.all); err != nil {
			return err
		}
	}
	return nil
}

func (e whyEntry) print(w io.Writer, all bool) error {
	for i, chain := range e.Chains {
		if i > 0 && !all {
			_, err := fmt.Fprintf(w, "    and for %s more, which --all prints\n", count(len(e.Chains)-1, "reason"))
			return err
		}
		if _, err := fmt.Fprintln(w, chainText(chain)); err != nil {
			return err
		}
	}
	return nil
}

// chainText writes a chain in a line: where it starts, and each path with what it
// is to the one before.
func chainText(chain []chainLink) string {
	var words []string
	if from := chain[0].Why.From; from != "" {
		words = append(words, printable(from))
	}
	for _, link := range chain {
		text := link.Why.Kind
		if link.Why.Text != "" {
			text += " " + link.Why.Text
		}
		words = append(words, printable(link.Path)+" ["+printable(text)+"]")
	}
	return strings.Join(words, " > ")
}
