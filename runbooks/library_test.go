package runbooks

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/runbooks/steps"
)

func TestShippedRunbooksAreRight(t *testing.T) {
	defs, err := shipped()
	require.NoError(t, err)
	require.NotEmpty(t, defs)
	library := steps.NewLibrary(defs...)
	names := []string{PowerDown, PowerUp, Settle, Replicate, Prune, LUNMap, VMFSInspect, VMFSBackup, VMFSRestorePartition}
	for _, d := range defs {
		require.NoError(t, library.Check(d))
		names = append(names, d.Name)
	}
	require.Equal(t, inventory.RunbookNames(), names, "the lab file knows those that may have settings")
}

// Each shipped runbook has its page, and the template's page is the template.
func TestPagesOfStepRunbooks(t *testing.T) {
	defs, err := shipped()
	require.NoError(t, err)
	for _, d := range defs {
		page, err := os.ReadFile("../docs/runbooks/" + d.Name + ".md")
		require.NoError(t, err)
		for _, p := range d.Parameters {
			if p.Required {
				require.Contains(t, string(page), "-p "+p.Name+"=")
			}
		}
	}
	text, err := os.ReadFile("steps/template.yaml")
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/runbooks/template.md")
	require.NoError(t, err)
	require.Contains(t, string(page), string(text))
}
