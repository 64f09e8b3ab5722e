package diagnosis

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/harvest-oci/harvest/rootfs/plan/lint"
)

//go:embed book/*.yaml
var files embed.FS

// A Book knows messages and their causes.
type Book struct {
	Messages []*Message // the first that fits a line is meant
	causes   map[string]*Cause
}

// A Message is something that programs say, in the words of several of them.
type Message struct {
	Name    string            `yaml:"name"`
	Match   []string          `yaml:"match"` // regular expressions, whose groups are what texts speak of
	Default map[string]string `yaml:"default"`
	Like    []Example         `yaml:"like"`
	Means   string            `yaml:"means"`
	Causes  []string          `yaml:"causes"` // names of them, the likeliest first
	Else    string            `yaml:"else"`   // what it may be if none of them holds

	patterns []*regexp.Regexp
}

// An Example is a message as it was seen.
type Example struct {
	By   string `yaml:"by"`
	Text string `yaml:"text"`
}

// A Cause is something that an image may lack. {file} and the like in its texts
// and paths are groups of the message.
type Cause struct {
	Name    string   `yaml:"-"`
	Text    string   `yaml:"text"`
	Tell    string   `yaml:"tell"` // how to tell by hand
	Mend    string   `yaml:"mend"`
	Lint    []string `yaml:"lint"`    // rules, or RULE/CASE
	Of      string   `yaml:"of"`      // what a finding is to be about: file, which is the default, name, version or any
	Absent  []string `yaml:"absent"`  // patterns of paths
	Present []string `yaml:"present"` // likewise
	Check   string   `yaml:"check"`   // a function
	Unless  []string `yaml:"unless"`  // other causes, each enough to explain the message
}

// Open returns the book of this package.
func Open() (*Book, error) {
	b := &Book{}
	if err := read("book/messages.yaml", &b.Messages); err != nil {
		return nil, err
	}
	if err := read("book/causes.yaml", &b.causes); err != nil {
		return nil, err
	}
	for name, c := range b.causes {
		c.Name = name
		if err := c.valid(b.causes); err != nil {
			return nil, fmt.Errorf("cause %s: %w", name, err)
		}
	}
	for _, m := range b.Messages {
		if err := m.compile(b.causes); err != nil {
			return nil, fmt.Errorf("message %s: %w", m.Name, err)
		}
	}
	return b, nil
}

func read(name string, into any) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path.Base(name), err)
	}
	return nil
}

func (m *Message) compile(causes map[string]*Cause) error {
	for _, text := range m.Match {
		re, err := regexp.Compile("(?i)" + text)
		if err != nil {
			return err
		}
		m.patterns = append(m.patterns, re)
	}
	for _, name := range m.Causes {
		if causes[name] == nil {
			return fmt.Errorf("there is no cause %s", name)
		}
	}
	return nil
}

// valid makes sure that a cause can be looked for.
func (c *Cause) valid(causes map[string]*Cause) error {
	for _, name := range c.Unless {
		if causes[name] == nil {
			return fmt.Errorf("there is no cause %s", name)
		}
	}
	for _, rule := range c.Lint {
		name, _, _ := strings.Cut(rule, "/")
		if !slices.Contains(rules, lint.Rule(name)) {
			return fmt.Errorf("lint has no rule %s", name)
		}
	}
	switch {
	case c.Check != "" && checks[c.Check] == nil:
		return fmt.Errorf("there is no check %s", c.Check)
	case len(c.Lint) == 0 && len(c.Absent) == 0 && c.Check == "":
		return errors.New("nothing is looked for")
	case !slices.Contains([]string{"", ofName, ofVersion, ofAny}, c.Of):
		return fmt.Errorf("findings are of no %s", c.Of)
	}
	return nil
}

// rules are those that causes may name.
var rules = []lint.Rule{lint.Command, lint.User, lint.Interpreter, lint.Library, lint.Libc, lint.Damaged, lint.Script, lint.Link, lint.Capabilities}

// A Match is a message that was recognised in a text.
type Match struct {
	*Message
	Line   string            // of the text
	Groups map[string]string // what the line says, by the names of the pattern's groups
}

// Recognise returns the messages in a text, each once, in order.
func (b *Book) Recognise(text string) []Match {
	var found []Match
	for line := range strings.Lines(text) {
		m, ok := b.line(strings.TrimSpace(line))
		same := func(o Match) bool { return o.Message == m.Message && maps.Equal(o.Groups, m.Groups) }
		if ok && !slices.ContainsFunc(found, same) {
			found = append(found, m)
		}
	}
	return found
}

// line returns the first message that fits a line.
func (b *Book) line(line string) (Match, bool) {
	for _, m := range b.Messages {
		for _, re := range m.patterns {
			found := re.FindStringSubmatch(line)
			if found == nil {
				continue
			}
			groups := maps.Clone(m.Default)
			if groups == nil {
				groups = make(map[string]string)
			}
			for i, name := range re.SubexpNames() {
				if name != "" && found[i] != "" {
					groups[name] = found[i]
				}
			}
			if file := groups["file"]; groups["dir"] == "" && path.IsAbs(file) {
				groups["dir"] = path.Dir(file)
			}
			return Match{m, line, groups}, true
		}
	}
	return Match{}, false
}

// Explained returns what the message means.
func (m Match) Explained() string { return m.fill(m.Means) }

// Otherwise returns what it may be if no cause holds, "" if there is nothing usual.
func (m Match) Otherwise() string { return m.fill(m.Else) }

// words stand for what a message does not say.
var words = []string{"{file}", "the program", "{dir}", "the folder", "{name}", "it", "{user}", "that user", "{term}", "TERM", "{version}", "it"}

// fill puts what the message says into a text.
func (m Match) fill(text string) string {
	var pairs []string
	for name, value := range m.Groups {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(append(pairs, words...)...).Replace(text)
}

// A Possible cause of a message.
type Possible struct {
	Cause string `json:"cause"`
	Path  string `json:"path,omitempty"` // in the image; "" without one
	Text  string `json:"text"`
	Tell  string `json:"tell,omitempty"` // how to tell by hand whether it holds; "" if that is known
	Mend  string `json:"mend"`
}

// Possible returns all that a message can be due to.
func (b *Book) Possible(m Match) []Possible {
	var list []Possible
	for _, name := range m.Causes {
		c := b.causes[name]
		list = append(list, Possible{Cause: name, Text: m.fill(c.Text), Tell: m.fill(c.Tell), Mend: m.fill(c.Mend)})
	}
	return list
}
