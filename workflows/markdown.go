package workflows

import (
	"regexp"
	"strings"
	"unicode"

	"nightshift/internal/words"
)

// marks are what Markdown, and the HTML in it, would not show as it stands.
var marks = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "|", `\|`, "<", "&lt;", "&", "&amp;", "\n", " ", "`", "'", "[", `\[`, "~", `\~`)

// verbatim is what must be shown letter by letter: commands in backticks, and options, whose dashes the UI would join to one.
var verbatim = regexp.MustCompile("`[^`\n]+`|--[a-z][a-z-]*")

// escape keeps names from being read as Markdown, and from turning the writing round.
func escape(s string) string {
	s = strings.Map(printable, s)
	var b strings.Builder
	for {
		at := verbatim.FindStringIndex(s)
		if at == nil {
			return b.String() + marks.Replace(s)
		}
		b.WriteString(marks.Replace(s[:at[0]]) + strings.ReplaceAll(code(strings.Trim(s[at[0]:at[1]], "`")), "|", "\u2502")) // it may stand in a table
		s = s[at[1]:]
	}
}

// code shows s as it is: nothing in it is Markdown.
func code(s string) string { return words.Code(strings.Map(printable, s)) }

func printable(r rune) rune {
	if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
		return unicode.ReplacementChar
	}
	return r
}
