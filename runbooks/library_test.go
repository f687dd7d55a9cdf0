package runbooks

import (
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
	names := []string{PowerDown, PowerUp, Settle}
	for _, d := range defs {
		require.NoError(t, library.Check(d))
		names = append(names, d.Name)
	}
	require.Equal(t, inventory.RunbookNames(), names, "the lab file knows those that may have settings")
}
