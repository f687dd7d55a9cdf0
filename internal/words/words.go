// Package words says counts, durations, moments and lists as people do. It is the one place for that: what is said in two ways
// reads as two things. It knows nothing of nightshift, and does the same for the same input, so that workflow code may use it.
package words

import (
	"fmt"
	"slices"
	"strings"
)

// Count is "1 host", "2 hosts". A phrase is counted by its last word: "2 remembered guests".
func Count(n int, what string) string { return CountOf(n, what, plural(what)) }

// CountOf is Count where the plural is another word, or has more after it: "1 person", "2 people"; "1 step waits", "2 steps wait".
func CountOf(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// Many is Count for numbers that grow large: "1,980 steps".
func Many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Thousands(n) + " " + plural(what)
}

// Thousands writes 1980 as "1,980".
func Thousands(n int) string {
	s := fmt.Sprint(n)
	var parts []string
	for ; len(s) > 3; s = s[:len(s)-3] {
		parts = append(parts, s[len(s)-3:])
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}

// Of is "12 of 27 steps", "1 of 1 step".
func Of(n, total int, what string) string { return fmt.Sprintf("%d of %s", n, Count(total, what)) }

// Times is "once", "3 times".
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return Count(n, "time")
}

// plural of a word that has a common one: host, switch, policy, UPS.
func plural(what string) string {
	for _, end := range []string{"s", "x", "ch", "sh", "S"} {
		if strings.HasSuffix(what, end) {
			return what + "es"
		}
	}
	if n := len(what); n > 1 && what[n-1] == 'y' && !strings.ContainsRune("aeiou", rune(what[n-2])) {
		return what[:n-1] + "ies"
	}
	return what + "s"
}

// Some names the first few of a list, as they stand there: "web01, web02 and 3 more".
func Some(names []string, few int) string {
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// After is what comes after a part of a sentence, if there is anything: ": no Tools".
func After(note string) string {
	if note == "" {
		return ""
	}
	return ": " + note
}
