package inventory

import (
	"errors"
	"strings"
)

// splitWords splits a command into its words as a shell does: by blanks, with '…', "…" and \ to keep them together.
// Nothing is expanded.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // there is a word, be it empty: ""
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		case '\'', '"':
			n, err := quoted(s[i+1:], c, &word)
			if err != nil {
				return nil, err
			}
			i += n
			open = true
		case '\\':
			i++
			if i == len(s) {
				return nil, errors.New("the command ends with a backslash")
			}
			word.WriteByte(s[i])
			open = true
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("there is no command")
	}
	return words, nil
}

// quoted appends to word what stands before the closing quote, and returns how many bytes it took, that quote included.
func quoted(s string, quote byte, word *strings.Builder) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
		}
		word.WriteByte(s[i])
	}
	return 0, errors.New("a quote is not closed")
}
