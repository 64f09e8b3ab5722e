package main

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/pack"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// A summary is what a build did, for people and as JSON.
type summary struct {
	Tags      []string // as docker prints them
	Platform  string
	Programs  []string // paths in the image
	Loaders   []string
	Libraries []string // paths on the host
	Paths     int
	Size      int64    // bytes of contents
	Special   []string // files with setuid, setgid or capabilities
	Notes     []string
	Output    destination
	Digests   pack.Digests // empty if nothing was written
	Loaded    []string     // what the engine said
	Elapsed   time.Duration

	entrypoint []string
}

func newSummary(p *plan.Plan, img *pack.Image, out destination) *summary {
	s := &summary{
		Platform:   p.Arch.String(),
		Programs:   p.Programs,
		Paths:      p.Tree.Len(),
		Size:       p.Tree.Size(),
		Notes:      p.Notes,
		Output:     out,
		entrypoint: img.Config.Entrypoint,
	}
	for _, t := range img.Tags {
		s.Tags = append(s.Tags, pack.ShortTag(t))
	}
	s.Loaders, s.Libraries = parts(p.Closure)
	for e := range p.Tree.All() {
		if what := special(e); what != "" {
			s.Special = append(s.Special, e.Path+" ("+what+")")
		}
	}
	return s
}

// parts returns the paths of all loaders and of all libraries of a closure.
func parts(c *elfdeps.Closure) (loaders, libraries []string) {
	for _, p := range c.Programs {
		for _, o := range p.Objects[1:] {
			list := &libraries
			if o.Path == p.Loader.Path {
				list = &loaders
			}
			if !slices.Contains(*list, o.Path) {
				*list = append(*list, o.Path)
			}
		}
	}
	return loaders, libraries
}

// special says which privileges come with executing an entry.
func special(e *rootfs.Entry) string {
	var what []string
	if e.Mode.IsRegular() {
		if perm := rootfs.UnixPerm(e.Mode); perm&0o4000 != 0 {
			what = append(what, "setuid")
		}
		if perm := rootfs.UnixPerm(e.Mode); perm&0o2000 != 0 {
			what = append(what, "setgid")
		}
	}
	if len(e.XAttrs) > 0 {
		what = append(what, "capabilities")
	}
	return strings.Join(what, ", ")
}

// text is the summary for people.
func (s *summary) text() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s for %s\n", s.title(), s.Platform)
	line(count(len(s.Programs), "program"), "%s", strings.Join(s.Programs, " "))
	if len(s.Libraries) == 0 {
		line("libraries", "none: static programs need no loader")
	} else {
		line(plural(len(s.Libraries), "library", "libraries"), "%s", shorten(names(s.Libraries), 72))
		line(count(len(s.Loaders), "loader"), "%s", strings.Join(s.Loaders, " "))
	}
	line("root", "%d paths, %s", s.Paths, size(s.Size))
	for _, special := range s.Special {
		line("privileged", "%s", special)
	}
	for _, note := range s.Notes {
		line("note", "%s", note)
	}
	s.numbers(line)
	s.next(&b)
	return b.String()
}

// numbers prints the digests of what was written.
func (s *summary) numbers(line func(label, format string, args ...any)) {
	if s.Digests.Image != "" {
		line("image ID", "%s", s.Digests.Image)
		line("manifest", "%s", s.Digests.Manifest)
	}
	for _, l := range s.Digests.Layers {
		line("diff_id", "%s", l.Digest)
	}
	switch {
	case len(s.Loaded) > 0:
		line("loaded", "%s, in %s", strings.Join(s.Loaded, ", "), elapsed(s.Elapsed))
	case s.Digests.Layers == nil && s.Output.Type != typeRootfs:
		line("not written", "%s (--dry-run), in %s", s.Output.Path, elapsed(s.Elapsed))
	default:
		line("written", "%s, in %s", s.Output.Path, elapsed(s.Elapsed))
	}
}

// next prints the commands that come next.
func (s *summary) next(b *strings.Builder) {
	name := s.Digests.Image.String()
	if len(s.Tags) > 0 {
		name = s.Tags[0]
	}
	run := "docker run --rm " + name
	if len(s.entrypoint) > 0 && strings.HasSuffix(path.Base(s.entrypoint[0]), "sh") {
		run = "docker run --rm -it " + name
	}
	switch {
	case len(s.Loaded) > 0:
		fmt.Fprintf(b, "\n  %s\n", run)
	case s.Digests.Image == "" || s.Output.Path == stdout:
	case s.Output.Type == typeArchive:
		fmt.Fprintf(b, "\n  docker load -i %s\n  %s\n", s.Output.Path, run)
	}
}

func (s *summary) title() string {
	if len(s.Tags) == 0 {
		return "untagged image"
	}
	return strings.Join(s.Tags, " ")
}

// MarshalJSON gives the summary the names that jq users expect.
func (s *summary) MarshalJSON() ([]byte, error) {
	type layer struct {
		Digest string `json:"digest"`
		Size   int64  `json:"size"`
	}
	var layers []layer
	for _, l := range s.Digests.Layers {
		layers = append(layers, layer{l.Digest.String(), l.Size})
	}
	return json.Marshal(struct {
		Tags       []string    `json:"tags,omitempty"`
		Platform   string      `json:"platform"`
		Programs   []string    `json:"programs"`
		Loaders    []string    `json:"loaders,omitempty"`
		Libraries  []string    `json:"libraries,omitempty"`
		Paths      int         `json:"paths"`
		Size       int64       `json:"size"`
		Privileged []string    `json:"privileged,omitempty"`
		Notes      []string    `json:"notes,omitempty"`
		Output     destination `json:"output"`
		ImageID    string      `json:"imageId,omitempty"`
		Manifest   string      `json:"manifest,omitempty"`
		Layers     []layer     `json:"layers,omitempty"`
		Loaded     []string    `json:"loaded,omitempty"`
		Seconds    float64     `json:"seconds"`
	}{s.Tags, s.Platform, s.Programs, s.Loaders, s.Libraries, s.Paths, s.Size, s.Special, s.Notes, s.Output,
		s.Digests.Image.String(), s.Digests.Manifest.String(), layers, s.Loaded, s.Elapsed.Seconds()})
}

func names(paths []string) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = path.Base(p)
	}
	return list
}

// shorten joins words up to a width, and counts the rest.
func shorten(words []string, width int) string {
	var line string
	for i, w := range words {
		if i > 0 && len(line)+len(w) > width {
			return fmt.Sprintf("%s and %d more", line, len(words)-i)
		}
		line = strings.TrimSpace(line + " " + w)
	}
	return line
}

func count(n int, noun string) string { return plural(n, noun, noun+"s") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func elapsed(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
