package inventory

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzWords: a command is split as a shell splits it, where nothing in it means more to a shell than blanks and quotes.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"pass show vc", `a 'b c' "d e" f\ g`, `a""b ''`, `"a\"b\\c\$d\e"`, `'it'\''s'`, "a\tb  c ", `a\`, `"a`, `'`, "", `\a`, `"\` + "`\"", "é ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitWords(s)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := splitWords("'" + strings.Join(quotedEach(words), "' '") + "'")
		require.NoError(t, err)
		require.Equal(t, words, again)
		if strings.ContainsAny(s, "\x00\r\n|&;<>()$`*?[]#~=%!{}") {
			return
		}
		out, err := exec.Command("/bin/sh", "-c", `printf '%s\n' `+s).Output()
		require.NoError(t, err)
		require.Equal(t, strings.Join(words, "\n")+"\n", string(out))
	})
}

func quotedEach(words []string) (out []string) {
	for _, w := range words {
		out = append(out, strings.ReplaceAll(w, "'", `'\''`))
	}
	return out
}

// FuzzSecretRef: a reference is of a known form, or refused without being quoted.
func FuzzSecretRef(f *testing.F) {
	for _, s := range []string{"env:VC", "file:/x", "exec:pass show vc", "hunter2", "env:", "env:1", "file:", "exec:'", "exec:''", "ENV:x", ":", "exec:\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind, rest, err := SecretRef(s).split()
		if err == nil {
			require.Equal(t, s, kind+":"+rest)
			return
		}
		if len(s) > 20 {
			require.NotContains(t, err.Error(), s)
		}
	})
}
