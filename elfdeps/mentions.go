package elfdeps

import (
	"bytes"
	"io"
	"strings"
)

// A Mention is the name of a library among the bytes of an object that does not
// need it: perhaps it opens it later. It is a hint and no more.
type Mention struct {
	Name   string
	By     string // path of the object
	Offset int64  // of the name in its file
	Path   string // the library that the loader would take, which is not in the link map
	Rule   Rule   // by which it would find it
}

// mentions looks for names of libraries in all objects of the link map. Each
// counts once, in the first object that has it.
func (m *linkMap) mentions() {
	seen := make(map[string]bool)
	for _, o := range m.prog.Objects {
		if o == m.rtld {
			continue
		}
		for _, n := range m.namesIn(o) {
			if seen[n.name] || m.known[n.name] != nil {
				continue
			}
			seen[n.name] = true
			if file, rule := m.locate(o, n.name); file != "" {
				m.prog.Mentions = append(m.prog.Mentions, Mention{n.name, o.Path, n.offset, file, rule})
			}
		}
	}
}

// locate returns the file that the loader would take for a name that o asks for,
// "" if there is none that it would take or that is not loaded already.
func (m *linkMap) locate(o *Object, name string) (string, Rule) {
	places, rejects := m.places(o, name), m.rejects
	if m.loader.Musl {
		if muslReserved(name) {
			return "", Rule{}
		}
		places, rejects = m.muslPlaces(o, name), m.muslRejects
	}
	for file, rule := range places {
		var unused Need
		c, end := m.consider(&unused, file, rule, rejects)
		if c != nil && m.files[c.id] == nil {
			return file, rule
		}
		if c != nil || end {
			break
		}
	}
	return "", Rule{}
}

// A nameAt is a name of a library, and where in a file it stands.
type nameAt struct {
	name   string
	offset int64
}

// namesIn returns the names of libraries in the file of an object, each once.
func (s *search) namesIn(o *Object) []nameAt {
	return s.names.get(o.File, func() []nameAt {
		f, info, err := s.openRegular(o.Path)
		if err != nil {
			return nil
		}
		defer f.Close()
		at, ok := f.(io.ReaderAt)
		if !ok {
			return nil
		}
		return libraryNames(at, info.Size())
	})
}

// maxMentions bounds the names that are looked for of one file.
const maxMentions = 1024

// libraryNames finds the strings in a file that are the name of a library and
// nothing else: terminated, and no part of a path or a longer word. What cannot
// be read holds none, and behind maxMentions of them nothing is looked at.
func libraryNames(r io.ReaderAt, size int64) []nameAt {
	const (
		chunk   = 1 << 18
		overlap = 512 // more than the longest name has
	)
	var names []nameAt
	seen := make(map[string]bool)
	buf := make([]byte, min(chunk+overlap, size))
	for start := int64(0); start < size; start += chunk {
		b := buf[:min(chunk+overlap, size-start)]
		if _, err := r.ReadAt(b, start); err != nil && err != io.EOF {
			break
		}
		for at := 0; ; {
			next := bytes.Index(b[at:], []byte(".so"))
			if next < 0 {
				break
			}
			dot := at + next
			at = dot + len(".so")
			name, begin := libraryName(b, dot)
			if begin == 0 && start > 0 {
				continue // the chunk before this one has all of it
			}
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, nameAt{name, start + int64(begin)})
			}
			if len(names) == maxMentions {
				return names
			}
		}
	}
	return names
}

// libraryName returns the name around a ".so" at dot, and where it begins.
func libraryName(b []byte, dot int) (name string, begin int) {
	end := dot + len(".so")
	for end < len(b) && (b[end] == '.' || '0' <= b[end] && b[end] <= '9') {
		end++
	}
	if end == len(b) || b[end] != 0 {
		return "", 0
	}
	begin = dot
	for begin > 0 && isNameByte(b[begin-1]) {
		begin--
	}
	if begin > 0 && b[begin-1] == '/' || dot-begin > 255 || !bytes.HasPrefix(b[begin:end], []byte("lib")) {
		return "", 0
	}
	name = string(b[begin:end])
	if strings.HasSuffix(name, ".") || strings.Contains(name[dot-begin:], "..") {
		return "", 0
	}
	return name, begin
}

func isNameByte(c byte) bool {
	return c == '_' || c == '+' || c == '.' || c == '-' ||
		'0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
