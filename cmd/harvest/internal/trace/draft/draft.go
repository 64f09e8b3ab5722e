package draft

import (
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/harvest-oci/harvest/cmd/harvest/internal/trace"
	"github.com/harvest-oci/harvest/rootfs"
	"github.com/harvest-oci/harvest/rootfs/owner"
	"github.com/harvest-oci/harvest/rootfs/plan"
)

// Origin says what was traced.
type Origin struct {
	Command []string // as it was given; nil if unknown
	Dir     string   // where it was started, "" if unknown
	Env     []string // NAME=VALUE
	Home    string   // of the user, "" if unknown
}

// A Draft is what a build needs to have the command run, as far as one run
// shows it.
type Draft struct {
	Origin

	Binaries  []string // the first is the command itself, if it is known; the others are sorted
	Groups    []Group
	Folders   []Folder  // sorted by path
	LeftOut   []LeftOut // sorted by reason
	Libraries int       // that were opened and that the closures of the binaries have
	Files     int       // of all groups
	Missing   int       // names that were asked for in vain
	Refused   string    // why the command itself is left out, "" if it is the first of Binaries
	Notes     []string  // of the log
}

// A Group is what one package owns.
type Group struct {
	Package string // "" for what no package owns
	Paths   []Path // sorted
}

// A Path is a file, or a folder with all that is in it.
type Path struct {
	Name  string
	Files int // in a folder, 0 for a file
}

// A Folder is one that is needed, empty or not.
type Folder struct {
	Path     string
	Mode     fs.FileMode
	UID, GID int
	Written  bool // the command makes files in it
}

// LeftOut is what is not shipped, and why.
type LeftOut struct {
	Why   string
	Paths []string // sorted
}

// A maker is what is known while a draft is made. Names are rooted paths of the
// host.
type maker struct {
	host    *rootfs.Host
	homes   []string
	closure map[string]bool // real paths
	opened  map[string]bool // libraries of the closure
	files   map[string]bool
	folders map[string]*Folder
	leftOut map[string]map[string]bool
	listed  map[string]bool
	read    map[string]bool // folders at or below which a file was read
	looked  []string        // files that were only looked at
	wholes  map[string]int  // folders that stand for their files, and how many these are
	*Draft
}

// Make returns what a log of a command that ran on a host suggests.
func Make(ctx context.Context, host *rootfs.Host, log *trace.Log, from Origin) (*Draft, error) {
	m := &maker{
		host: host, closure: map[string]bool{}, opened: map[string]bool{}, files: map[string]bool{}, folders: map[string]*Folder{},
		leftOut: map[string]map[string]bool{}, listed: map[string]bool{}, read: map[string]bool{}, wholes: map[string]int{},
		Draft: &Draft{Origin: from, Missing: len(log.Missing()), Notes: log.Notes},
	}
	if from.Home != "" && from.Home != "/" {
		m.homes = append(m.homes, path.Clean(from.Home))
		if real, err := host.RealPath(from.Home); err == nil && real != "/" {
			m.homes = append(m.homes, real)
		}
	}
	for i, p := range log.Programs {
		why := m.program(p.Path)
		if i == 0 {
			m.Refused = why
		}
	}
	if err := m.close(ctx); err != nil {
		return nil, err
	}
	for _, a := range log.Accesses {
		m.access(a)
	}
	m.Libraries = len(m.opened)
	m.browse()
	m.fold()
	m.prune()
	if err := m.group(); err != nil {
		return nil, err
	}
	m.list()
	m.Env = slices.DeleteFunc(slices.Clone(m.Env), func(v string) bool { return !hasPlayed(v, log) })
	return m.Draft, nil
}

// hasPlayed reports whether a variable may have had a part in what was used: it
// names no path, or something was used there.
func hasPlayed(variable string, log *trace.Log) bool {
	_, value, _ := strings.Cut(variable, "=")
	paths := slices.DeleteFunc(strings.Split(value, ":"), func(p string) bool { return !strings.HasPrefix(p, "/") })
	return len(paths) == 0 || slices.ContainsFunc(log.Accesses, func(a trace.Access) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return isBelow(a.Path, path.Clean(p)) })
	})
}

// program adds a program that was executed, or returns why it is left out.
func (m *maker) program(name string) string {
	name, real, why := m.locate(name)
	if why == "" && name != "" {
		if why = writable(name); why == "" && holdsKey(m.host, real) {
			why = secret
		}
	}
	switch {
	case name == "":
		return gone
	case why != "":
		m.leave(name, why)
	case !slices.Contains(m.Binaries, name):
		m.Binaries = append(m.Binaries, name)
	}
	return why
}

// close finds what the closures of all binaries have.
func (m *maker) close(ctx context.Context) error {
	if first := min(1, len(m.Binaries)); m.Refused == "" {
		slices.Sort(m.Binaries[first:])
	} else {
		slices.Sort(m.Binaries)
	}
	for _, b := range m.Binaries {
		m.closure[m.real(b)] = true
		c, err := plan.Resolve(ctx, m.host, plan.Spec{Programs: []plan.Input{{Source: b}}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c == nil || err != nil && len(c.Programs) == 0 {
			continue // the build will say what is wrong
		}
		for _, p := range c.Programs {
			for _, o := range p.Objects {
				m.closure[m.real(o.Path)] = true
			}
		}
	}
	return nil
}

func (m *maker) real(name string) string {
	if real, err := m.host.RealPath(name); err == nil {
		return real
	}
	return name
}

// locate returns the name of a path of a log without "..", what it leads to, and
// why it is left out, if it is. It returns no name for what is not there.
func (m *maker) locate(name string) (clean, real, why string) {
	if i := strings.LastIndex(name+"/", "/../"); i >= 0 {
		dir, err := m.host.RealPath(name[:min(i+3, len(name))])
		if err != nil {
			return "", "", ""
		}
		name = path.Join(dir, name[min(i+3, len(name)):])
	}
	if why = denied(name, m.homes); why != "" {
		return name, name, why
	}
	if name == "/" {
		return name, name, ""
	}
	real, err := m.host.RealPath(name)
	if err != nil {
		return name, name, gone
	}
	return name, real, denied(real, m.homes)
}

// writable returns why a name cannot stand in the file, "" if it can.
func writable(name string) string {
	if !utf8.ValidString(name) || strings.Contains(name, ":/") {
		return unwritable
	}
	return ""
}

func (m *maker) leave(name, why string) {
	if m.leftOut[why] == nil {
		m.leftOut[why] = map[string]bool{}
	}
	m.leftOut[why][name] = true
}

// found are the uses that say that something was there.
const found = trace.Read | trace.Looked | trace.Listed | trace.Entered | trace.Executed | trace.Written | trace.Created | trace.Connected

// access sorts what was used into one of the lists.
func (m *maker) access(a trace.Access) {
	if !a.Use.Has(found) {
		return
	}
	name, real, why := m.locate(a.Path)
	if name == "" {
		return
	}
	if a.Use.Has(trace.Created | trace.Written) {
		m.writes(name)
	}
	switch {
	case why == gone && a.Use.Has(trace.Created|trace.Written), why == "" && a.Use.Has(trace.Created):
		m.leave(name, made)
		return
	case why == "" && a.Use.Has(trace.Written) && !a.Use.Has(trace.Read|trace.Executed|trace.Listed|trace.Entered):
		m.leave(name, made)
		return
	case why == gone && a.Use.Has(trace.Missing):
		return
	case why != "":
		m.leave(name, why)
		return
	}
	info, err := m.host.Lstat(strings.TrimPrefix(real, "/"))
	switch {
	case real == "/":
	case err != nil:
		m.leave(name, gone)
	case info.IsDir():
		m.folder(real, a.Use)
	case !isPackable(info.Mode()):
		m.leave(name, notRegular)
	case m.closure[real]:
		if !slices.ContainsFunc(m.Binaries, func(b string) bool { return m.real(b) == real }) {
			m.opened[real] = true
		}
	default:
		m.file(name, real, a.Use)
	}
}

// file adds a file.
func (m *maker) file(name, real string, use trace.Use) {
	why := writable(name)
	if why == "" && holdsKey(m.host, real) {
		why = secret
	}
	switch {
	case why != "":
		m.leave(name, why)
	case use.Has(trace.Read | trace.Executed):
		m.files[name] = true
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			m.read[dir], m.read[m.real(dir)] = true, true
			if dir == "/" {
				break
			}
		}
	default:
		m.looked = append(m.looked, name)
	}
}

// browse adds what was only looked at, unless that was in a folder of which
// nothing else was wanted.
func (m *maker) browse() {
	for _, name := range m.looked {
		dir := m.real(path.Dir(name))
		if m.listed[dir] && !m.read[dir] {
			m.leave(name, browsed)
			continue
		}
		m.files[name] = true
	}
}

// writes adds the folder that something was written in.
func (m *maker) writes(name string) {
	dir, err := m.host.RealPath(path.Dir(name))
	if err == nil && m.mayBeMade(dir) && writable(dir) == "" {
		if f := m.addFolder(dir); f != nil {
			f.Written = true
		}
	}
}

// mayBeMade reports whether a folder may be in the image, though what is in it
// may not: programs that write logs, caches and sockets expect the folder.
func (m *maker) mayBeMade(dir string) bool {
	why := denied(dir, m.homes)
	return why == "" || (why == temporary || why == runtime) && !isBelow(dir, "/tmp") && !isBelow(dir, "/var/tmp")
}

// folder adds a folder that was used.
func (m *maker) folder(real string, use trace.Use) {
	if use.Has(trace.Listed) {
		m.listed[real] = true
	}
	if use.Has(trace.Listed | trace.Entered | trace.Looked) {
		m.addFolder(real)
	}
}

func (m *maker) addFolder(real string) *Folder {
	if f := m.folders[real]; f != nil {
		return f
	}
	e, err := m.host.Entry(strings.TrimPrefix(real, "/"))
	if err != nil || writable(real) != "" || real == "/" || strings.Contains(real, ":") {
		return nil
	}
	f := &Folder{Path: real, Mode: e.Mode, UID: e.UID, GID: e.GID}
	m.folders[real] = f
	return f
}

// group puts the files under the packages that own them.
func (m *maker) group() error {
	names := slices.Sorted(maps.Keys(m.files))
	db, err := owner.Open(m.host)
	if err != nil {
		return err
	}
	owners, err := db.Of(names...)
	if err != nil {
		return err
	}
	groups := map[string]*Group{}
	for _, name := range names {
		pkg := ""
		if o, ok := owners[name]; ok && o.Package != nil {
			pkg = o.Name
		}
		g := groups[pkg]
		if g == nil {
			g = &Group{Package: pkg}
			groups[pkg] = g
		}
		n := m.wholes[name]
		g.Paths = append(g.Paths, Path{name, n})
		m.Files += max(1, n)
	}
	for _, pkg := range slices.Sorted(maps.Keys(groups)) {
		m.Groups = append(m.Groups, *groups[pkg])
	}
	if len(m.Groups) > 0 && m.Groups[0].Package == "" { // what nobody owns comes last
		m.Groups = append(m.Groups[1:], m.Groups[0])
	}
	return nil
}

// list sorts what is left.
func (m *maker) list() {
	for _, name := range slices.Sorted(maps.Keys(m.folders)) {
		m.Folders = append(m.Folders, *m.folders[name])
	}
	for _, why := range slices.Sorted(maps.Keys(m.leftOut)) {
		m.LeftOut = append(m.LeftOut, LeftOut{why, slices.Sorted(maps.Keys(m.leftOut[why]))})
	}
}
