package owner

import (
	"path"
	"strings"
)

// A Kind is a package manager's kind of package, by the name that it has in
// package URLs (purl).
type Kind string

// The kinds of packages.
const (
	Deb  Kind = "deb"
	APK  Kind = "apk"
	ALPM Kind = "alpm" // pacman's
	RPM  Kind = "rpm"
)

// A Package is an installed package.
type Package struct {
	Kind    Kind
	Name    string
	Version string // as a whole: 1:2.3-4
	Arch    string // by the distribution's word: amd64, x86_64, all, noarch

	// Source is the name of the package that it was built from, its own if the
	// database names no other, and SourceVersion is the version of that.
	Source, SourceVersion string

	// Licenses are as the database words them. Dpkg's has none: see
	// /usr/share/doc/NAME/copyright.
	Licenses []string

	Maintainer string // who answers for the package, "" if unknown

	// Record is all that the database says of the package, as it stands there:
	// dpkg's paragraph, apk's with its files, pacman's desc. It is empty for rpm's,
	// which is no text.
	Record string

	order   int // among the packages of the Database
	files   func() ([]File, error)
	depends func() []string
}

// A File is what a package has installed at a path: a file, a link, or a folder
// without anything else of the package in it.
type File struct {
	Path   string // from the root, as the database spells it; after diversion
	Config bool   // a configuration file, so it may have been changed. Apk does not say
	// Digest is what the contents were when the package was made, such as
	// "sha256:" and hexadecimal digits, "" if the database does not say. Apk has
	// one of links too: of the name that the link holds.
	Digest string
}

// Files returns what a package has installed, in the order of its database. A
// file may be gone, changed or replaced by now.
func (p *Package) Files() ([]File, error) { return p.files() }

// Part returns the record of a package of which a root has just some files: those
// that has knows, under the path that the database gives them. It claims no other.
// Of dpkg's, the state and the configuration files are left out: lists of files are
// no part of it. It is empty for a package whose record is no such text, and for
// one of apk's that has no file there.
func (p *Package) Part(has func(path string) bool) string {
	switch p.Kind {
	case Deb:
		return partOfDeb(p.Record)
	case APK:
		return partOfAPK(p.Record, has)
	}
	return ""
}

func partOfDeb(record string) string {
	var b strings.Builder
	kept := true
	for line := range strings.Lines(record) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			kept = !strings.EqualFold(name, "Status") && !strings.EqualFold(name, "Conffiles")
		}
		if kept {
			b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

// partOfAPK keeps the lines about files, R and what follows it, that are there, and
// of folders, F and what follows it, those with files.
func partOfAPK(record string, has func(path string) bool) string {
	var b strings.Builder
	folder, dir := "", "" // lines and path of the folder, the former until they are written
	kept, any := true, false
	for line := range strings.Lines(record) {
		line = strings.TrimSuffix(line, "\n") + "\n"
		switch value := strings.TrimSuffix(line[2:], "\n"); {
		case line[0] == 'F':
			folder, dir, kept = line, "/"+value, false
		case line[0] == 'M' && folder != "":
			folder += line
		case line[0] == 'R':
			if kept = has(join(dir, value)); kept {
				b.WriteString(folder + line)
				folder, any = "", true
			}
		case kept:
			b.WriteString(line)
		}
	}
	if !any {
		return ""
	}
	return b.String()
}

// Depends returns what the package does not work without, of alternatives each: the
// names of packages, or of what packages provide. Versions are left out.
func (p *Package) Depends() []string { return p.depends() }

// leaves returns the files without those that are a folder of another, and
// without the root.
func leaves(files []File) []File {
	folders := map[string]bool{"/": true, "/.": true} // dpkg lists the latter
	for _, f := range files {
		for dir := path.Dir(f.Path); !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	kept := files[:0]
	for _, f := range files {
		if !folders[f.Path] {
			kept = append(kept, f)
		}
	}
	return kept
}

// names returns the names among words that may each say a version, too:
// "libc6:amd64 (>= 2.36)", "so:libc.musl-x86_64.so.1", "glibc>=2.36".
func names(words []string) []string {
	var list []string
	for _, word := range words {
		word = strings.TrimSpace(word)
		if end := strings.IndexAny(word, " (<>=~"); end >= 0 {
			word = word[:end]
		}
		if word != "" && word[0] != '!' { // with which apk says what must not be there
			list = append(list, word)
		}
	}
	return list
}
