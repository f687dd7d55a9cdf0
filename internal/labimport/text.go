package labimport

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// A writer collects the lines of the file.
type writer struct{ strings.Builder }

// width is how long lines get, where words can be broken.
const width = 118

// line writes YAML with a comment behind it, or above it where it would get too long.
func (w *writer) line(indent int, yaml, comment string) {
	pad := strings.Repeat(" ", indent)
	if comment = clean(comment); comment == "" {
		w.WriteString(pad + yaml + "\n")
		return
	}
	if utf8.RuneCountInString(pad+yaml+" # "+comment) <= width {
		w.WriteString(pad + yaml + " # " + comment + "\n")
		return
	}
	w.remark(indent, comment)
	w.WriteString(pad + yaml + "\n")
}

// comment is remark of what fmt.Sprintf makes.
func (w *writer) comment(indent int, format string, args ...any) {
	w.remark(indent, fmt.Sprintf(format, args...))
}

// remark writes a paragraph of comment, wrapped; the further lines of a "- " hang below the first.
func (w *writer) remark(indent int, text string) {
	pad := strings.Repeat(" ", indent) + "# "
	line, hang, further := "", "", ""
	if strings.HasPrefix(text, "- ") {
		further = "  "
	}
	for _, word := range strings.Fields(clean(text)) {
		if line != "" && utf8.RuneCountInString(pad+hang+line+" "+word) > width {
			w.WriteString(pad + hang + line + "\n")
			line, hang = "", further
		}
		line = strings.TrimSpace(line + " " + word)
	}
	w.WriteString(strings.TrimRight(pad+hang+line, " ") + "\n")
}

// proposal writes a line as it is behind a #: of YAML, who takes "# " away has an entry.
func (w *writer) proposal(indent int, yaml string) {
	w.WriteString(strings.Repeat(" ", indent) + "# " + clean(yaml) + "\n")
}

func (w *writer) blank() { w.WriteString("\n") }

// heading begins a part of the file.
func (w *writer) heading(text string) {
	w.blank()
	w.remark(0, text)
}

// clean keeps a text to its line: it comes from a vCenter, and may hold anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\ufeff' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// scalar writes a text as YAML, in quotes where it needs some. The library decides, and has to read it back as the same
// text, at the end of a line and inside of brackets; false: it does not, in any way of writing it.
func scalar(s string) (string, bool) {
	if s != clean(s) {
		return "", false
	}
	plain, err := yaml.Marshal(s)
	for _, text := range []string{strings.TrimSuffix(string(plain), "\n"), strconv.Quote(s), strconv.QuoteToASCII(s)} {
		if err == nil && !strings.Contains(text, "\n") && readsAs(text, s) {
			return text, true
		}
		err = nil
	}
	return "", false
}

// readsAs tells whether the text is read as the string s, and as text, not as a number or a date.
func readsAs(text, s string) bool {
	var v struct{ A, B any }
	if err := yaml.Unmarshal([]byte("a: "+text+" # note\nb: [x, "+text+", x]\n"), &v); err != nil {
		return false
	}
	list, ok := v.B.([]any)
	return v.A == s && ok && len(list) == 3 && list[1] == s
}

// quoted is scalar for texts that are there in any case: what the library cannot read back is written in Go's quotes, and
// the validation of the whole file finds it.
func quoted(s string) string {
	if text, ok := scalar(s); ok {
		return text
	}
	return strconv.Quote(clean(s))
}

// listOf is a list in one line.
func listOf(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quoted(n)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// nameable tells whether a name of vCenter can stand in a lab file.
func nameable(s string) bool {
	_, ok := scalar(s)
	return ok && s != "" && strings.TrimSpace(s) == s && len(s) <= 400 && !strings.HasPrefix(s, groupPrefix)
}

// groupPrefix marks a group in after:.
const groupPrefix = "group:"

var noName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fewNames is how many names of a list are told.
const fewNames = 4

// plain makes a name that nightshift itself can use of one that vCenter has.
func plain(s, otherwise string) string {
	s = strings.Trim(noName.ReplaceAllString(s, "-"), "-._")
	if s = s[:min(len(s), 80)]; s == "" {
		return otherwise
	}
	return strings.TrimRight(s, "-._")
}
