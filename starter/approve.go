package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

type approveOptions struct {
	hash   string
	yes    bool
	reason string
}

func newApproveCommand(a *app) *cobra.Command {
	o := &approveOptions{}
	c := &cobra.Command{
		Use:   "approve [RUN]",
		Short: "Say yes to the plan that a run waits with",
		Long: `Show the plan that a run waits with, ask, and say yes to it. With --hash (at least its first 12 digits) it says yes to that plan and no other, without asking.

` + runHelp,
		Args: atMost(1), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			return a.sendOrder(c.Context(), args, runapi.Approve, false, func(s *session, run string, _ []string) (runapi.Order, error) {
				return approval(c.Context(), a, *o, s, run)
			})
		},
	}
	c.Flags().StringVar(&o.hash, "hash", "", "approve the plan with this `HASH`, without asking")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "approve whatever the plan is, without asking")
	c.Flags().StringVar(&o.reason, "reason", "", "`why`, for the report")
	return c
}

// approval makes the order: with the hash of the plan that was read.
func approval(ctx context.Context, a *app, o approveOptions, s *session, run string) (runapi.Order, error) {
	order := runapi.Order{Reason: o.reason}
	sheet, err := s.runs.Sheet(ctx, run)
	if err != nil {
		return order, err
	}
	if sheet.Phase != runapi.PhaseApprove {
		return order, fmt.Errorf("run %s waits for no approval: it is %s", run, view{Sheet: sheet}.headline())
	}
	order.Hash = sheet.Hash
	switch {
	case o.hash != "":
		if len(o.hash) < 12 || len(o.hash) > len(sheet.Hash) || sheet.Hash[:len(o.hash)] != o.hash {
			return order, &exitError{exitRefused, fmt.Errorf("run %s waits with plan %s, not with %s: read it with `nightshift approve %s`", run, plan.ShortHash(sheet.Hash), o.hash, run)}
		}
		return order, nil
	case o.yes:
		return order, nil
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return order, err
	}
	if p == nil || p.Hash() != sheet.Hash {
		return order, fmt.Errorf("the plan of run %s cannot be read now: try again", run)
	}
	fmt.Fprintln(a.err, a.tree(*p, false))
	ok, err := a.ask(ctx, "Approve this plan?")
	if err != nil {
		return order, &exitError{exitRefused, fmt.Errorf("not approved: %w; give --yes or --hash where nobody can be asked", err)}
	}
	if !ok {
		return order, &exitError{exitRefused, fmt.Errorf("not approved; run %s waits on, `nightshift reject %s --reason WHY` ends it", run, run)}
	}
	return order, nil
}
