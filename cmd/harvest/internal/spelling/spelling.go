// Package spelling finds what a word that nobody knows may have been meant for.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// Distance is how many letters have to be put in, left out or replaced, or put the
// other way round where they stand together, to make b of a (optimal string
// alignment).
func Distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// Near returns at most most of the known words that are written nearly like one,
// or hold it, the nearest first and of those the first by name.
func Near(word string, known []string, most int) []string {
	type guess struct {
		word     string
		distance int
	}
	var guesses []guess
	for _, k := range known {
		d := Distance(word, k)
		within := strings.HasPrefix(k, word) || strings.HasSuffix(k, word) || len(word) > 2 && strings.Contains(k, word)
		if word != "" && (within || d <= 1+len(word)/6) {
			guesses = append(guesses, guess{k, d})
		}
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.word, b.word))
	})
	guesses = slices.Compact(guesses)
	var words []string
	for _, g := range guesses[:min(len(guesses), most)] {
		words = append(words, g.word)
	}
	return words
}
