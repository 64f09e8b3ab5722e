package owner

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// A dpkg is the database of dpkg (deb822(5), dpkg-divert(1)), or the part of one
// that images without dpkg have: status.d, where each package has a file and
// beside it the sums of its files, which are then the only list.
type dpkg struct {
	fsys      fs.FS
	list      []*Package
	lists     map[*Package]string    // the file with the paths or, of status.d, the sums
	diverted  map[string][]diversion // by the path before
	diverters []diversion
	texts     sync.Map // of *listText, by the file: what is asked once is asked again
}

// A listText is a file that was read.
type listText struct {
	data []byte
	err  error
}

// A diversion is a path that files are installed at instead of another, unless
// they are of the package that wanted it so. By is empty if that was a person.
type diversion struct {
	from, to, by string
}

const (
	dpkgFolder = "var/lib/dpkg/"
	statusD    = dpkgFolder + "status.d"
)

func openDpkg(fsys fs.FS) (store, error) {
	d := &dpkg{fsys: fsys, lists: make(map[*Package]string), diverted: make(map[string][]diversion)}
	status, err := readText(fsys, dpkgFolder+"status")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := d.status(dpkgFolder+"status", status); err != nil {
		return nil, err
	}
	if err := d.statusD(); err != nil {
		return nil, err
	}
	if err := d.readDiversions(dpkgFolder + "diversions"); err != nil {
		return nil, err
	}
	if len(d.list) == 0 {
		return nil, nil
	}
	return d, nil
}

func (d *dpkg) packages() []*Package { return d.list }

// status adds the packages of a status file that are installed.
func (d *dpkg) status(file, text string) error {
	return paragraphs(file, text, func(record string, line int) error {
		p, multiArch, installed := parsePackage(record)
		switch {
		case !validName(p.Name):
			return damaged(file, line, "a package without a name")
		case !installed:
			return nil
		}
		d.lists[p] = dpkgFolder + "info/" + p.Name + ".list"
		if multiArch == "same" {
			d.lists[p] = dpkgFolder + "info/" + p.Name + ":" + p.Arch + ".list"
		}
		p.files = func() ([]File, error) { return d.files(p) }
		d.list = append(d.list, p)
		return nil
	})
}

// validName reports whether a name may be part of a file's.
func validName(name string) bool { return name != "" && !strings.Contains(name, "/") }

func (d *dpkg) statusD() error {
	entries, err := fs.ReadDir(d.fsys, statusD)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := path.Join(statusD, e.Name())
		if e.IsDir() || strings.HasSuffix(file, ".md5sums") {
			continue
		}
		text, err := readText(d.fsys, file)
		if err != nil {
			return err
		}
		n := len(d.list)
		if err := d.status(file, text); err != nil {
			return err
		}
		for _, p := range d.list[n:] {
			d.lists[p] = file + ".md5sums"
		}
	}
	return nil
}

// paragraphs calls see with each paragraph of a file, which are apart by empty
// lines, and with its first line's number.
func paragraphs(file, text string, see func(record string, line int) error) error {
	start, first, line, at := 0, 1, 0, 0
	for at < len(text) {
		line++
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			return damaged(file, line, "the line has no end")
		}
		next := at + end + 1
		switch s := text[at : next-1]; {
		case strings.TrimSpace(s) == "":
			if start < at {
				if err := see(text[start:at], first); err != nil {
					return err
				}
			}
			start, first = next, line+1
		case s[0] == ' ' || s[0] == '\t':
			if start == at {
				return damaged(file, line, "a paragraph begins with the rest of a field")
			}
		case strings.IndexByte(s, ':') <= 0:
			return damaged(file, line, "no field: %.40q", s)
		}
		at = next
	}
	if start < at {
		return see(text[start:], first)
	}
	return nil
}

// parsePackage reads a control paragraph. A package that was removed and has left
// only its configuration is not installed.
func parsePackage(record string) (p *Package, multiArch string, installed bool) {
	p = &Package{Kind: Deb, Record: record, depends: func() []string { return dpkgDepends(record) }}
	installed = true
	for line := range strings.Lines(record) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name[0] == ' ' || name[0] == '\t' {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "package":
			p.Name = value
		case "version":
			p.Version = value
		case "architecture":
			p.Arch = value
		case "maintainer":
			p.Maintainer = value
		case "multi-arch":
			multiArch = value
		case "source":
			p.Source, p.SourceVersion = splitSource(value)
		case "status":
			installed = !strings.HasSuffix(value, " not-installed") && !strings.HasSuffix(value, " config-files")
		}
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	if p.SourceVersion == "" {
		p.SourceVersion = p.Version
	}
	return p, multiArch, installed
}

// dpkgDepends returns what a control paragraph says that the package depends on.
func dpkgDepends(record string) []string {
	var list []string
	within := false
	for line := range strings.Lines(record) {
		if line[0] != ' ' && line[0] != '\t' { // else it is the rest of the field before
			name, value, _ := strings.Cut(line, ":")
			within = strings.EqualFold(name, "Depends") || strings.EqualFold(name, "Pre-Depends")
			line = value
		}
		if within {
			list = append(list, dpkgNames(line)...)
		}
	}
	return list
}

// dpkgNames returns the names of a list of packages and alternatives to them.
func dpkgNames(value string) []string {
	list := names(strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == '|' }))
	for i, name := range list {
		list[i], _, _ = strings.Cut(name, ":") // python3:any
	}
	return list
}

// splitSource takes "bash (5.2.15-2)" apart.
func splitSource(value string) (name, version string) {
	name, version, _ = strings.Cut(value, " ")
	return name, strings.Trim(version, "()")
}

// readDiversions reads records of three lines: the path before, the path after,
// and the package, or ":" for a person's diversion.
func (d *dpkg) readDiversions(file string) error {
	text, err := readText(d.fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(text, "\n")
	if n := len(lines) - 1; lines[n] != "" || n%3 != 0 {
		return damaged(file, len(lines), "a diversion is not complete")
	}
	for i := 0; i+3 <= len(lines); i += 3 {
		v := diversion{from: lines[i], to: lines[i+1], by: lines[i+2]}
		if !path.IsAbs(v.from) || !path.IsAbs(v.to) {
			return damaged(file, i+1, "a diversion of a path that does not begin with /")
		}
		if v.by == ":" {
			v.by = ""
		}
		d.diverted[v.from] = append(d.diverted[v.from], v)
		d.diverters = append(d.diverters, v)
	}
	return nil
}

// installedAt returns where a path that a package lists has been installed.
func (d *dpkg) installedAt(p *Package, name string) string {
	for _, v := range d.diverted[name] {
		if v.by != p.Name {
			return v.to
		}
	}
	return name
}

func (d *dpkg) search(s *search) error {
	for _, v := range d.diverters {
		if s.bases.names[path.Base(v.to)] {
			s.bases.add(path.Base(v.from))
		}
	}
	found := make([][]string, len(d.list))
	err := inParallel(len(d.list), func(i int) error {
		return d.eachPath(d.list[i], func(name []byte) {
			if s.wants(name) {
				found[i] = append(found[i], string(name))
			}
		})
	})
	if err != nil {
		return err
	}
	for i, p := range d.list {
		for _, name := range found[i] {
			s.claim(p, d.installedAt(p, name))
		}
	}
	for _, p := range d.list {
		for _, v := range d.diverters {
			if v.by == p.Name {
				s.claimRest(p, v.from)
			}
		}
	}
	return nil
}

// eachPath calls see with every path that a package lists. A package without a
// list has no files, as for dpkg.
func (d *dpkg) eachPath(p *Package, see func(name []byte)) error {
	file := d.lists[p]
	if strings.HasSuffix(file, ".md5sums") {
		return d.eachSum(file, func(name []byte, _ string) { see(name) })
	}
	return d.eachLine(file, func(line []byte, n int) error {
		if len(line) == 0 || line[0] != '/' {
			return damaged(file, n, "a path that does not begin with /: %.40q", line)
		}
		see(line)
		return nil
	})
}

// eachSum calls see with the rooted paths and MD5 sums of a file of sums, as
// md5sum(1) writes it.
func (d *dpkg) eachSum(file string, see func(name []byte, sum string)) error {
	const digits = 32
	var rooted []byte
	return d.eachLine(file, func(line []byte, n int) error {
		escaped := len(line) > 0 && line[0] == '\\'
		if escaped {
			line = bytes.ReplaceAll(line[1:], []byte(`\\`), []byte(`\`))
		}
		if len(line) <= digits+2 || line[digits] != ' ' {
			return damaged(file, n, "no sum and path: %.40q", line)
		}
		name := bytes.TrimPrefix(line[digits+2:], []byte("./"))
		rooted = append(append(rooted[:0], '/'), name...)
		see(rooted, string(line[:digits]))
		return nil
	})
}

// eachLine calls see with the lines of a file and their numbers. A file that does
// not exist has none.
func (d *dpkg) eachLine(file string, see func(line []byte, n int) error) error {
	data, err := d.text(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for n := 1; len(data) > 0; n++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return damaged(file, n, "the line has no end")
		}
		if err := see(data[:end], n); err != nil {
			return err
		}
		data = data[end+1:]
	}
	return nil
}

// text reads a file once.
func (d *dpkg) text(file string) ([]byte, error) {
	known, ok := d.texts.Load(file)
	if !ok {
		data, err := readInto(d.fsys, file, nil)
		known, _ = d.texts.LoadOrStore(file, &listText{data, err})
	}
	t := known.(*listText)
	return t.data, t.err
}

// files returns what a package has installed, with the sums of its md5sums and
// those of its configuration files, which are in its record.
func (d *dpkg) files(p *Package) ([]File, error) {
	digests := make(map[string]string)
	sums := strings.TrimSuffix(d.lists[p], ".list")
	if !strings.HasSuffix(sums, ".md5sums") {
		sums += ".md5sums"
	}
	err := d.eachSum(sums, func(name []byte, sum string) { digests[string(name)] = "md5:" + sum })
	if err != nil {
		return nil, err
	}
	config := conffiles(p.Record)
	var list []File
	err = d.eachPath(p, func(name []byte) {
		f := File{Path: string(name), Digest: digests[string(name)]}
		if sum, ok := config[f.Path]; ok {
			f.Config = true
			f.Digest = "md5:" + sum
		}
		list = append(list, f)
	})
	if err != nil {
		return nil, err
	}
	list = leaves(list)
	for i, f := range list {
		list[i].Path = d.installedAt(p, f.Path)
	}
	return list, nil
}

// conffiles returns the sums of the configuration files that a record names, in
// lines "path sum" or "path sum obsolete". A new one has the sum "newconffile".
func conffiles(record string) map[string]string {
	var sums map[string]string
	within := false
	for line := range strings.Lines(record) {
		switch fields := strings.Fields(line); {
		case line[0] != ' ':
			within = strings.EqualFold(strings.TrimSpace(line), "Conffiles:")
		case within && len(fields) >= 2 && len(fields[1]) == 32:
			if sums == nil {
				sums = make(map[string]string)
			}
			sums[fields[0]] = fields[1]
		}
	}
	return sums
}
