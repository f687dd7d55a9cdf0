package terminal

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func ours() []string { return []string{"0", "1", "31"} }

func TestSafeWriter(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü ✓\n\tx":     "plain ü ✓\n\tx",
		"\x1b[31mred\x1b[0m": "\x1b[31mred\x1b[0m",
		"\x1b[8mhidden":      "␛[8mhidden",
		"\x1b]0;t\a":         "␛]0;t␇",
		"a\r\nb\x9bc\u202ed": "a␍\nb\uFFFDc\uFFFDd",
		"\x1b[31":            "␛[31",
		"\x1b":               "␛",
	} {
		var b bytes.Buffer
		n, err := SafeWriter{&b, ours()}.Write([]byte(in))
		require.NoError(t, err)
		require.Equal(t, len(in), n)
		require.Equal(t, want, b.String())
	}
}

// FuzzSafeWriter: nothing that a terminal obeys comes through but our own colours, and what is harmless stays as it is.
func FuzzSafeWriter(f *testing.F) {
	for _, s := range []string{"web01\n", "\x1b[31mred\x1b[0m", "\x1b[2J\x1b]0;x\a", "\u202e\u0085\x7f\r", "\x80\xff", "\x1b[\x1b[1m"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, colours bool) {
		var out bytes.Buffer
		w := SafeWriter{W: &out}
		if colours {
			w.Colours = ours()
		}
		n, err := w.Write(b)
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		require.True(t, utf8.Valid(out.Bytes()))
		rest := out.String()
		for rest != "" {
			if n := w.colour(rest); n > 0 {
				rest = rest[n:]
				continue
			}
			r, n := utf8.DecodeRuneInString(rest)
			require.False(t, obeyed(r), "%q", rest)
			rest = rest[n:]
		}
		if utf8.Valid(b) && bytes.IndexFunc(b, obeyed) < 0 {
			require.Equal(t, string(b), out.String())
		}
		require.False(t, strings.ContainsAny(OneLine(string(b)), "\n\t\r\x1b"))
	})
}
