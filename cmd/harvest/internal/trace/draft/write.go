package draft

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/harvest-oci/harvest/rootfs"
)

// mostListed is how many names a comment lists of one reason; the others are
// counted.
const mostListed = 20

// WriteTo writes the draft as a harvest.yaml. Equal drafts give equal files.
func (d *Draft) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	d.header(&b)
	d.image(&b)
	d.binaries(&b)
	d.files(&b)
	d.paths(&b)
	d.leftOut(&b)
	return b.WriteTo(w)
}

func (d *Draft) header(b *bytes.Buffer) {
	b.WriteString("# A draft by harvest trace: read it before you build from it.\n")
	if len(d.Command) > 0 {
		fmt.Fprintf(b, "# Command: %s\n", comment(d.shownCommand()))
	}
	b.WriteString(`# It lists what one run has used. Another run, with other arguments, another
# locale or other data, may use more: add a check that shows the image works.
`)
	if d.Missing > 0 {
		fmt.Fprintf(b, "# Names that were asked for and not found: %d; they are not listed.\n", d.Missing)
	}
	for _, note := range d.Notes {
		fmt.Fprintf(b, "# Note: %s.\n", comment(note))
	}
}

// image writes how the image runs the command.
func (d *Draft) image(b *bytes.Buffer) {
	if d.Refused != "" || len(d.Binaries) == 0 {
		b.WriteString("\n# image: what it runs is left out, as the command itself is; see below\n")
		return
	}
	b.WriteString("\nimage:\n")
	fmt.Fprintf(b, "  entrypoint: [%s]\n", scalar(d.Binaries[0]))
	d.cmd(b)
	if d.Dir != "" && d.Dir != "/" && writable(d.Dir) == "" && denied(d.Dir, []string{d.Home}) == "" {
		fmt.Fprintf(b, "  workdir: %s\n", scalar(d.Dir))
	}
	d.env(b)
}

// cmd writes the arguments, unless they cannot mean the same in the image or
// are nobody's business.
func (d *Draft) cmd(b *bytes.Buffer) {
	if len(d.Command) < 2 {
		return
	}
	words := make([]string, len(d.Command)-1)
	why := ""
	for i, arg := range d.Command[1:] {
		words[i] = scalar(arg)
		for _, part := range strings.FieldsFunc(arg, func(c rune) bool { return strings.ContainsRune("=:, '\"", c) }) {
			if strings.HasPrefix(part, "/") && d.isPrivate(part) {
				why = "it names what is somebody's own"
			}
		}
		if !isText(arg) {
			why = "it cannot be written in YAML"
		}
	}
	if !slices.Equal(redact(d.Command), d.Command) {
		why = "it may hold a secret"
	}
	if why != "" {
		fmt.Fprintf(b, "  # cmd is left out: %s\n", why)
		return
	}
	fmt.Fprintf(b, "  cmd: [%s]\n", strings.Join(words, ", "))
}

// known are the variables that change which files programs look for.
var known = regexp.MustCompile(`^(LANG|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|PYTHONPATH|PYTHONHOME|PERL5LIB|RUBYLIB|NODE_PATH|JAVA_HOME|CLASSPATH|TERMINFO|SSL_CERT_FILE|SSL_CERT_DIR|MAGIC|GCONV_PATH|OPENSSL_CONF)=(.+)$`)

// env writes the variables that say where files are.
func (d *Draft) env(b *bytes.Buffer) {
	lines := map[string]string{}
	var names []string
	for _, v := range d.Env {
		m := known.FindStringSubmatch(v)
		if m == nil || !isText(m[2]) {
			continue
		}
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
		lines[m[1]] = fmt.Sprintf("    %s: %s\n", m[1], quoted(m[2]))
		for _, dir := range strings.Split(m[2], ":") {
			if strings.HasPrefix(dir, "/") && d.isPrivate(dir) {
				lines[m[1]] = fmt.Sprintf("    # %s is left out: it names what is somebody's own\n", m[1])
			}
		}
	}
	slices.Sort(names)
	kept := slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(lines[n], "    #") })
	if !kept {
		return
	}
	b.WriteString("  env:\n")
	for _, name := range names {
		b.WriteString(lines[name])
	}
}

// isPrivate reports whether a path is in a home, or may be a secret.
func (d *Draft) isPrivate(name string) bool {
	why := denied(name, []string{d.Home})
	return why == home || why == secret
}

func (d *Draft) binaries(b *bytes.Buffer) {
	if len(d.Binaries) == 0 {
		b.WriteString("\n# binaries: no program that may be shipped was executed; see below\n")
		return
	}
	b.WriteString("\nbinaries:")
	if d.Libraries > 0 {
		fmt.Fprintf(b, " # their libraries come with them; %d opened", d.Libraries)
	}
	b.WriteString("\n")
	for _, name := range d.Binaries {
		fmt.Fprintf(b, "  - %s\n", scalar(name))
	}
}

func (d *Draft) files(b *bytes.Buffer) {
	if len(d.Groups) == 0 {
		return
	}
	b.WriteString("\nfiles:\n")
	for _, g := range d.Groups {
		name := g.Package
		if name == "" {
			name = "of no package"
		}
		fmt.Fprintf(b, "  # %s\n", comment(name))
		for _, p := range g.Paths {
			fmt.Fprintf(b, "  - %s", scalar(p.Name))
			if p.Files > 0 {
				fmt.Fprintf(b, " # a folder of %d files, most of which were used", p.Files)
			}
			b.WriteString("\n")
		}
	}
}

func (d *Draft) paths(b *bytes.Buffer) {
	if len(d.Folders) == 0 {
		return
	}
	b.WriteString("\npaths: # folders that were looked into, or written into\n")
	for _, f := range d.Folders {
		fmt.Fprintf(b, "  - {path: %s, type: directory, mode: \"%04o\"", scalar(f.Path), rootfs.UnixPerm(f.Mode))
		if f.UID != 0 || f.GID != 0 {
			fmt.Fprintf(b, ", uid: %d, gid: %d", f.UID, f.GID)
		}
		b.WriteString("}")
		if f.Written {
			b.WriteString(" # the command writes into it")
		}
		b.WriteString("\n")
	}
}

func (d *Draft) leftOut(b *bytes.Buffer) {
	if len(d.LeftOut) == 0 {
		return
	}
	b.WriteString("\n# Left out\n")
	for _, l := range d.LeftOut {
		fmt.Fprintf(b, "#\n# %s: %d\n", l.Why, len(l.Paths))
		for _, name := range l.Paths[:min(len(l.Paths), mostListed)] {
			fmt.Fprintf(b, "#   %s\n", comment(name))
		}
		if more := len(l.Paths) - mostListed; more > 0 {
			fmt.Fprintf(b, "#   and %d more\n", more)
		}
	}
}

// shownCommand returns the command for a comment.
func (d *Draft) shownCommand() string {
	words := redact(d.Command)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`;&|<>()*?[]#~!{}") || !isText(w) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

var (
	secretWord = regexp.MustCompile(`(?i)(pass|pwd|secret|token|api-?_?key|credential|auth|-key$|^-p$)`)
	account    = regexp.MustCompile(`^(-u|--user|--proxy-user|-U)(=|$)`) // curl's, with a password behind a colon
	shortForm  = regexp.MustCompile(`^-u[^:]+:[^/]`)                     // likewise, in one word
	attached   = regexp.MustCompile(`^-p.`)                              // of what takes a password so
	takesPass  = regexp.MustCompile(`^(mysql|mariadb|sshpass)`)
	userInfo   = regexp.MustCompile(`(://[^/@:\s]*:)[^/@\s]+@`)
)

// hidden stands for what is not shown.
const hidden = "(hidden)"

// redact returns a command without what may be a secret in it: the value of an
// option that is named like one, what follows such an option, accounts with a
// password as curl has them, the -p of database clients and the password in a URL.
func redact(command []string) []string {
	words := slices.Clone(command)
	for i := 1; i < len(words); i++ {
		before := ""
		if i > 1 {
			before = command[i-1]
		}
		words[i] = redactWord(path.Base(command[0]), before, command[i])
	}
	return words
}

// redactWord returns a word of a program's command, which stands behind another.
func redactWord(program, before, w string) string {
	name, value, hasValue := strings.Cut(w, "=")
	_, _, isHeader := strings.Cut(w, ": ")
	switch {
	case strings.HasPrefix(before, "-") && !strings.Contains(before, "=") && secretWord.MatchString(before) && (before != "-p" || takesPass.MatchString(program)),
		account.MatchString(before) && strings.Contains(w, ":"),
		isHeader && secretWord.MatchString(w):
		return hidden
	case hasValue && (secretWord.MatchString(name) || account.MatchString(name) && strings.Contains(value, ":")):
		return name + "=" + hidden
	case shortForm.MatchString(w):
		return "-u" + hidden
	case takesPass.MatchString(program) && attached.MatchString(w):
		return "-p" + hidden
	}
	return userInfo.ReplaceAllString(w, "${1}"+hidden+"@")
}

// plain are texts that YAML takes for what they are without quotes.
var plain = regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9/._+@~=-]*$`)

// scalar writes a text as YAML in a list of blocks or of flow.
func scalar(s string) string {
	if plain.MatchString(s) && !slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return quoted(s)
}

// quoted writes a text as a scalar in double quotes, whose escapes are Go's.
func quoted(s string) string { return strconv.QuoteToASCII(s) }

// isText reports whether a text is UTF-8 without controls.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// comment writes a text that ends no line.
func comment(s string) string {
	if isText(s) {
		return s
	}
	return strconv.Quote(s)
}
