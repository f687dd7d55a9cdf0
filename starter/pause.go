package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newPauseCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Pause, use: "pause [RUN]",
		short: "Begin nothing new in a run until it is resumed; what is under way is finished"})
}
