package main

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
	"github.com/harvest-oci/harvest/rootfs/recipe"
)

// whyImage says why a path is in an image, or in what else is a root.
func whyImage(ctx context.Context, s streams, o *whyOptions, name, image string) (err error) {
	t, err := (&imageOrigin{registryOptions: o.hub, limitOptions: o.limits, platform: o.platform}).openRoot(ctx, s, image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	why, err := t.reasons(ctx)
	if err != nil {
		return naming(image, err)
	}
	book, err := o.book()
	if err != nil {
		return err
	}
	loaded := func(e *rootfs.Entry) []rootfs.Reason { return why[e.Path] }
	facts := factsOf(t.Tree, loaded)
	again := o.again(ctx, t)
	r := reasons{root: t.Tree, of: func(e *rootfs.Entry) []rootfs.Reason {
		if list := loaded(e); len(list) > 0 {
			return list
		}
		if list := again[e.Path]; len(list) > 0 {
			return list
		}
		return []rootfs.Reason{unloaded(e.Path, book, facts)}
	}}
	return r.print(s.out, o, name)
}

// again returns the reasons that a build of an image's programs would have now for
// the paths at which it would have the same. There are none of an image that
// harvest has not made, or of which the root lacks a program.
func (o *whyOptions) again(ctx context.Context, t *openTree) map[string][]rootfs.Reason {
	programs, where := t.named()
	if where != historyName || t.Image == nil {
		return nil
	}
	s := o.selection
	s.bins, s.from = programs, ""
	p, err := s.plan(ctx, t.Image.Config.User, t.Image.Config.Env, nil)
	if err != nil {
		return nil
	}
	why := make(map[string][]rootfs.Reason)
	for e := range p.Root.All() {
		have := t.Entry(e.Path)
		if have == nil || have.Mode != e.Mode || have.Size != e.Size || have.Link != e.Link {
			continue
		}
		for _, r := range e.Why {
			r.Text = strings.TrimSpace(r.Text + " (it seems)")
			why[e.Path] = append(why[e.Path], r)
		}
	}
	return why
}

// unloaded returns why a path may be in an image though no program loads it: the
// recipe that brings such, with the evidence for it if the facts have that.
func unloaded(name string, book *recipe.Book, facts []recipe.Fact) rootfs.Reason {
	r := book.Bringing(name, libraryFolders, facts...)
	if r == nil {
		return rootfs.Reason{Kind: "unexplained", Text: "no program loads it: a recipe, a flag or a base brought it"}
	}
	if i := slices.IndexFunc(facts, r.IsFor); i >= 0 {
		return rootfs.Reason{Kind: "recipe", From: facts[i].In, Text: r.Name + ", it seems: " + facts[i].String()}
	}
	return rootfs.Reason{Kind: "recipe", Text: r.Name + ", it seems"}
}

// reasons says why paths are in a root that somebody has made: first by what its
// configuration or its history names, and for what that leaves, by any program.
func (t *openTree) reasons(ctx context.Context) (map[string][]rootfs.Reason, error) {
	named, where := t.named()
	why, err := plan.Reasons(ctx, t.Tree, named, rootfs.Reason{Kind: "program", From: where})
	if err != nil {
		return nil, err
	}
	var rest []string
	for e := range t.All() {
		if len(why[e.Path]) == 0 && e.Mode.IsRegular() && e.Mode&0o111 != 0 {
			rest = append(rest, e.Path)
		}
	}
	more, err := plan.Reasons(ctx, t.Tree, rest, rootfs.Reason{Kind: "program"})
	if err != nil {
		return nil, err
	}
	for name, list := range more {
		more[name] = slices.DeleteFunc(list, func(r rootfs.Reason) bool { // of libraries that are executable
			return len(list) > 1 && r.Kind == "program"
		})
	}
	sources := []map[string][]rootfs.Reason{more}
	if where == historyName {
		sources = append(sources, plan.SkeletonReasons(t.Tree))
	}
	for _, source := range sources {
		for name, list := range source {
			if len(why[name]) == 0 {
				why[name] = list
			}
		}
	}
	return why, nil
}

// Where programs of an image are named.
const (
	historyName = "history"
	configName  = "configuration"
)

// named returns the programs that an image's history, if harvest made it, or else
// its configuration names, and which of these it is.
func (t *openTree) named() (programs []string, where string) {
	if t.Image == nil {
		return nil, ""
	}
	for _, h := range t.Image.History {
		text, ours := strings.CutPrefix(h.CreatedBy, "harvest ")
		if !ours {
			continue
		}
		text, _, _ = strings.Cut(text, ": ")
		for name := range strings.FieldsSeq(text) {
			if _, err := t.Stat(strings.TrimPrefix(name, "/")); err == nil && !slices.Contains(programs, name) {
				programs = append(programs, name)
			}
		}
	}
	if len(programs) > 0 {
		return programs, historyName
	}
	c := t.Image.Config
	for _, words := range [][]string{c.Entrypoint, c.Cmd} {
		if len(words) == 0 {
			continue
		}
		for _, dir := range append([]string{""}, searchPath(c.Env)...) {
			name := path.Join("/", dir, words[0])
			if info, err := t.Stat(name[1:]); err == nil && info.Mode().IsRegular() {
				return []string{name}, configName
			}
		}
	}
	return nil, configName
}
