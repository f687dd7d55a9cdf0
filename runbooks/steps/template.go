package steps

import (
	"fmt"
	"strings"
)

// A template is text with ${name} in it, which is replaced by the value of a parameter, or ${item.part}. "$${" is "${".

// fill replaces the names; look says what a name stands for, or why it stands for nothing.
func fill(text string, look func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		name, rest, ok := strings.Cut(text[i+2:], "}")
		if !ok {
			return "", fmt.Errorf("%q is not closed: write ${name}, or $${ for the characters themselves", text[i:])
		}
		value, err := look(name)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = rest
	}
}

// hasTemplate tells whether fill would look for a name.
func hasTemplate(text string) bool {
	found := false
	_, err := fill(text, func(string) (string, error) {
		found = true
		return "", nil
	})
	return found || err != nil
}
