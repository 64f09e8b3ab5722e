package teach

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word quotes a word for a shell if that would take it for something else.
func word(s string) string {
	plain := s != ""
	for _, r := range s {
		if !strings.ContainsRune("/._-+,:=@%", r) && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// words quotes words, and puts blanks between them.
func words(list ...string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = word(s)
	}
	return strings.Join(quoted, " ")
}

// file quotes a relative path, which no command shall take for a flag.
func file(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return word(path)
}

// comment returns what can stand in one line.
func comment(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strconv.Quote(s)
}
