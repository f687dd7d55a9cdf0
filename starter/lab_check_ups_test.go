package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// What nightshift would be left without in a power cut is what the lab file says, or a warning.
func TestLabCheckAsksWhatNightshiftItselfRunsOn(t *testing.T) {
	machine := checkRow{"UPS rack", "own machine", checkOK, "nightshift's machine runs on it, says the lab file", ""}
	noMachine := checkRow{"UPS rack", "own machine", checkWarn, "nightshift's machine is not declared to run on it: a power cut may take it first",
		"say self: true if it is; else see that it has a UPS of its own"}
	noSwitches := checkRow{"UPS rack", "switches", checkWarn, "no switch is declared to run on it: without the network nothing can be shut down",
		"list those between nightshift, vCenter, BMCs and the NUT server: switches: [NAME]"}
	for name, c := range map[string]struct {
		ups  inventory.UPS
		want []checkRow
	}{
		"nothing is said": {inventory.UPS{}, []checkRow{noMachine, noSwitches}},
		"its machine":     {inventory.UPS{Self: true}, []checkRow{machine, noSwitches}},
		"its switches": {inventory.UPS{Switches: []string{"core", "rack-a"}},
			[]checkRow{noMachine, {"UPS rack", "switches", checkOK, "on it, says the lab file: core, rack-a", ""}}},
		"both": {inventory.UPS{Self: true, Switches: []string{"core"}}, []checkRow{machine, {"UPS rack", "switches", checkOK, "on it, says the lab file: core", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.ups.Name = "rack"
			rows := checkUPS(t.Context(), &inventory.Lab{Dir: t.TempDir()}, c.ups) // no server: the rest fails
			require.GreaterOrEqual(t, len(rows), 3)
			require.Equal(t, c.want, rows[:2])
		})
	}
}
