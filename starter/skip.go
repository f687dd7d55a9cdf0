package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newSkipCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Skip, use: "skip [RUN] STEP… --reason WHY", steps: true, reason: true,
		short: "Go on as if blocked steps were done",
		long: `Go on as if blocked steps were done. What needs them is begun; the run ends as partial, with the reason in its report. A
step is its id, or the name of its guest or host where only one blocked step is about it.`})
}
