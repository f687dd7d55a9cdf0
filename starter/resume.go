package main

import (
	"github.com/spf13/cobra"

	"nightshift/workflows"
)

func newResumeCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: workflows.Resume, use: "resume RUN", short: "Let a paused run go on"})
}
