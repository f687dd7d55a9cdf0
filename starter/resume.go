package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newResumeCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Resume, use: "resume [RUN]", short: "Let a paused run go on"})
}
