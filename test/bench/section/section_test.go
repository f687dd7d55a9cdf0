package section

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASectionTakesThePlaceOfTheOneBefore(t *testing.T) {
	for name, test := range map[string]struct{ document, got, put string }{
		"none yet":      {"# P\n\n## A\n\na\n", "", "# P\n\n## A\n\na\n\n## S\n\nnew\n"},
		"at the end":    {"# P\n\n## A\n\na\n\n## S\n\nold\n", "## S\n\nold\n", "# P\n\n## A\n\na\n\n## S\n\nnew\n"},
		"in the middle": {"# P\n\n## S\n\nold\n\n### T\n\n## A\n\na\n", "## S\n\nold\n\n### T\n\n", "# P\n\n## S\n\nnew\n\n## A\n\na\n"},
		"empty":         {"", "", "## S\n\nnew\n"},
		"another name":  {"# P\n\n## Space\n\nx\n", "", "# P\n\n## Space\n\nx\n\n## S\n\nnew\n"},
		"no text":       {"## S\n\n## A\n", "## S\n\n", "## S\n\nnew\n\n## A\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.got, Get(test.document, "## S"))
			put := Put(test.document, "## S", "## S\n\nnew\n\n")
			require.Equal(t, test.put, put)
			require.Equal(t, put, Put(put, "## S", "## S\n\nnew\n"), "a second time changes nothing")
		})
	}
}
