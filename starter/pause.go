package main

import (
	"github.com/spf13/cobra"

	"nightshift/workflows"
)

func newPauseCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: workflows.Pause, use: "pause RUN",
		short: "Begin nothing new in a run until it is resumed; what is under way is finished"})
}
