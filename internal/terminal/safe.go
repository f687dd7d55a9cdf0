// Package terminal keeps a terminal from obeying what it should show: names and messages come from vCenters and BMCs, and may
// hold control sequences. It knows nothing of what is written.
package terminal

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A SafeWriter makes visible what a terminal would obey. The colours named, as codes ("1;31"), may pass.
type SafeWriter struct {
	W       io.Writer
	Colours []string
}

// Write never reports a short write: what it writes may be longer than p.
func (s SafeWriter) Write(p []byte) (int, error) {
	if bytes.IndexFunc(p, obeyed) < 0 && utf8.Valid(p) {
		return s.W.Write(p)
	}
	if _, err := io.WriteString(s.W, s.harmless(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s SafeWriter) harmless(text string) string {
	var b strings.Builder
	for text != "" {
		if n := s.colour(text); n > 0 {
			b.WriteString(text[:n])
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		b.WriteRune(shown(r))
		text = text[n:]
	}
	return b.String()
}

// colour is the length of the colour that the text begins with; 0: it begins with none that may pass.
func (s SafeWriter) colour(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	for _, code := range s.Colours {
		if strings.HasPrefix(text[2:], code+"m") {
			return len(code) + 3
		}
	}
	return 0
}

// obeyed tells whether a terminal acts on r instead of showing it: control characters, and those that turn the
// direction of writing round.
func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// shown is a character to look at in place of one that would be obeyed. It needs no escape in JSON.
func shown(r rune) rune {
	switch {
	case !obeyed(r):
		return r
	case r < ' ':
		return '\u2400' + r // the Control Pictures block: ␛
	case r == 0x7f:
		return '\u2421'
	}
	return utf8.RuneError
}

// OneLine is text for one line of a display that is drawn in place.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return shown(r)
	}, text)
}
