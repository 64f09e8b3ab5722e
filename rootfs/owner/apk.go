package owner

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
)

// An apk is the database of apk-tools, one file. Each line of a paragraph is a
// letter and a value; F is a folder, R a file in it, Z a file's checksum:
//
//	P:musl
//	V:1.2.5-r0
//	F:lib
//	R:libc.musl-x86_64.so.1
//	Z:Q1...
type apk struct {
	list []*Package
}

func openAPK(fsys fs.FS) (store, error) {
	for _, file := range []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		text, err := readText(fsys, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		a := new(apk)
		return a, a.parse(file, text)
	}
	return nil, nil
}

func (a *apk) packages() []*Package { return a.list }

func (a *apk) parse(file, text string) error {
	return paragraphs(file, text, func(record string, first int) error {
		p := &Package{Kind: APK, Record: record, depends: func() []string { return nil }}
		n := first - 1
		for line := range strings.Lines(record) {
			n++
			if line[1] != ':' {
				return damaged(file, n, "no letter and value: %.40q", line)
			}
			switch value := strings.TrimSuffix(line[2:], "\n"); line[0] {
			case 'P':
				p.Name = value
			case 'V':
				p.Version = value
			case 'A':
				p.Arch = value
			case 'L':
				p.Licenses = []string{value}
			case 'D':
				p.depends = func() []string { return names(strings.Fields(value)) }
			case 'o':
				p.Source = value
			case 'm':
				p.Maintainer = value
			case 'R':
				if !validName(value) {
					return damaged(file, n, "a file without a name of its own: %.40q", value)
				}
			}
		}
		if p.Name == "" {
			return damaged(file, first, "a package without a name")
		}
		if p.Source == "" {
			p.Source = p.Name
		}
		p.SourceVersion = p.Version
		p.files = func() ([]File, error) { return apkFiles(record), nil }
		a.list = append(a.list, p)
		return nil
	})
}

func (a *apk) search(s *search) error {
	for _, p := range a.list {
		dir := "/"
		for line := range strings.Lines(p.Record) {
			name := strings.TrimSuffix(line[2:], "\n")
			switch line[0] {
			case 'F':
				dir = "/" + name
				if s.bases.names[dir[strings.LastIndexByte(dir, '/')+1:]] {
					s.claim(p, dir)
				}
			case 'R':
				if s.bases.names[name] {
					s.claim(p, join(dir, name))
				}
			}
		}
	}
	return nil
}

func apkFiles(record string) []File {
	var list []File
	dir, file := "/", -1
	for line := range strings.Lines(record) {
		value := strings.TrimSuffix(line[2:], "\n")
		switch line[0] {
		case 'F':
			dir, file = "/"+value, -1
			list = append(list, File{Path: dir})
		case 'R':
			file = len(list)
			list = append(list, File{Path: join(dir, value)})
		case 'Z':
			if file >= 0 {
				list[file].Digest = apkDigest(value)
			}
		}
	}
	return leaves(list)
}

// apkDigest translates a checksum, "" if it is of a kind that is not known: Q1 is
// SHA-1 and Q2 SHA-256 in base64, and without a Q it is MD5 in hexadecimal.
func apkDigest(sum string) string {
	if len(sum) == 32 {
		return "md5:" + sum
	}
	for prefix, algorithm := range map[string]string{"Q1": "sha1:", "Q2": "sha256:"} {
		if text, ok := strings.CutPrefix(sum, prefix); ok {
			if data, err := base64.StdEncoding.DecodeString(text); err == nil {
				return algorithm + hex.EncodeToString(data)
			}
		}
	}
	return ""
}
