package teach

import (
	"strings"
	"unicode"
)

// width is how wide lines are, in columns of a terminal.
const width = 80

// fold breaks a text into lines of at most max columns: between words, and between
// any two Chinese characters but before punctuation. A line break in the text is a
// blank, and between Chinese characters nothing.
func fold(text string, most int) []string {
	var lines []string
	line, columns := "", 0
	for _, w := range fragments(text) {
		if columns > 0 && columns+w.columns()+w.blank() > most {
			lines = append(lines, line)
			line, columns = "", 0
		}
		if columns > 0 && w.spaced {
			line += " "
			columns++
		}
		line += w.text
		columns += w.columns()
	}
	return append(lines, line)
}

// A fragment is what is not broken.
type fragment struct {
	text   string
	spaced bool // a blank comes before it
}

func (f fragment) columns() int {
	n := 0
	for _, r := range f.text {
		n += columnsOf(r)
	}
	return n
}

func (f fragment) blank() int {
	if f.spaced {
		return 1
	}
	return 0
}

// columnsOf is how wide a character is on a terminal, as far as the texts go.
func columnsOf(r rune) int {
	if isWide(r) {
		return 2
	}
	return 1
}

// isWide reports whether a character is Chinese, or of its punctuation.
func isWide(r rune) bool {
	return unicode.Is(unicode.Han, r) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60
}

// fragments takes a text apart where lines may be broken.
func fragments(text string) []fragment {
	var list []fragment
	var last rune // before this word, 0 at the start
	for word := range strings.FieldsSeq(text) {
		first := true
		for _, r := range word {
			joins := len(list) > 0 && !first && !breaksBetween(last, r)
			switch {
			case joins:
				list[len(list)-1].text += string(r)
			case first && last != 0:
				list = append(list, fragment{string(r), !isWide(last) || !isWide(r)})
			default:
				list = append(list, fragment{text: string(r)})
			}
			first, last = false, r
		}
	}
	return list
}

// breaksBetween reports whether a line may end between two characters that no
// blank is between.
func breaksBetween(a, b rune) bool {
	if strings.ContainsRune("，。、；：？！）》”’", b) || strings.ContainsRune("（《“‘", a) {
		return false
	}
	return isWide(a) || isWide(b)
}
