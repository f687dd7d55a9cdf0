package labimport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScalars(t *testing.T) {
	for in, want := range map[string]string{
		"web01": "web01", "a b": "a b", "a, b": `"a, b"`, "true": `"true"`, "0x10": `"0x10"`, "no: 7": `"no: 7"`, `LAB\night`: `"LAB\\night"`, "": `""`, "2001-01-01": `"2001-01-01"`,
	} {
		got, ok := scalar(in)
		require.True(t, ok, in)
		require.Equal(t, strings.Trim(want, `"`), strings.Trim(got, `"'`), in)
		require.True(t, readsAs(got, in), in)
	}
	for _, in := range []string{"a\nb", "\ufeffa", "\u202ea", "a\x00", "\xff"} {
		_, ok := scalar(in)
		require.False(t, ok, "%q", in)
	}
	// What the library is asked for: not every text that is read as something is read as that text.
	for text, s := range map[string]string{"a, b": "a, b", "12": "12", "true": "true", "a #b": "a #b", "a: b": "a: b", "a]": "a]", "~": "~"} {
		require.False(t, readsAs(text, s), text)
	}
}

func TestLongCommentsAreWrapped(t *testing.T) {
	w := &writer{}
	w.line(4, "keep: true", strings.Repeat("word ", 60)+"\x1b[31m")
	w.remark(0, "- "+strings.Repeat("item ", 40))
	for line := range strings.Lines(w.String()) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), width)
	}
	require.Contains(t, w.String(), "\n#   item")
	require.NotContains(t, w.String(), "\x1b")
	require.Contains(t, w.String(), "\n    keep: true\n")
}
