package yamlfile

import (
	"fmt"
	"strings"
)

// Allowed is the remedy for a word that is none of the allowed ones.
func Allowed(got string, words []string) string {
	list := strings.Join(words, ", ")
	if near := Nearest(got, words); near != "" {
		return fmt.Sprintf("did you mean %q? Allowed: %s", near, list)
	}
	return "allowed: " + list
}

// Nearest is the word that got was probably meant to be, or "".
func Nearest(got string, words []string) string {
	best, bestDistance := "", max(1, len(got)/3)+1
	for _, w := range words {
		if strings.EqualFold(got, w) {
			return w
		}
		if d := distance(strings.ToLower(got), strings.ToLower(w)); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes; words longer than any key of ours are far from everything.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
