package elftest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"
)

// ParseRoot returns the root that text describes, one path a line, in the grammar of the package comment. Its error
// lists every faulty line with its number.
func ParseRoot(text string) (*Root, error) {
	root := new(Root)
	lines := strings.Split(text, "\n")
	faults := make([]error, len(lines))
	for _, wantLink := range []bool{true, false} { // links first, for they may lead to the parents of other paths
		for i, line := range lines {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") || isLink(line) != wantLink {
				continue
			}
			if err := root.Add(line); err != nil {
				faults[i] = fmt.Errorf("line %d: %w", i+1, err)
			}
		}
	}
	return root, errors.Join(faults...)
}

// isLink reports whether a line describes a symbolic link.
func isLink(line string) bool {
	words, err := splitWords(line)
	return err == nil && len(words) > 1 && words[1] == "->"
}

// MustRoot is ParseRoot for a test, which it ends if text is at fault.
func MustRoot(t testing.TB, text string) *Root {
	t.Helper()
	root, err := ParseRoot(text)
	if err != nil {
		t.Fatalf("parsing root:\n%v", err)
	}
	return root
}

// Add puts the path that a line of text describes into the root. It returns an error that wraps [fs.ErrExist] if the
// path is there already; see [Root.Remove].
func (r *Root) Add(line string) error {
	words, err := splitWords(line)
	if err != nil {
		return err
	}
	if len(words) < 2 {
		return fmt.Errorf("%q: want PATH, KIND and words", line)
	}
	name := words[0]
	if words[1] == "dir" && name != "/" {
		name = strings.TrimSuffix(name, "/")
	}
	if !path.IsAbs(name) || path.Clean(name) != name {
		return fmt.Errorf("%s: want an absolute path without dots", name)
	}
	n, err := r.parseNode(words[1], words[2:])
	if err == nil {
		err = r.put(name, n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// specialKinds are files without content.
var specialKinds = map[string]fs.FileMode{
	"fifo":   fs.ModeNamedPipe,
	"socket": fs.ModeSocket,
	"device": fs.ModeDevice | fs.ModeCharDevice,
}

// parseNode returns what a line describes, given its kind and the words after that.
func (r *Root) parseNode(kind string, words []string) (*node, error) {
	if kind == "->" || kind == "hard" {
		if len(words) != 1 {
			return nil, fmt.Errorf("%s wants one path, got %q", kind, words)
		}
		if kind == "hard" {
			return r.parseHard(words[0])
		}
		return &node{mode: fs.ModeSymlink | 0o777, target: words[0]}, nil
	}
	n := &node{mode: 0o644}
	words, err := n.takeMode(kind, words)
	if err != nil {
		return nil, err
	}
	special, isSpecial := specialKinds[kind]
	switch {
	case kind == "elf":
		n.data, err = parseELF(words)
	case kind == "cache":
		n.data, err = parseCache(words)
	case kind == "text" && len(words) == 1:
		n.data = []byte(words[0])
	case kind == "dir" && len(words) == 0:
		n.entries = map[string]*node{}
		n.mode |= fs.ModeDir
	case isSpecial && len(words) == 0:
		n.mode |= special
	case isSpecial || kind == "dir" || kind == "text":
		err = fmt.Errorf("wrong words for %s: %q", kind, words)
	default:
		err = fmt.Errorf("unknown kind %q", kind)
	}
	return n, err
}

// parseHard returns the file that a hard link to name shares.
func (r *Root) parseHard(name string) (*node, error) {
	n, err := r.walk(name, followParents)
	if err == nil && n.mode.IsDir() {
		err = fs.ErrInvalid
	}
	if err != nil {
		return nil, fmt.Errorf("linking %s: %w", name, err)
	}
	return n, nil
}

// takeMode sets the mode of a new file of that kind, and returns words without mode=. The content of a text is no word.
func (n *node) takeMode(kind string, words []string) ([]string, error) {
	if kind == "elf" || kind == "dir" {
		n.mode = 0o755
	}
	var rest []string
	for i, word := range words {
		octal, isMode := strings.CutPrefix(word, "mode=")
		if !isMode || kind == "text" && i == 0 {
			rest = append(rest, word)
			continue
		}
		bits, err := strconv.ParseUint(octal, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("mode: %w", err)
		}
		n.mode = fs.FileMode(bits & 0o777)
		for bit, mode := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
			if bits&bit != 0 {
				n.mode |= mode
			}
		}
	}
	return rest, nil
}

func parseELF(words []string) ([]byte, error) {
	f, err := parseFile(words)
	if err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

// parseCache returns the cache that the words describe.
func parseCache(words []string) ([]byte, error) {
	c := new(Cache)
	for _, word := range words {
		if err := c.set(word); err != nil {
			return nil, err
		}
	}
	return c.Bytes(), nil
}

func (c *Cache) set(word string) error {
	name, value, isPair := strings.Cut(word, "=")
	switch {
	case word == "big":
		c.BigEndian = true
	case word == "compat":
		c.Compat = true
	case word == "unsorted":
		c.Unsorted = true
	case word == "garbage":
		c.Damage = append(c.Damage, Garbage())
	case name == "truncate":
		n, err := strconv.ParseUint(value, 0, 31)
		if err != nil {
			return fmt.Errorf("truncate: %w", err)
		}
		c.Damage = append(c.Damage, Truncate(int(n)))
	case isPair:
		return c.addEntry(name, value)
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// addEntry adds the entry NAME=VALUE, whose value is a path and its options.
func (c *Cache) addEntry(name, value string) error {
	options := strings.Split(value, ";")
	e := CacheEntry{Name: name, Path: options[0], Flags: 0x303}
	for _, option := range options[1:] {
		key, value, _ := strings.Cut(option, "=")
		n, err := strconv.ParseUint(value, 0, 64)
		switch {
		case key == "flags" && err == nil:
			e.Flags = uint32(n)
		case key == "hwcap" && err == nil:
			e.Hwcap = n
		case key == "hwcap" && value != "":
			e.HwcapName = value
		default:
			return fmt.Errorf("unknown option %q of %s", option, name)
		}
	}
	c.Entries = append(c.Entries, e)
	return nil
}

// splitWords splits a line at blanks, and unquotes what is quoted.
func splitWords(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		word, rest, err := cutWord(line)
		if err != nil {
			return nil, err
		}
		words, line = append(words, word), rest
	}
}

// cutWord returns the first word of line, unquoted, and the rest of line.
func cutWord(line string) (word, rest string, err error) {
	for line != "" && line[0] != ' ' && line[0] != '\t' {
		piece, text := line[:1], line[:1]
		switch line[0] {
		case '"':
			if piece, err = strconv.QuotedPrefix(line); err == nil {
				text, err = strconv.Unquote(piece)
			}
		case '\'':
			end := strings.IndexByte(line[1:], '\'')
			if end < 0 {
				err = strconv.ErrSyntax
				break
			}
			text, piece = line[1:1+end], line[:end+2]
		}
		if err != nil {
			return "", "", fmt.Errorf("unquoting %s: %w", line, err)
		}
		word, line = word+text, line[len(piece):]
	}
	return word, line, nil
}
