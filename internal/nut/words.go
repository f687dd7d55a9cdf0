package nut

import (
	"errors"
	"strings"
)

// encode makes a line of words: those with blanks or quotes in them are quoted as upsd's parser (parseconf) has it.
func encode(words []string) (string, error) {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		for j := range len(w) {
			if w[j] < ' ' || w[j] == 0x7f {
				return "", errors.New("a word of it has a control character")
			}
		}
		if w != "" && !strings.ContainsAny(w, " \"\\#=") {
			b.WriteString(w)
			continue
		}
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`)
	}
	b.WriteByte('\n')
	if b.Len() > maxLine {
		return "", errors.New("it is too long")
	}
	return b.String(), nil
}

// decode parts a line into words: blanks part them, "…" keeps them together, \ takes the next character as it is.
func decode(line string) (words []string, _ error) {
	line = strings.TrimRight(line, "\r\n")
	var word strings.Builder
	open, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; {
		case ch == '\\':
			if i++; i == len(line) {
				return nil, errors.New("it ends with a backslash")
			}
			word.WriteByte(line[i])
			open = true
		case ch == '"':
			quoted, open = !quoted, true
		case ch == ' ' && !quoted || ch == '\t' && !quoted:
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		case ch < ' ' || ch == 0x7f:
			return nil, errors.New("it has a control character")
		default:
			word.WriteByte(ch)
			open = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
