package sshexec

import (
	"fmt"
	"strings"
	"unicode"
)

// maxSummary is how much of a command's output goes into an error or a report, in characters.
const maxSummary = 300

// Summary says in one line how the command ended and what it printed last, cut short: "exit status 1: no quorum".
func (r Result) Summary() string {
	how := fmt.Sprintf("exit status %d", r.Status)
	if r.Signal != "" {
		how = "killed by SIG" + Short(r.Signal) // the server's own word
	}
	text := r.Stderr
	if len(strings.TrimSpace(string(text))) == 0 {
		text = r.Stdout
	}
	said := Short(string(text))
	if said == "" {
		return how
	}
	return how + ": " + said
}

// Short makes one line of what a program printed: its last words, without control characters.
func Short(s string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(s, "�"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	line := []rune(strings.Join(words, " "))
	if len(line) > maxSummary {
		return "…" + string(line[len(line)-maxSummary:])
	}
	return string(line)
}
