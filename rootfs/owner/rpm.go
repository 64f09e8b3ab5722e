package owner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/harvest-oci/harvest/rootfs/owner/rpmdb"
)

// An rpm is the database of rpm. It is opened anew each time that lists of files
// are asked for: it can be large, and a Database is not to be closed.
type rpm struct {
	fsys   fs.FS
	file   string
	list   []*Package
	places map[*Package]rpmdb.Place
}

// Where rpm keeps its database, and how that is called in its three formats.
var (
	rpmFolders = []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"}
	rpmFiles   = []string{"rpmdb.sqlite", "Packages.db", "Packages"}
)

// rpmKey is the name of the entries that hold a key of who signs packages.
const rpmKey = "gpg-pubkey"

func openRPM(fsys fs.FS) (store, error) {
	file, err := findRPM(fsys)
	if file == "" || err != nil {
		return nil, err
	}
	r := &rpm{fsys: fsys, file: file, places: make(map[*Package]rpmdb.Place)}
	err = r.open(func(db *rpmdb.DB) error {
		places, err := db.Places()
		if err != nil {
			return err
		}
		for _, at := range places {
			h, err := db.Read(at)
			if err != nil {
				return err
			}
			p := rpmPackage(h)
			switch p.Name {
			case "":
				return fmt.Errorf("%w: a package without a name", ErrDamaged)
			case rpmKey:
				continue
			}
			p.files = func() ([]File, error) { return r.files(p) }
			r.places[p] = at
			r.list = append(r.list, p)
		}
		return nil
	})
	return r, err
}

// findRPM returns the file of the database, "" if there is none.
func findRPM(fsys fs.FS) (string, error) {
	for _, dir := range rpmFolders {
		for _, name := range rpmFiles {
			info, err := fs.Stat(fsys, path.Join(dir, name))
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return "", err
			case info.Size() > 0:
				return path.Join(dir, name), nil
			}
		}
	}
	return "", nil
}

func (r *rpm) packages() []*Package { return r.list }

// open calls use with the database. An error names the file.
func (r *rpm) open(use func(db *rpmdb.DB) error) error {
	err := r.openFiles(use)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpmdb.ErrFormat):
		return fmt.Errorf("reading /%s: %w: %w", r.file, ErrDamaged, err)
	}
	return fmt.Errorf("reading /%s: %w", r.file, err)
}

func (r *rpm) openFiles(use func(db *rpmdb.DB) error) error {
	file, err := r.fsys.Open(r.file)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := section(file)
	if err != nil {
		return err
	}
	var logData *io.SectionReader
	switch log, err := r.fsys.Open(r.file + "-wal"); {
	case err == nil:
		defer log.Close()
		if logData, err = section(log); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	db, err := rpmdb.Open(data, logData)
	if err != nil {
		return err
	}
	return use(db)
}

// section returns a file as one that can be read at any place: in memory, if it
// cannot otherwise.
func section(f fs.File) (*io.SectionReader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		return io.NewSectionReader(r, 0, info.Size()), nil
	}
	data, err := io.ReadAll(io.LimitReader(f, info.Size()))
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), err
}

func rpmPackage(h *rpmdb.Header) *Package {
	p := &Package{
		Kind:       RPM,
		Name:       h.Text(rpmdb.Name),
		Version:    h.Text(rpmdb.Version) + "-" + h.Text(rpmdb.Release),
		Arch:       h.Text(rpmdb.Arch),
		Maintainer: h.Text(rpmdb.Vendor),
	}
	if epoch := h.Numbers(rpmdb.Epoch); len(epoch) > 0 && epoch[0] != 0 {
		p.Version = strconv.FormatUint(uint64(epoch[0]), 10) + ":" + p.Version
	}
	if p.Maintainer == "" {
		p.Maintainer = h.Text(rpmdb.Packager)
	}
	if license := h.Text(rpmdb.License); license != "" {
		p.Licenses = []string{license}
	}
	var depends []string
	for name := range h.Texts(rpmdb.RequireName) {
		depends = append(depends, string(name))
	}
	p.depends = func() []string { return names(depends) }
	p.Source, p.SourceVersion = splitSourceRPM(h.Text(rpmdb.SourceRPM))
	if p.Source == "" {
		p.Source, p.SourceVersion = p.Name, p.Version
	}
	return p
}

// splitSourceRPM takes "bash-5.2.26-3.fc40.src.rpm" apart. It has no epoch.
func splitSourceRPM(file string) (name, version string) {
	file = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(file, ".rpm"), ".src"), ".nosrc")
	release := strings.LastIndexByte(file, '-')
	if release < 0 {
		return "", ""
	}
	dash := strings.LastIndexByte(file[:release], '-')
	if dash < 0 {
		return "", ""
	}
	return file[:dash], file[dash+1:]
}

func (r *rpm) search(s *search) error {
	return r.open(func(db *rpmdb.DB) error {
		for _, p := range r.list {
			err := r.eachFile(db, p, func(base []byte) bool { return s.bases.names[string(base)] }, func(f rpmFile) {
				if f.here {
					s.claim(p, f.Path)
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *rpm) files(p *Package) ([]File, error) {
	var list []File
	err := r.open(func(db *rpmdb.DB) error {
		return r.eachFile(db, p, func([]byte) bool { return true }, func(f rpmFile) {
			if f.here {
				list = append(list, f.File)
			}
		})
	})
	return leaves(list), err
}

// An rpmFile is a file that a package lists. It is not here if it was left out at
// installation, or another package's has taken its place.
type rpmFile struct {
	File
	here bool
}

// eachFile calls see with the files of a package whose last component is wanted.
func (r *rpm) eachFile(db *rpmdb.DB, p *Package, wants func(base []byte) bool, see func(f rpmFile)) error {
	h, err := db.Read(r.places[p])
	if err != nil {
		return err
	}
	if h.Text(rpmdb.Name) != p.Name {
		return fmt.Errorf("%w while it was read", errChanged)
	}
	for name := range h.Texts(rpmdb.OldFileNames) {
		if wants(name[bytes.LastIndexByte(name, '/')+1:]) {
			see(rpmFile{File: File{Path: string(name)}, here: true})
		}
	}
	var table *rpmTable
	i := -1
	for base := range h.Texts(rpmdb.BaseNames) {
		i++
		if !wants(base) {
			continue
		}
		if table == nil {
			table = newRPMTable(h)
		}
		f, ok := table.file(i, string(base))
		if !ok {
			return fmt.Errorf("%w: file %d of package %s has no folder", ErrDamaged, i, p.Name)
		}
		see(f)
	}
	return nil
}

var errChanged = errors.New("the database has changed")

// An rpmTable is what a header has of files, in columns.
type rpmTable struct {
	dirs                   []string
	indexes, states, flags []uint32
	digests                []string
	algorithm              string
}

func newRPMTable(h *rpmdb.Header) *rpmTable {
	t := &rpmTable{
		indexes:   h.Numbers(rpmdb.DirIndexes),
		states:    h.Numbers(rpmdb.FileStates),
		flags:     h.Numbers(rpmdb.FileFlags),
		algorithm: digestAlgorithm(h.Numbers(rpmdb.FileDigestAlgo)),
	}
	for dir := range h.Texts(rpmdb.DirNames) {
		t.dirs = append(t.dirs, string(dir))
	}
	for digest := range h.Texts(rpmdb.FileDigests) {
		t.digests = append(t.digests, string(digest))
	}
	return t
}

func digestAlgorithm(numbers []uint32) string {
	if len(numbers) == 0 {
		return "md5:"
	}
	switch numbers[0] {
	case rpmdb.DigestMD5:
		return "md5:"
	case rpmdb.DigestSHA1:
		return "sha1:"
	case rpmdb.DigestSHA256:
		return "sha256:"
	case rpmdb.DigestSHA384:
		return "sha384:"
	case rpmdb.DigestSHA512:
		return "sha512:"
	}
	return ""
}

func (t *rpmTable) file(i int, base string) (f rpmFile, ok bool) {
	if i >= len(t.indexes) || int64(t.indexes[i]) >= int64(len(t.dirs)) {
		return f, false
	}
	f.Path = path.Join("/", t.dirs[t.indexes[i]], base)
	f.here = i >= len(t.states) || t.states[i] == rpmdb.StateNormal
	f.Config = i < len(t.flags) && t.flags[i]&rpmdb.FlagConfig != 0
	if i < len(t.digests) && t.digests[i] != "" && t.algorithm != "" {
		f.Digest = t.algorithm + t.digests[i]
	}
	return f, true
}
