package main

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/units"
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
	Starters  []string // paths on the host of what scripts are started with
	Loaders   []string
	Libraries []string // paths on the host
	Paths     int
	Size      int64    // bytes of contents
	Special   []string // files with setuid, setgid or capabilities
	Notes     []string
	Output    destination
	Digests   pack.Digests // empty if nothing was written
	Loaded    []string     // what the engine said
	DryRun    bool         // nothing was written
	Base      string       // as --from names it
	Checks    []checkSummary
	Pushed    *pushSummary   // nil if it was not
	Broken    *brokenSummary // nil unless it is, on purpose
	Elapsed   time.Duration

	packages   []plan.Shipment
	recipes    []plan.Decision
	baseLayers int // of Digests.Layers, if these are the image's
	entrypoint []string
	hasCmd     bool
}

func newSummary(p *plan.Plan, img *pack.Image, out destination) *summary {
	s := describe(img, out, p.Notes, p.Tree)
	s.Programs = p.Programs
	s.Loaders, s.Libraries = parts(p.Closure)
	for q := range p.Closure.All() {
		if !slices.Contains(p.Closure.Programs, q) {
			s.Starters = append(s.Starters, q.Name)
		}
	}
	s.packages, s.recipes = p.Shipments, p.Decisions
	return s
}

// dockerLayers is how many layers docker mounts: with more it says "max depth
// exceeded" (moby's layer.maxLayerDepth).
const dockerLayers = 125

// describe returns what can be said of any image, and of the trees in its layers.
func describe(img *pack.Image, out destination, notes []string, trees ...*rootfs.Tree) *summary {
	s := &summary{
		Platform:   platformOf(&v1.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}),
		Programs:   []string{},
		Notes:      notes,
		Output:     out,
		entrypoint: img.Config.Entrypoint,
		hasCmd:     len(img.Config.Cmd) > 0,
	}
	for _, t := range img.Tags {
		s.Tags = append(s.Tags, pack.ShortTag(t))
	}
	if cannot := img.Compression.NotReadBy(); len(cannot) > 0 {
		s.Notes = append(slices.Clip(s.Notes), fmt.Sprintf("%s is not read by %s", img.Compression, strings.Join(cannot, ", ")))
	}
	if n := len(img.Layers); n > dockerLayers {
		s.Notes = append(slices.Clip(s.Notes), fmt.Sprintf("docker takes %d layers at most, unless it has containerd's image store; these are %d", dockerLayers, n))
	}
	for _, t := range trees {
		s.Paths += t.Len()
		s.Size += t.Size()
		for e := range t.All() {
			if what := special(e); what != "" {
				s.Special = append(s.Special, e.Path+" ("+what+")")
			}
		}
	}
	return s
}

// parts returns the paths of all loaders and of all libraries of a closure.
func parts(c *elfdeps.Closure) (loaders, libraries []string) {
	for p := range c.All() {
		if p.Loader == nil { // the kernel alone starts it
			continue
		}
		for _, o := range p.Objects {
			list := &libraries
			switch o.Path {
			case p.Name:
				continue
			case p.Loader.Path:
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
	if e.XAttrs[rootfs.Capability] != "" {
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
	if s.Broken != nil {
		line("BROKEN", "on purpose (--break %s): %s", s.Broken.Fault, s.Broken.what())
		line("it will say", "%s", s.Broken.Message)
	}
	if len(s.Programs) > 0 {
		line(count(len(s.Programs), "program"), "%s", shorten(s.Programs, 72))
	}
	if len(s.Starters) > 0 {
		line("started by", "%s", shorten(s.Starters, 72))
	}
	switch {
	case len(s.Programs) == 0:
	case len(s.Libraries) > 0:
		line(plural(len(s.Libraries), "library", "libraries"), "%s", shorten(names(s.Libraries), 72))
	case len(s.Loaders) > 0:
		line("libraries", "none")
	default:
		line("libraries", "none: a static program needs no loader")
	}
	if len(s.Loaders) > 0 {
		line(count(len(s.Loaders), "loader"), "%s", strings.Join(s.Loaders, " "))
	}
	line("root", "%d paths, %s", s.Paths, units.Size(s.Size))
	if s.Base != "" {
		line("upon", "%s, %s", s.Base, count(s.baseLayers, "layer"))
	}
	for _, c := range s.Checks {
		line("checked", "%s, in %s", printable(c.Command), elapsed(time.Duration(c.Seconds*float64(time.Second))))
	}
	for _, p := range s.packages {
		line("package", "%s", packageLine(p))
	}
	with, hint := recipeLines(s.recipes)
	for _, w := range with {
		line("with", "%s", w)
	}
	for _, special := range s.Special {
		line("privileged", "%s", special)
	}
	for _, note := range s.Notes {
		line("note", "%s", note)
	}
	if hint != "" {
		line("hint", "%s", hint)
	}
	if s.Digests.Image != "" {
		line("image ID", "%s", s.Digests.Image)
	}
	if s.Digests.Manifest != "" { // a docker archive has none
		line("manifest", "%s", s.Digests.Manifest)
	}
	for _, l := range s.ownLayers() {
		if l.Digest != l.DiffID {
			line("layer", "%s, %s", l.Digest, units.Size(l.Size))
		}
		line("diff_id", "%s", l.DiffID)
	}
	if s.Pushed != nil {
		if s.Output.Path != "" || len(s.Loaded) > 0 {
			line("pushed", "%s", strings.Join(s.Tags, ", "))
		}
		for _, what := range s.Pushed.transfers() {
			line(what.label, "%s", what.text)
		}
	}
	if len(s.Loaded) > 0 && s.Output.Path != "" {
		line("written", "%s", s.Output.Path)
	}
	line(s.outcome())
	if next := s.next(); len(next) > 0 {
		fmt.Fprintf(&b, "\n  %s\n", strings.Join(next, "\n  "))
	}
	return b.String()
}

// ownLayers returns those that are not the base's, which are all of them if just a
// layer was written.
func (s *summary) ownLayers() []pack.Blob {
	if own := len(s.Digests.Layers) - s.baseLayers; own > 0 {
		return s.Digests.Layers[s.baseLayers:]
	}
	return s.Digests.Layers
}

// title names what was made.
func (s *summary) title() string {
	switch {
	case s.Output.Type == typeRootfs:
		return "root file system"
	case s.Output.Type == typeLayer:
		return "layer"
	case len(s.Tags) == 0:
		return "image without a name"
	}
	return strings.Join(s.Tags, " ")
}

// outcome says what has become of it: a label, and a format with its arguments.
func (s *summary) outcome() (label, format string, where, time any) {
	to := s.Output.Path
	if to == stdout {
		to = "to stdout"
	}
	if to == "" {
		to = "into the engine"
	}
	time = elapsed(s.Elapsed)
	switch {
	case s.DryRun:
		return "not written", "%s (--dry-run), in %s", to, time
	case len(s.Loaded) > 0:
		return "loaded", "%s, in %s", strings.Join(s.Loaded, ", "), time
	case s.Pushed != nil && s.Output.Path == "":
		return "pushed", "%s, in %s", strings.Join(s.Tags, ", "), time
	}
	return "written", "%s, in %s", to, time
}

// MarshalJSON gives the summary the names that jq users expect.
func (s *summary) MarshalJSON() ([]byte, error) {
	type layer struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int64  `json:"size"`
		DiffID    string `json:"diffId"`
	}
	var layers []layer
	for _, l := range s.Digests.Layers {
		layers = append(layers, layer{l.MediaType, l.Digest.String(), l.Size, l.DiffID.String()})
	}
	return json.Marshal(struct {
		Tags       []string       `json:"tags,omitempty"`
		Platform   string         `json:"platform"`
		Programs   []string       `json:"programs"`
		Interps    []string       `json:"interpreters,omitempty"`
		Loaders    []string       `json:"loaders,omitempty"`
		Libraries  []string       `json:"libraries,omitempty"`
		Paths      int            `json:"paths"`
		Size       int64          `json:"size"`
		Packages   []shipment     `json:"packages,omitempty"`
		Privileged []string       `json:"privileged,omitempty"`
		Notes      []string       `json:"notes,omitempty"`
		Base       string         `json:"base,omitempty"`
		Checks     []checkSummary `json:"checks,omitempty"`
		Output     destination    `json:"output"`
		Pushed     *pushSummary   `json:"pushed,omitempty"`
		Broken     *brokenSummary `json:"broken,omitempty"`
		DryRun     bool           `json:"dryRun,omitempty"`
		ImageID    string         `json:"imageId,omitempty"`
		Manifest   string         `json:"manifest,omitempty"`
		Layers     []layer        `json:"layers,omitempty"`
		Loaded     []string       `json:"loaded,omitempty"`
		Seconds    float64        `json:"seconds"`
	}{s.Tags, s.Platform, s.Programs, s.Starters, s.Loaders, s.Libraries, s.Paths, s.Size, shipments(s.packages), s.Special, s.Notes, s.Base, s.Checks, s.Output, s.Pushed, s.Broken, s.DryRun,
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
