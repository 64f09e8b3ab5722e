package owner

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// A pacman is the local database of pacman (libalpm), a folder for each package:
// desc says what it is, files what it has, and mtree the digests of that.
type pacman struct {
	fsys fs.FS
	list []*Package
	dirs map[*Package]string
}

const pacmanFolder = "var/lib/pacman/local"

func openPacman(fsys fs.FS) (store, error) {
	entries, err := fs.ReadDir(fsys, pacmanFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &pacman{fsys: fsys, dirs: make(map[*Package]string)}
	for _, e := range entries {
		if !e.IsDir() {
			continue // ALPM_DB_VERSION
		}
		dir := path.Join(pacmanFolder, e.Name())
		p, err := m.desc(path.Join(dir, "desc"))
		if err != nil {
			return nil, err
		}
		p.files = func() ([]File, error) { return m.files(dir) }
		m.dirs[p] = dir
		m.list = append(m.list, p)
	}
	return m, nil
}

func (m *pacman) packages() []*Package { return m.list }

func (m *pacman) desc(file string) (*Package, error) {
	text, err := readText(m.fsys, file)
	if err != nil {
		return nil, err
	}
	var depends []string
	p := &Package{Kind: ALPM, Record: text}
	p.depends = func() []string { return names(depends) }
	err = fields(file, text, func(field, value string) {
		switch field {
		case "NAME":
			p.Name = value
		case "VERSION":
			p.Version = value
		case "ARCH":
			p.Arch = value
		case "BASE":
			p.Source = value
		case "DEPENDS":
			depends = append(depends, value)
		case "LICENSE":
			p.Licenses = append(p.Licenses, value)
		case "PACKAGER":
			p.Maintainer = value
		}
	})
	if err == nil && p.Name == "" {
		err = damaged(file, 1, "a package without a name")
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	p.SourceVersion = p.Version
	return p, err
}

// fields calls see with each value of a file: a line %FIELD%, a line for each
// value, an empty line.
func fields(file, text string, see func(field, value string)) error {
	field, n := "", 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
			field = ""
		case field != "":
			see(field, line)
		case len(line) > 2 && line[0] == '%' && line[len(line)-1] == '%':
			field = line[1 : len(line)-1]
		default:
			return damaged(file, n, "no field: %.40q", line)
		}
	}
	return nil
}

func (m *pacman) search(s *search) error {
	for _, p := range m.list {
		err := m.eachFile(m.dirs[p], func(field, value string) {
			if field != "FILES" {
				return
			}
			name := strings.TrimSuffix(value, "/")
			if s.bases.names[name[strings.LastIndexByte(name, '/')+1:]] {
				s.claim(p, "/"+name)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachFile calls see with the fields of a package's list. A package without files
// has none.
func (m *pacman) eachFile(dir string, see func(field, value string)) error {
	file := path.Join(dir, "files")
	text, err := readText(m.fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fields(file, text, see)
}

func (m *pacman) files(dir string) ([]File, error) {
	digests, err := m.digests(path.Join(dir, "mtree"))
	if err != nil {
		return nil, err
	}
	var list []File
	config := make(map[string]bool)
	err = m.eachFile(dir, func(field, value string) {
		switch field {
		case "FILES":
			name := "/" + strings.TrimSuffix(value, "/")
			list = append(list, File{Path: name, Digest: digests[name]})
		case "BACKUP": // path, tab, MD5
			name, _, _ := strings.Cut(value, "\t")
			config["/"+name] = true
		}
	})
	if err != nil {
		return nil, err
	}
	list = leaves(list)
	for i := range list {
		list[i].Config = config[list[i].Path]
	}
	return list, nil
}

// digests reads an mtree(5), packed with gzip, of lines "./path key=value ...".
// There need not be one.
func (m *pacman) digests(file string) (map[string]string, error) {
	f, err := m.fsys.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("reading /%s: %w: %w", file, ErrDamaged, err)
	}
	digests := make(map[string]string)
	lines := bufio.NewScanner(io.LimitReader(z, maxText))
	for lines.Scan() {
		name, keys, _ := strings.Cut(lines.Text(), " ")
		if !strings.HasPrefix(name, "./") {
			continue // #mtree, /set
		}
		for key := range strings.FieldsSeq(keys) {
			if digest, ok := strings.CutPrefix(key, "sha256digest="); ok {
				digests[unescape(name[1:])] = "sha256:" + digest
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading /%s: %w: %w", file, ErrDamaged, err)
	}
	return digests, nil
}

// unescape resolves \ooo, as vis(3) writes it.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
