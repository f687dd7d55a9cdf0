package words_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/words"
)

func TestCode(t *testing.T) {
	for text, want := range map[string]string{
		"nightshift status":   "`nightshift status`",
		"retry 'a`b'":         "`` retry 'a`b' ``",
		"retry '``;`'":        "``` retry '``;`' ```",
		"skip 'a|b'":          "`skip 'a|b'`",
		"two\nlines":          "`two lines`",
		"`; touch /tmp/x ; `": "`` `; touch /tmp/x ; ` ``",
	} {
		require.Equal(t, want, words.Code(text))
	}
}
