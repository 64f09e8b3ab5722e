package elfdeps

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// defaultPath is where a program is looked for without a PATH: glibc's execvp(3)
// has what confstr(_CS_PATH) says, musl's a folder more.
const (
	defaultPath     = "/bin:/usr/bin"
	defaultPathMusl = "/usr/local/bin:/bin:/usr/bin"
)

// unknown stands, in words that env is given, for what only the environment at
// run time tells.
const unknown = "\x00"

// env follows what a script has env(1) start: the last of the interpreters.
func (s *search) env(p *Program, before lineage) error {
	by := p.Interpreters[0]
	if by.Script != nil { // a script called env; what that starts nobody can tell
		return nil
	}
	line, home := p.Script.String(), defaultPath
	if by.Loader != nil && by.Loader.Musl {
		home = defaultPathMusl
	}
	c := envCommand{path: s.path, home: home}
	if s.path == "" {
		c.path = home
	}
	if err := c.parse(p.Script.Arg, p.self.Path); err != nil {
		return &ScriptError{line, err.Error()}
	}
	switch {
	case c.name == "":
		return &ScriptError{line, "has env start nothing"}
	case strings.Contains(c.name, unknown), strings.Contains(c.path, unknown) && !strings.Contains(c.name, "/"):
		return &ScriptError{line, "has env start what only the environment tells when it runs"}
	case c.self && c.name == p.self.Path:
		return &ScriptError{line, "has env start the script itself again, without end"}
	}
	n := Need{Dependency: Dependency{tagEnv, c.name}}
	before.inRow = 0 // env starts the next one anew
	s.lookUp(p, &n, c, before)
	p.self.Needs = append(p.self.Needs, n)
	return nil
}

// lookUp finds a program as execvp(3) does: a name with a slash is a path, any
// other is looked up in PATH, where what is no executable file is passed over.
func (s *search) lookUp(p *Program, n *Need, c envCommand, before lineage) {
	if strings.Contains(c.name, "/") {
		s.start(p, n, inDir(c.dir, c.name), Rule{Kind: RuleEnv}, before)
		return
	}
	for dir := range strings.SplitSeq(c.path, ":") {
		rule := Rule{Kind: RuleEnv, Dir: dir}
		file := inDir(inDir(c.dir, dir), c.name)
		if reason := s.unstartable(file); reason != "" {
			n.Tried = append(n.Tried, Probe{Path: file, Rule: rule, Reason: reason})
			continue
		}
		s.start(p, n, file, rule, before)
		return
	}
}

// inDir is a path as it is understood in a directory.
func inDir(dir, name string) string {
	switch {
	case path.IsAbs(name) || dir == "":
		return name
	case name == "":
		return dir
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

// An envCommand is what env(1) makes of its arguments, as coreutils' does.
type envCommand struct {
	name string // of the program to start, "" for none
	self bool   // it is the script, which env got as its last argument
	path string // PATH to look it up in
	home string // where it is looked up without a PATH
	dir  string // -C: where it is started, "" for the working directory

	lost bool // it is started without the PATH that env has
}

// parse reads the words that env gets for a script: the argument in its line, if
// there is one, and the path of the script.
func (c *envCommand) parse(arg, script string) error {
	words := []string{script}
	if arg != "" {
		words = []string{arg, script}
	}
	rest, err := c.options(words)
	if err != nil {
		return err
	}
	if len(rest) > 0 && rest[0] == "-" {
		c.lost, rest = true, rest[1:]
	}
	if c.lost {
		c.path = c.home
	}
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		if value, ok := strings.CutPrefix(rest[0], "PATH="); ok {
			c.path = value
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		c.name, c.self = rest[0], len(rest) == 1
	}
	return nil
}

// envOptions are env's options by their long names: the letter, 0 for none, and
// what follows: ':' an argument, '?' one that is in the same word if at all.
var envOptions = map[string]struct{ letter, takes byte }{
	"argv0": {'a', ':'}, "block-signal": {0, '?'}, "chdir": {'C', ':'}, "debug": {'v', 0}, "default-signal": {0, '?'},
	"ignore-environment": {'i', 0}, "ignore-signal": {0, '?'}, "list-signal-handling": {0, 0}, "null": {'0', 0},
	"split-string": {'S', ':'}, "unset": {'u', ':'},
}

// options takes the options off the words, as getopt_long(3) does that stops at
// the first other word. What -S splits takes its place.
func (c *envCommand) options(words []string) ([]string, error) {
	splits := 0
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			return words, nil
		}
		if len(word) < 2 || word[0] != '-' {
			return append([]string{word}, words...), nil
		}
		options, err := optionsIn(word)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			if o.wants && !o.given {
				if len(words) == 0 {
					return nil, fmt.Errorf("gives env -%c without an argument", o.letter)
				}
				o.value, words = words[0], words[1:]
			}
			if o.letter != 'S' {
				c.option(o)
				continue
			}
			if splits++; splits > maxNeeded {
				return nil, fmt.Errorf("has env split without end")
			}
			more, err := c.split(o.value)
			if err != nil {
				return nil, err
			}
			words = append(more, words...)
		}
	}
	return nil, nil
}

// An envOption is one option as it is given.
type envOption struct {
	letter       byte
	wants, given bool // a value
	value        string
}

// option does what an option asks for, as far as it decides what is started.
func (c *envCommand) option(o envOption) {
	switch {
	case o.letter == 'i', o.letter == 'u' && o.value == "PATH":
		c.lost = true // which -S does not see: ${PATH} is what it was
	case o.letter == 'C':
		c.dir = o.value
	}
}

// optionsIn returns the options in one word: a long one, or some letters.
func optionsIn(word string) ([]envOption, error) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		return longOption(word, long)
	}
	var options []envOption
	for i := 1; i < len(word); i++ {
		takes, known := takesOf(word[i])
		switch {
		case word[i] == ' ' || word[i] == '\t':
			return nil, fmt.Errorf("gives env %q in one word, which -S would take apart", word)
		case !known:
			return nil, fmt.Errorf("gives env -%c, which is no option that is known here", word[i])
		}
		o := envOption{letter: word[i], wants: takes == ':'}
		if o.wants {
			o.value, o.given = word[i+1:], i+1 < len(word)
			return append(options, o), nil
		}
		options = append(options, o)
	}
	return options, nil
}

func takesOf(letter byte) (takes byte, known bool) {
	for _, o := range envOptions {
		if o.letter == letter && letter != 0 {
			return o.takes, true
		}
	}
	return 0, false
}

// longOption returns a long option, whose name may be cut short.
func longOption(word, long string) ([]envOption, error) {
	name, value, given := strings.Cut(long, "=")
	var matches []string
	for full := range envOptions {
		if full == name {
			matches = []string{full}
			break
		}
		if strings.HasPrefix(full, name) {
			matches = append(matches, full)
		}
	}
	if len(matches) != 1 {
		return nil, fmt.Errorf("gives env %s, which is no option that is known here", word)
	}
	o := envOptions[matches[0]]
	if given && o.takes == 0 {
		return nil, fmt.Errorf("gives env %s, which takes no argument", word)
	}
	return []envOption{{o.letter, o.takes == ':', given, value}}, nil
}

// split takes a string apart as env -S does (coreutils, "env invocation"): at
// blanks, with quotes, backslashes, ${NAME} and comments.
func (c *envCommand) split(text string) ([]string, error) {
	s := splitter{text: text, path: c.path}
	for s.text != "" && !s.ended {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	if s.quote != 0 {
		return nil, fmt.Errorf("gives env -S a quote that does not end")
	}
	s.end()
	return slices.Clip(s.words), nil
}

// A splitter is in the midst of a string that env -S splits.
type splitter struct {
	text   string // that is left
	path   string // what ${PATH} is
	words  []string
	word   strings.Builder
	inWord bool
	quote  byte // that is open, 0 for none
	ended  bool // by \c or a comment
}

const envBlanks = " \t\n\v\f\r"

// next takes one character, or one escape, off the text.
func (s *splitter) next() error {
	char := s.text[0]
	s.text = s.text[1:]
	switch {
	case s.quote == 0 && strings.IndexByte(envBlanks, char) >= 0:
		s.end()
	case char == s.quote:
		s.quote = 0
	case s.quote == 0 && (char == '"' || char == '\''):
		s.quote, s.inWord = char, true
	case s.quote == 0 && char == '#' && !s.inWord:
		s.ended = true
	case char == '\\':
		return s.escape()
	case char == '$' && s.quote != '\'':
		return s.variable()
	default:
		s.add(string(char))
	}
	return nil
}

func (s *splitter) add(text string) {
	s.word.WriteString(text)
	s.inWord = true
}

func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

// escape takes what follows a backslash.
func (s *splitter) escape() error {
	if s.text == "" {
		return fmt.Errorf("gives env -S a backslash at its end")
	}
	char := s.text[0]
	if s.quote == '\'' && char != '\\' && char != '\'' {
		s.add(`\`)
		return nil
	}
	s.text = s.text[1:]
	const plain, letters, meaning = `"#$'\`, "fnrtv", "\f\n\r\t\v"
	switch i := strings.IndexByte(letters, char); {
	case strings.IndexByte(plain, char) >= 0:
		s.add(string(char))
	case i >= 0:
		s.add(meaning[i : i+1])
	case char == '_' && s.quote == '"':
		s.add(" ")
	case char == '_':
		s.end()
	case char == 'c' && s.quote == 0:
		s.ended = true
	default:
		return fmt.Errorf(`gives env -S \%c, which means nothing there`, char)
	}
	return nil
}

// variable takes what follows a dollar: {NAME}.
func (s *splitter) variable() error {
	name, rest, ok := strings.Cut(strings.TrimPrefix(s.text, "{"), "}")
	if !ok || !strings.HasPrefix(s.text, "{") || name == "" || !isVariable(name) {
		return fmt.Errorf("gives env -S a $ that is not ${NAME}")
	}
	s.text = rest
	if name == "PATH" {
		s.add(s.path)
		return nil
	}
	s.add(unknown)
	return nil
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
