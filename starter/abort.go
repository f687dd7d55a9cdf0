package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newAbortCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Abort, use: "abort [RUN] --reason WHY", reason: true,
		short: "End a run in order: nothing new is begun, what must be given back is given back",
		long: `End a run in order: nothing new is begun, steps that must always run (switching on again what was switched off) still
do, and the report says what is done, half done and untouched. Starting the runbook again plans what is left.`})
}
