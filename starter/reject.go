package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newRejectCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Reject, use: "reject [RUN] --reason WHY", reason: true,
		short: "Say no to the plan that a run waits with; nothing is touched"})
}
