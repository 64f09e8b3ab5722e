package owner

import (
	"errors"
	"io/fs"
	"strings"
)

// A Release says which distribution a root is of (os-release(5)). Where it does
// not, fields are empty: a rolling one has no version.
type Release struct {
	ID        string // debian
	VersionID string // 12
	Name      string // for people: Debian GNU/Linux 12 (bookworm)
}

// readRelease reads /etc/os-release, or if there is none /usr/lib/os-release.
func readRelease(fsys fs.FS) (Release, error) {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := readText(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Release{}, err
		}
		return parseRelease(text), nil
	}
	return Release{}, nil
}

// parseRelease reads shell assignments. Lines that are none do not count, as
// os-release(5) wants it.
func parseRelease(text string) Release {
	var r Release
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "ID":
			r.ID = unquote(value)
		case "VERSION_ID":
			r.VersionID = unquote(value)
		case "PRETTY_NAME":
			r.Name = unquote(value)
		}
	}
	return r
}

// unquote takes off a shell's quotes and backslashes.
func unquote(s string) string {
	if n := len(s); n >= 2 && s[0] == '\'' && s[n-1] == '\'' {
		return s[1 : n-1]
	}
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
