package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/kballard/go-shellquote"
)

var errQuotes = errors.New("a quote or a backslash has no end")

// words reads a command: a JSON array, or words between blanks with quotes and
// backslashes as in sh(1). Nothing is expanded: it is no shell that runs it.
func words(flag, s string) ([]string, error) {
	if !strings.HasPrefix(strings.TrimSpace(s), "[") {
		list, err := shellquote.Split(s)
		if err != nil {
			return nil, usagef("%s %s: %w", flag, s, errQuotes)
		}
		return list, nil
	}
	var list []string
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, usagef("%s %s: not a JSON array of strings", flag, s)
	}
	return list, nil
}

// writeJSON prints v for machines that people look over the shoulder of.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
