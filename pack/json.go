package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxValues is how many values a document may have, which is a hundred times what
// the biggest ones have: two bytes of JSON can stand for a struct of 300.
const maxValues = 100_000

// parseDocument reads JSON into v. What is no JSON, does not fit v, or has a hundred
// thousand values is a *[FaultError] of the document that where names.
func parseDocument(where string, data []byte, v any) error {
	if err := CheckValues(data); err != nil {
		return faultf(where, "%s", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return faultf(where, "is not what it should be: %s", err)
	}
	return nil
}

// CheckValues returns an error if a document is more than an index, a manifest or a
// config can be: one that is small as JSON may not be so in memory.
func CheckValues(data []byte) error {
	if countValues(data) > maxValues {
		return fmt.Errorf("has more than %d values", maxValues)
	}
	return nil
}

// countValues counts the values in a JSON document, and objects and lists maybe
// twice.
func countValues(data []byte) int {
	n := 0
	for {
		text := bytes.IndexByte(data, '"')
		part := data
		if text >= 0 {
			part = data[:text]
		}
		for _, c := range part {
			if c == ',' || c == '[' || c == '{' {
				n++
			}
		}
		if text < 0 {
			return n + 1
		}
		data = data[afterText(data, text+1):]
	}
}

// afterText returns where the string ends that begins at a place.
func afterText(data []byte, at int) int {
	for ; at < len(data); at++ {
		switch data[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(data)
}
