package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesAreNoMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"web01":                     "web01",
		"*b* _i_ ~s~":               `\*b\* \_i\_ \~s\~`,
		`\*b\*`:                     `\\\*b\\\*`,
		"<script>alert(1)</script>": "&lt;script>alert(1)&lt;/script>",
		"&lt;b":                     "&amp;lt;b",
		"[x](javascript:1) | `c`":   `\[x](javascript:1) \| 'c'`,
		"a\nb\x1b[2J\u202ec":        "a b\uFFFD\\[2J\uFFFDc",
	} {
		require.Equal(t, want, escape(in))
	}
}
