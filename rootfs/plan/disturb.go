package plan

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/harvest-oci/harvest/elfdeps"
	"github.com/harvest-oci/harvest/rootfs"
)

// A DisturbError says which programs and libraries of a base would find other
// files under the names that they ask for than they do without what is put upon
// it.
type DisturbError struct {
	Violations []Violation // Host is what answers in the base alone; Program is "" for whoever asks by name
}

// Error has a line for each name. What several programs ask for is said of one.
func (e *DisturbError) Error() string {
	type question struct{ name, before, after, processor string }
	var order []question
	programs := make(map[question][]string)
	for _, v := range e.Violations {
		q := question{v.Name, v.Host, v.Image, v.Processor}
		if programs[q] == nil {
			order = append(order, q)
		}
		programs[q] = append(programs[q], v.Program)
	}
	lines := make([]string, len(order))
	for i, q := range order {
		who := "programs find"
		switch list := programs[q]; {
		case len(list) > 1:
			who = fmt.Sprintf("%s and %d more find", list[0], len(list)-1)
		case list[0] != "":
			who = list[0] + " finds"
		}
		then := "find " + q.after
		if q.after == "" {
			then = "not find it"
		}
		if q.processor != "" {
			then += " on " + q.processor
		}
		lines[i] = fmt.Sprintf("the base's %s %s as %s, and would then %s", who, q.name, q.before, then)
	}
	return strings.Join(lines, "\n")
}

// checkBase makes sure that programs and libraries of the base find what they
// did, on every processor for which the tree has libraries of its own. Nothing is
// read of the base unless something that a loader looks at is put upon it, or it
// gets another LD_LIBRARY_PATH.
func (b *builder) checkBase(ctx context.Context) error {
	if b.spec.Base == nil {
		return nil
	}
	d := disturbance{builder: b, names: make(map[string]bool)}
	if err := d.find(); err != nil || !d.possible {
		return err
	}
	programs, err := d.askers(ctx)
	if err != nil {
		return err
	}
	var list []Violation
	said := make(map[Violation]bool)
	for _, hwcaps := range d.processors() {
		more, err := d.compare(ctx, programs, hwcaps)
		if err != nil {
			return err
		}
		for _, v := range more {
			if said[v] {
				continue
			}
			said[v] = true
			if len(hwcaps) > 0 {
				v.Processor = hwcaps[0]
			}
			list = append(list, v)
		}
	}
	if len(list) > 0 {
		return &DisturbError{list}
	}
	return nil
}

// A disturbance is what loaders would see of what is put upon a base.
type disturbance struct {
	*builder
	possible bool
	hwcaps   bool            // only some processors would see some of the image
	names    map[string]bool // under which loaders may look for it
}

// processors returns what each kind of processor that matters has of glibc-hwcaps,
// the one that has nothing first.
func (d *disturbance) processors() [][]string {
	list := [][]string{nil}
	if d.hwcaps {
		levels := d.plan.Arch.Hwcaps()
		for i := range levels {
			list = append(list, levels[len(levels)-1-i:])
		}
	}
	return list
}

// find goes through what is put upon the base.
func (d *disturbance) find() error {
	d.possible = !slices.Equal(d.spec.BasePath, d.spec.ImagePath)
	for e := range d.tree.All() {
		if e.Mode.IsDir() {
			continue
		}
		d.hwcaps = d.hwcaps || strings.Contains(e.Path, "/glibc-hwcaps/") // the base's may lose their turn
		if d.tree.InBase(e.Path) {
			continue
		}
		seen, err := d.seen(e)
		if err != nil {
			return err
		}
		if seen {
			d.possible = true
			d.names[path.Base(e.Path)] = true
		}
	}
	return nil
}

// seen reports whether a loader of the base might look at an entry: a library,
// what is called like one, a link that may lead to a folder of them, and the files
// that say where to look.
func (d *disturbance) seen(e *rootfs.Entry) (bool, error) {
	base := path.Base(e.Path)
	switch kind := e.Why[0].Kind; {
	case kind == "library", kind == "loader", strings.Contains(base, ".so"), strings.HasPrefix(base, "ld-musl-"):
		return true, nil
	case e.Mode&fs.ModeSymlink != 0:
		info, err := d.tree.Stat(e.Path[1:])
		return err == nil && info.IsDir(), nil
	case kind == "program", kind == "interpreter", !e.Mode.IsRegular():
		return false, nil
	}
	return isELF(e)
}

// isELF reports whether a file begins as an ELF file does.
func isELF(e *rootfs.Entry) (bool, error) {
	const magic = "\x7fELF"
	if e.Size < int64(len(magic)) {
		return false, nil
	}
	f, err := e.Open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return string(head) == magic, err
}

// askers returns the programs and libraries of the base that are there still,
// each by one of its names.
func (d *disturbance) askers(ctx context.Context) ([]string, error) {
	var list []string
	for e := range d.spec.Base.All() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		asks := e.Mode.IsRegular() && (e.Mode&0o111 != 0 || strings.Contains(path.Base(e.Path), ".so"))
		if !asks || e.Hardlink != "" || !d.tree.InBase(e.Path) {
			continue
		}
		elf, err := isELF(e)
		if err != nil {
			return nil, fmt.Errorf("reading the base's %s: %w", e.Path, err)
		}
		if elf {
			list = append(list, e.Path)
		}
	}
	return list, nil
}

// compare returns what the base's programs would find no more, or find elsewhere.
func (d *disturbance) compare(ctx context.Context, programs, hwcaps []string) ([]Violation, error) {
	alone := elfdeps.Resolver{FS: d.spec.Base, LibraryPath: d.spec.BasePath, Hwcaps: hwcaps}
	under := elfdeps.Resolver{FS: d.tree, LibraryPath: d.spec.ImagePath, Hwcaps: hwcaps}
	before, _ := alone.Resolve(ctx, programs...) // what the base lacks by itself is not ours
	after, _ := under.Resolve(ctx, programs...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []Violation
	loaders := make(map[string]bool)
	for _, was := range before.Programs {
		is := after.Program(was.Name)
		if is == nil {
			list = append(list, Violation{Program: was.Name, Name: was.Name, Host: was.Name})
			continue
		}
		for _, v := range compare(was, is, d.same) {
			if v.Host != "" && !d.replaced(v) {
				list = append(list, v)
			}
		}
		list = append(list, d.lacks(was, is)...)
		if l := was.Loader; l != nil && is.Loader != nil && !loaders[l.Path] {
			loaders[l.Path] = true
			list = append(list, d.byName(l, is.Loader)...)
		}
	}
	return unsaid(list), nil
}

// same reports whether a file of the base is what it was, or a copy of that.
func (d *disturbance) same(was, is *elfdeps.Object) bool {
	before, err1 := d.spec.Base.RealPath(was.Path)
	after, err2 := d.tree.RealPath(is.Path)
	if err1 != nil || err2 != nil {
		return false
	}
	if before == after && d.tree.InBase(after) {
		return true
	}
	same, err := d.spec.Base.Entry(before).SameContents(d.tree.Entry(after))
	return err == nil && same
}

// replaced reports whether the user has put a file in the place of the very one
// that answered, which is said in a note.
func (d *disturbance) replaced(v Violation) bool {
	before, err1 := d.spec.Base.RealPath(v.Host)
	after, err2 := d.tree.RealPath(v.Image)
	return v.Image != "" && err1 == nil && err2 == nil && before == after
}

// lacks returns the libraries that do not have the versions any more that a
// program of the base needs of them.
func (d *disturbance) lacks(was, is *elfdeps.Program) []Violation {
	lacked := make(map[string]bool)
	for n := range was.Needs() {
		lacked[n.Name] = lacked[n.Name] || len(n.Lacks) > 0
	}
	var list []Violation
	for n := range is.Needs() {
		if len(n.Lacks) > 0 && !lacked[n.Name] {
			name := fmt.Sprintf("versions %s of %s", strings.Join(n.Lacks, ", "), n.Name)
			list = append(list, Violation{Program: was.Name, Name: name, Host: pathOf(n.Object)})
		}
	}
	return list
}

// byName compares what a loader finds for whoever asks it with dlopen(3) for a
// name of what is new.
func (d *disturbance) byName(was, is *elfdeps.Loader) []Violation {
	names := make(map[string]bool)
	for name := range d.names {
		names[name] = true
	}
	if is.Cache != nil {
		for _, e := range is.Cache.Entries {
			names[e.Name] = was.Cache == nil || !slices.Contains(was.Cache.Entries, e)
		}
	}
	var list []Violation
	for name, isNew := range names {
		if !isNew {
			continue
		}
		before, after := plainSearch(d.spec.Base, was, name), plainSearch(d.tree, is, name)
		if before == "" || after == "" {
			continue
		}
		v := Violation{Name: name, Host: before, Image: after}
		if !d.same(&elfdeps.Object{Path: before}, &elfdeps.Object{Path: after}) && !d.replaced(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b Violation) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// plainSearch returns where a loader finds a name, for an object without search
// paths of its own and on every processor; "" if nowhere.
func plainSearch(t *rootfs.Tree, l *elfdeps.Loader, name string) string {
	var files []string
	if l.Cache != nil {
		for _, e := range l.Cache.Lookup(name) {
			if e.Baseline() && e.HwcapName == "" {
				files = append(files, e.Path)
			}
		}
	}
	for _, dir := range l.DefaultDirs {
		files = append(files, path.Join(dir, name))
	}
	for _, file := range files {
		if info, err := t.Stat(strings.TrimPrefix(file, "/")); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// unsaid leaves out what is said of programs in general where it is said of one,
// and what is said twice.
func unsaid(list []Violation) []Violation {
	type name struct{ name, before string }
	ofOne := make(map[name]bool)
	for _, v := range list {
		if v.Program != "" {
			ofOne[name{v.Name, v.Host}] = true
		}
	}
	said := make(map[Violation]bool)
	return slices.DeleteFunc(list, func(v Violation) bool {
		known := said[v] || v.Program == "" && ofOne[name{v.Name, v.Host}]
		said[v] = true
		return known
	})
}
