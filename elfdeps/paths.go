package elfdeps

import (
	"bytes"
	"debug/elf"
	"io"
)

// Paths returns the paths among the texts of an ELF file of size bytes, each
// once, in the order of the file: what it was compiled to open, perhaps. They
// begin with a slash or, as those below a prefix do that is set when a program
// is built, with one of etc/, lib/, libexec/ and share/. Texts are C's, which end
// in a zero byte and stand behind one; of a list with colons each element counts.
// Errors are those of [Read]. However large the file is, little of it is held at
// a time.
func Paths(r io.ReaderAt, size int64) ([]string, error) {
	d := new(decoder)
	if _, err := d.read(r, size); err != nil {
		return nil, err
	}
	s := pathScan{seen: make(map[string]bool)}
	for _, l := range d.constants() {
		if err := s.segment(d, l); err != nil {
			return nil, err
		}
	}
	return s.list, nil
}

// constants returns the segments in which texts may stand: those that are not
// code, unless linkers of old have put both into one.
func (d *decoder) constants() []segment {
	var data, code []segment
	for _, l := range d.loads {
		if l.flags&elf.PF_X == 0 {
			data = append(data, l)
		} else {
			code = append(code, l)
		}
	}
	if len(d.loads) <= 2 { // code and data
		return append(code, data...)
	}
	return data
}

// Limits on the paths of a file.
const (
	maxPaths   = 1 << 15 // of them
	pathWindow = 1 << 18 // bytes that are read at once
)

// A pathScan collects paths.
type pathScan struct {
	list []string
	seen map[string]bool
}

// segment looks for paths in a segment. Its pieces overlap by the longest path.
func (s *pathScan) segment(d *decoder, l segment) error {
	if l.off > uint64(d.size) {
		return nil
	}
	end := l.off + min(l.filesz, uint64(d.size)-l.off)
	for at := l.off; at < end && len(s.list) < maxPaths; at += pathWindow {
		before := min(1, at-l.off) // the byte that a text must stand behind
		b, err := d.bytes(at-before, min(before+pathWindow+maxPath, end-at+before), "its constants")
		if err != nil {
			return err
		}
		s.window(b, int(before))
	}
	return nil
}

// window looks for paths in some bytes, from slash to slash: there are fewer of
// these than of texts.
func (s *pathScan) window(b []byte, from int) {
	for at := nextByte(b, from, '/'); at >= 0 && len(s.list) < maxPaths; {
		begin := pathBegin(b, at)
		if begin < 0 {
			at = nextByte(b, at+1, '/')
			continue
		}
		length := bytes.IndexByte(b[begin:], 0)
		if length < 0 {
			return // the next piece has it whole
		}
		if length < maxPath {
			for text := range bytes.SplitSeq(b[begin:begin+length], []byte(":")) {
				s.add(text)
			}
		}
		at = nextByte(b, begin+length, '/')
	}
}

// relative are the folders below a prefix where programs have what is theirs.
var relative = [...]string{"etc", "lib", "libexec", "share"}

// pathBegin returns where the text begins whose first slash is the one at, -1 if
// it is no path.
func pathBegin(b []byte, at int) int {
	if at == 0 || b[at-1] == 0 {
		return at
	}
	for _, dir := range relative {
		if begin := at - len(dir); begin >= 1 && b[begin-1] == 0 && string(b[begin:at]) == dir {
			return begin
		}
	}
	return -1
}

// add notes a text if it can be a path that means something: it is printable, and
// names more than a folder of the top.
func (s *pathScan) add(text []byte) {
	if len(text) < len("/a/b") || bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return
	}
	if text[0] != '/' && !bytes.ContainsRune(text, '/') {
		return
	}
	if s.seen[string(text)] {
		return
	}
	name := string(text)
	s.seen[name] = true
	s.list = append(s.list, name)
}
