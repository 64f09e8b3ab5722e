package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

var errQuotes = errors.New("quotes mean nothing between words")

// words reads a command: a JSON array, or words between blanks. Quotes, which
// only a shell would understand, are refused.
func words(flag, s string) ([]string, error) {
	if !strings.HasPrefix(strings.TrimSpace(s), "[") {
		if strings.ContainsAny(s, "\"'") {
			return nil, usagef("%s %s: %w", flag, s, errQuotes)
		}
		return strings.Fields(s), nil
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
