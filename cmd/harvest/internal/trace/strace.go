package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxLine is the longest line of an strace log; strace cuts strings to 32 bytes
// unless -s asks for more.
const maxLine = 1 << 20

// ErrNotStrace means that a file holds no system call that strace would write.
var ErrNotStrace = errors.New("not written by strace")

// A StraceReader makes a log of what strace(1) has written, in one file, or with
// -ff in one for each process. It understands process IDs before lines, as -f
// and -o write them, times of all kinds, what -y says of open files, and calls
// that were interrupted and resumed. Without -y, it follows open(2), chdir(2) and
// the like itself to tell what names are relative to.
//
// Names that strace has cut short, and relative ones of which it does not know
// the folder, are left out, which the log notes.
type StraceReader struct {
	log       Log
	dir       string // where the command was started, "" if unknown
	processes map[int]*traced
	forking   *traced // the last that has begun to make a child, nil if none is at it
	cut       int     // names cut short
	lost      int     // names relative to an unknown folder
	calls     int
}

// traced is what is known of a process in an strace log.
type traced struct {
	cwd        string
	files      map[string]string // names of open files, by number
	program    string
	unfinished string // the begin of the call that it is in
}

// NewStraceReader returns a reader for a command that was started in dir, "" if
// that is unknown.
func NewStraceReader(dir string) *StraceReader {
	return &StraceReader{dir: dir, processes: map[int]*traced{}}
}

// Read reads one file. The files of -ff are given in the order of their process
// IDs, which are the ends of their names. An error other than of r wraps
// ErrNotStrace.
func (s *StraceReader) Read(name string, r io.Reader) error {
	own, _ := strconv.Atoi(strings.TrimPrefix(path.Ext(name), ".")) // 0 if it is none
	calls := s.calls
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		s.line(own, lines.Text())
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if s.calls == calls {
		return ErrNotStrace
	}
	return nil
}

// Log returns what has been read so far.
func (s *StraceReader) Log() *Log {
	log := s.log
	log.Notes = slices.Clone(log.Notes)
	if s.cut > 0 {
		log.note(fmt.Sprintf("strace has cut %d names short, which are left out: -s 4096 writes them", s.cut))
	}
	if s.lost > 0 {
		log.note(fmt.Sprintf("%d names are relative to a folder that the log does not name, and are left out: -y writes it", s.lost))
	}
	return &log
}

// head is what may stand before a call: a process ID, a time, an address.
var head = regexp.MustCompile(`^(?:\[pid\s+(\d+)\] |(\d+) +)?(?:\d+:\d+:\d+(?:\.\d+)? |\d+\.\d+ | *\d+\.\d{6} )?(?:\( *\+ *\d+\.\d+\) )?(?:\[[0-9a-f]{8,}\] )?`)

// line reads one line.
func (s *StraceReader) line(own int, line string) {
	line = strings.TrimLeft(line, " ")
	m := head.FindStringSubmatch(line)
	rest := line[len(m[0]):]
	pid := own
	if id := m[1] + m[2]; id != "" {
		pid, _ = strconv.Atoi(id) // digits; if they are too many, it is some process
	}
	k := s.process(pid)
	switch {
	case strings.HasPrefix(rest, "+++ "):
		s.end(pid, rest)
		return
	case strings.HasPrefix(rest, "--- "):
		return
	}
	if begin, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
		k.unfinished = strings.TrimRight(begin, " ")
		if name, _, _ := strings.Cut(begin, "("); isFork(name) {
			s.forking = k
		}
		return
	}
	if strings.HasPrefix(rest, "<... ") {
		_, after, ok := strings.Cut(rest, " resumed>")
		if !ok || k.unfinished == "" {
			return
		}
		rest, k.unfinished = k.unfinished+after, ""
	}
	s.call(k, rest)
}

func isFork(name string) bool {
	return name == "clone" || name == "clone3" || name == "fork" || name == "vfork"
}

// process returns a process, which is new if it has not been met: then it is the
// child of who is at making one, for a child may be seen before its parent's call
// returns.
func (s *StraceReader) process(pid int) *traced {
	k := s.processes[pid]
	switch {
	case k != nil:
		return k
	case s.forking != nil:
		s.fork(s.forking, pid)
		s.forking = nil
	default:
		s.processes[pid] = &traced{cwd: s.dir, files: map[string]string{}}
	}
	return s.processes[pid]
}

// end notes how the first process has ended: it is the last to say so, or the
// only one that has an ID to be first by.
func (s *StraceReader) end(pid int, text string) {
	first := pid
	for other := range s.processes {
		first = min(first, other)
	}
	if pid != first {
		return
	}
	var code int
	if _, err := fmt.Sscanf(text, "+++ exited with %d +++", &code); err == nil {
		s.log.ExitCode, s.log.Signal = code, 0
	}
}

// call reads a whole call.
func (s *StraceReader) call(k *traced, text string) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok || name == "" || strings.ContainsAny(name, " \"<") {
		return
	}
	args, rest, ok := arguments(rest)
	result, isResult := strings.CutPrefix(strings.TrimLeft(rest, " "), "= ")
	if !ok || !isResult {
		return
	}
	s.calls++
	value, r := resultText(result)
	switch name {
	case "clone", "clone3", "fork", "vfork":
		if child, err := strconv.Atoi(value); err == nil && child > 0 && r == done {
			s.fork(k, child)
		}
		if s.forking == k {
			s.forking = nil
		}
		return
	case "close":
		if len(args) > 0 {
			delete(k.files, args[0])
		}
		return
	case "dup", "dup2", "dup3", "fcntl", "fcntl64":
		if from := k.files[first(args)]; from != "" && r == done && (strings.HasPrefix(name, "dup") || strings.HasPrefix(second(args), "F_DUPFD")) {
			k.files[value] = from
		}
		return
	case "io_uring_setup":
		s.log.note(uringNote)
	}
	if op, ok := operations[name]; ok && r != failed {
		s.operation(k, op, args, value, r)
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	number, _, _ := strings.Cut(args[0], "<")
	return number
}

func second(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}

// fork gives a child what it has from its parent, unless the child was met
// before. What one of two threads changes, the other is not told.
func (s *StraceReader) fork(parent *traced, child int) {
	if s.processes[child] != nil {
		return
	}
	s.processes[child] = &traced{cwd: parent.cwd, files: maps.Clone(parent.files), program: parent.program}
}

// operation logs a call that names files.
func (s *StraceReader) operation(k *traced, op operation, args []string, value string, r result) {
	c := call{operation: op, flags: op.always}
	if op.flags > 0 && op.flags < len(args) {
		c.flags = flagBits(args[op.flags])
	}
	if op.args > 0 && op.args < len(args) {
		c.args = list(args[op.args])
	}
	for _, o := range op.operands {
		c.names = append(c.names, s.operand(k, o, args))
	}
	if a, ok := s.log.Lookup(c.names[0]); ok && a.Use.Has(Missing) && !a.Use.Has(found) {
		c.fresh = true
	}
	s.log.add(k.program, c, r)
	if r != done || c.names[0] == "" {
		return
	}
	switch op.operands[0].use {
	case opens:
		k.files[value] = c.names[0]
	case Executed:
		k.program = c.names[0]
	case Entered:
		k.cwd = c.names[0]
	}
}

// operand returns the absolute name that an argument means, "" if it is none.
func (s *StraceReader) operand(k *traced, o operand, args []string) string {
	if o.name >= len(args) {
		return ""
	}
	arg := args[o.name]
	switch o.kind {
	case byFile:
		return k.file(arg)
	case bySocket:
		_, after, ok := strings.Cut(arg, "sun_path=")
		if !ok || !strings.HasPrefix(after, `"`) {
			return ""
		}
		arg = after
	}
	name, isText, isCut := text(arg)
	if isCut {
		s.cut++
	}
	if !isText || isCut || name == "" {
		return ""
	}
	base := k.cwd
	if o.dir != cwd && !strings.HasPrefix(args[o.dir], "AT_FDCWD") {
		base = k.file(args[o.dir])
	} else if o.dir != cwd {
		if of := annotation(args[o.dir]); of != "" {
			base = of
		}
	}
	full := join(base, name)
	if full == "" {
		s.lost++
	}
	return full
}

// file returns the name of an open file.
func (k *traced) file(arg string) string {
	if name := annotation(arg); name != "" {
		return name
	}
	return k.files[arg]
}

// annotation returns the name that -y gives an open file, "" without one.
func annotation(arg string) string {
	_, name, ok := strings.Cut(arg, "<")
	name, ok2 := strings.CutSuffix(name, ">")
	if !ok || !ok2 || !strings.HasPrefix(name, "/") {
		return ""
	}
	name, _, _ = strings.Cut(name, ">") // -yy says more of devices
	if unquoted, ok, _ := text(`"` + strings.ReplaceAll(name, `"`, `\"`) + `"`); ok {
		return join("", unquoted)
	}
	return ""
}

// resultText returns what a call returned, and what that means.
func resultText(s string) (value string, r result) {
	f := strings.Fields(s)
	switch {
	case len(f) == 0 || f[0] == "?":
		return "", failed
	case f[0] != "-1":
		value, _, _ = strings.Cut(f[0], "<")
		return value, done
	case len(f) < 2:
		return "", failed
	}
	switch f[1] {
	case "ENOENT", "ENOTDIR":
		return "", missing
	case "EACCES", "EPERM":
		return "", refused
	}
	return "", failed
}

// flagBits returns the flags of an open from their names.
func flagBits(s string) uint64 {
	names := map[string]uint64{
		"O_WRONLY": writeOnly, "O_RDWR": readWrite, "O_CREAT": openCreate, "O_EXCL": openExclusive, "O_TRUNC": openTruncate,
	}
	var bits uint64
	for _, name := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune("|{}=, ", c) }) {
		bits |= names[name]
	}
	return bits
}

// arguments takes the arguments of a call apart, and returns what follows the
// parenthesis that ends them.
func arguments(s string) (args []string, rest string, ok bool) {
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end := endOfText(s[i:])
			if end < 0 {
				return nil, "", false
			}
			i += end
		case '(', '[', '{':
			depth++
		case '<':
			if end := strings.IndexByte(s[i:], '>'); end > 0 && (i == 0 || s[i-1] != '<') && strings.HasPrefix(s[i+1:], "/") {
				i += end
			}
		case ')', ']', '}':
			if depth == 0 {
				if last := strings.TrimSpace(s[start:i]); last != "" {
					args = append(args, last)
				}
				return args, s[i+1:], true
			}
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return nil, "", false
}

// endOfText returns the place of the quote that ends the text that s begins
// with, -1 if there is none.
func endOfText(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// text returns what a string stands for, and whether strace has cut it short.
func text(s string) (value string, ok, isCut bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", false, false
	}
	end := endOfText(s)
	if end < 0 {
		return "", false, false
	}
	return unescape(s[1:end]), true, strings.HasPrefix(s[end+1:], "...")
}

// list returns the strings of a list.
func list(s string) []string {
	var words []string
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return words
		}
		end := endOfText(s[i:])
		if end < 0 {
			return words
		}
		word := unescape(s[i+1 : i+end])
		s = s[i+end+1:]
		if strings.HasPrefix(s, "...") {
			word += "..."
		}
		words = append(words, word)
	}
}

// escapes are those of C that strace writes, besides numbers.
var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'v': '\v', 'f': '\f', 'a': '\a', 'b': '\b', '"': '"', '\\': '\\', 'e': 0x1b}

// unescape replaces C's escapes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		base, most := 8, 3
		digits := i
		if s[i] == 'x' {
			base, most, digits = 16, 2, i+1
		}
		end := digits
		for end < len(s) && end < digits+most && isDigit(s[end], base) {
			end++
		}
		if n, err := strconv.ParseUint(s[digits:end], base, 8); err == nil {
			b.WriteByte(byte(n))
			i = end - 1
			continue
		}
		if c, ok := escapes[s[i]]; ok {
			b.WriteByte(c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isDigit(c byte, base int) bool {
	_, err := strconv.ParseUint(string(c), base, 8)
	return err == nil
}
