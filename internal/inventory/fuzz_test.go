package inventory_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// FuzzParse: whatever the bytes, the parser answers a lab or errors that say where.
func FuzzParse(f *testing.F) {
	for _, path := range []string{homeLab, minimal} {
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(b)
	}
	for _, s := range []string{good, "", "a: &a [*a]", "? a\n: b", "lab: {", "hosts: [{name: }]", "- - -", "lab: |\n", "guests: [{name: a, after: [a]}]",
		"hosts:\n  - name: a\n    bmc: {url: \"https://[\"}", "self: ~\nself: 1", "lab: \"\\x00\"", "%YAML 1.2\n---\na: b", "runbooks: {power-up: ~}", "vcenters: [[]]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := inventory.Parse("lab.yaml", data)
		if err == nil {
			require.NotEmpty(t, l.VCenters)
			require.NotEmpty(t, l.Hosts)
			return
		}
		var list inventory.Errors
		require.ErrorAs(t, err, &list)
		require.NotEmpty(t, list)
	})
}
