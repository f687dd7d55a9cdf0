package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"nightshift/internal/terminal"
	"nightshift/internal/words"
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

// safely is w for what may hold anything: a terminal that shows it obeys none of it but this command's colours, where they are meant.
func safely(w io.Writer, colours bool) terminal.SafeWriter {
	if !colours {
		return terminal.SafeWriter{W: w}
	}
	return terminal.SafeWriter{W: w, Colours: []string{"0", bold, dim, red, green, yellow, cyan}}
}

// A paint colours text, or leaves it.
type paint bool

// colours on stdout: where it is a terminal and NO_COLOR is not set (no-color.org: set and not empty).
func (a *app) paint() paint { return paint(a.outTerminal && a.getenv("NO_COLOR") == "") }

// errPaint is paint for stderr.
func (a *app) errPaint() paint { return paint(a.errTerminal && a.getenv("NO_COLOR") == "") }

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

// cut shortens s to n columns of one line.
func cut(s string, n int) string {
	s = terminal.OneLine(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n <= 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

func containsWord(list, word string) bool { return contains(fields(list), word) }

func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// wrap breaks s into lines of at most n columns, at blanks where there are any.
func wrap(s string, n int) (lines []string) {
	n = max(n, 1)
	line := ""
	for _, w := range strings.Fields(terminal.OneLine(s)) {
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func join(l []string) string { return strings.Join(l, ", ") }

func contains(l []string, s string) bool { return slices.Contains(l, s) }

// some names the first few.
func some(l []string) string {
	const few = 3
	return words.Some(slices.Sorted(slices.Values(l)), few)
}
