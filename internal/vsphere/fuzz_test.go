package vsphere

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPlainName: a name is read as a person wrote it, whatever vSphere has escaped in it.
func FuzzPlainName(f *testing.F) {
	for _, s := range []string{"web01", "a/b", `a\b`, "50%", "%2f", "%252f", "%%25", "é/"} {
		f.Add(s)
	}
	escaped := strings.NewReplacer("%", "%25", "/", "%2f", `\`, "%5c")
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, s, plainName(escaped.Replace(s)))
		require.LessOrEqual(t, len(plainName(s)), len(s))
	})
}

// FuzzStatus: the status of an answer is one that HTTP could have, or none.
func FuzzStatus(f *testing.F) {
	for _, s := range []string{"401 Unauthorized", "503", "5033 x", "x 401", "", "٤٠١ x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := httpStatus(errors.New(s))
		require.True(t, n >= 0 && n <= 999)
		kind, text := describeStatus(n, s, true)
		require.Error(t, kind)
		require.Contains(t, text, s)
	})
}
