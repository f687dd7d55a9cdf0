package main

import (
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func newConfirmCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "confirm [RUN] [STEP…]",
		Short: "Say yes to steps that wait for a person",
		Long: strings.TrimSpace(`Say yes to the steps of a run that ask a person. Without a step: the one that asks, where there is only one. No is said
with "nightshift abort"; so does silence, after the time-out of the step.

` + runHelp),
		ValidArgsFunction: a.completeSteps,
	}
	reasonFlag(c.Flags(), &reason, "`why`, for the report")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.sendOrder(c.Context(), args, runapi.Confirm, true, func(s *session, run string, steps []string) (runapi.Order, error) {
			blocked, err := s.blockedSteps(c.Context(), run)
			if err != nil {
				return runapi.Order{}, err
			}
			var asks []plan.Step
			for _, st := range blocked {
				if st.Action == plan.Confirm {
					asks = append(asks, st)
				}
			}
			switch {
			case len(steps) > 0:
				if steps, err = stepIDs(run, blocked, steps); err != nil {
					return runapi.Order{}, err
				}
			case len(asks) == 0:
				return runapi.Order{}, usage("no step of run %s asks for a yes", run)
			case len(asks) > 1:
				return runapi.Order{}, usage("%d steps of run %s ask: name those that you mean: %s", len(asks), run, listed(asks))
			default:
				steps = []string{asks[0].ID}
			}
			return runapi.Order{Steps: steps, Reason: reason}, nil
		})
	}
	return c
}
