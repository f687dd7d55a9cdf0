package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever adds an action says what it needs in a vCenter, if only that it needs nothing.
func TestEveryActionSaysWhichRightsItNeeds(t *testing.T) {
	for _, a := range Actions() {
		list, ok := RightsOf([]Action{a})
		require.True(t, ok, "write into rights.go what %s needs", a)
		for _, r := range list {
			require.NotEmpty(t, r.ID)
			require.NotEmpty(t, r.For)
			require.Contains(t, []string{OnGuest, OnHost, OnCluster, OnRoot}, r.On)
		}
	}
	require.Len(t, rights(), len(Actions())+2, "and nothing that is no action, but for Inspecting and Silencing")
	_, ok := RightsOf([]Action{"MakeCoffee"})
	require.False(t, ok)
}

func TestWhatOneActionNeedsIsNotOptionalForAnother(t *testing.T) {
	for _, order := range [][]Action{{SuspendSetting, MarkLab}, {MarkLab, SuspendSetting}} {
		list, ok := RightsOf(order)
		require.True(t, ok)
		n := 0
		for _, r := range list {
			if r.ID == "Global.ManageCustomFields" {
				n++
				require.False(t, r.Optional)
				require.Contains(t, r.For, "mark")
			}
		}
		require.Equal(t, 1, n)
	}
}
