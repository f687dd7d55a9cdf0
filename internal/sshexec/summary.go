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

// maxShown is how much of a command goes into an error, in characters.
const maxShown = 160

// shown is a command in one line, as errors name it, cut short. Left out are a script, which is a word of several lines, and what env
// sets before it.
func shown(argv []string) string {
	if argv[0] == "env" && len(argv) > 1 {
		argv = argv[1:]
		for len(argv) > 1 && strings.Contains(argv[0], "=") {
			argv = argv[1:]
		}
	}
	said := make([]string, 0, len(argv))
	for _, word := range argv {
		if strings.Contains(word, "\n") {
			word = "…"
		}
		said = append(said, word)
	}
	line := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, strings.Join(said, " ")))
	if len(line) > maxShown {
		return string(line[:maxShown]) + "…"
	}
	return string(line)
}
