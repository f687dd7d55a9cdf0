package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// writeJSON prints one value, indented, as -o json does everywhere.
func (a *app) writeJSON(v any) error { return writeJSONTo(a.out, v) }

func writeJSONTo(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// notef tells something beside the result, on stderr.
func (a *app) notef(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// tell tells what goes on: on stdout, or on stderr where stdout is for JSON.
func (a *app) tell(format string, args ...any) {
	w := a.out
	if a.json() {
		w = a.err
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// A paint colours text, or leaves it.
type paint bool

// colours on stdout: where it is a terminal and NO_COLOR is not set (no-color.org: set and not empty).
func (a *app) paint() paint { return paint(a.outTerminal && a.getenv("NO_COLOR") == "") }

// SGR codes.
const (
	plainText = ""
	bold      = "1"
	dim       = "2"
	red       = "31"
	green     = "32"
	yellow    = "33"
	cyan      = "36"
)

func (p paint) on(code, s string) string {
	if !p || code == plainText || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// table prints rows under a header, columns two blanks apart.
func table(w io.Writer, p paint, header []string, rows [][]string) {
	width := make([]int, len(header))
	for _, r := range append([][]string{header}, rows...) {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	line := func(r []string) string {
		var b strings.Builder
		for i, c := range r {
			b.WriteString(c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2))
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	fmt.Fprintln(w, p.on(bold, line(header)))
	for _, r := range rows {
		fmt.Fprintln(w, line(r))
	}
}

// span is a duration as people say it: 8s, 4m05s, 2h07m.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// stamp is a moment in local time; empty where there is none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// cut shortens s to n columns of one line.
func cut(s string, n int) string {
	s = oneLineOf(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n <= 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

func containsWord(list, word string) bool { return contains(words(list), word) }

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// wrap breaks s into lines of at most n columns, at blanks where there are any.
func wrap(s string, n int) (lines []string) {
	n = max(n, 1)
	line := ""
	for _, w := range strings.Fields(oneLineOf(s)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) <= n {
			line += " " + w
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for r := []rune(w); ; r = r[n:] {
			if line = string(r); len(r) <= n {
				break
			}
			lines = append(lines, string(r[:n]))
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// count is "1 host", "2 hosts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func join(l []string) string { return strings.Join(l, ", ") }

func contains(l []string, s string) bool { return slices.Contains(l, s) }

// some names the first few.
func some(l []string) string {
	const few = 3
	l = slices.Sorted(slices.Values(l))
	if len(l) <= few {
		return join(l)
	}
	return fmt.Sprintf("%s and %d more", join(l[:few]), len(l)-few)
}
