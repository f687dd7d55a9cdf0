package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/ledger"
	"nightshift/internal/words"
)

func newUnlockCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "unlock RUN --reason WHY",
		Short: "Free the locks of a run that closed without releasing them",
		Long: `Free the locks of a run that closed without releasing them: one that was terminated in the Temporal UI, say. Look
first at what it left half done ("nightshift report RUN"). The locks of a run under way are not freed: abort it.
RUN may be "latest".`,
		Args: wants("RUN"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error { return runUnlock(c.Context(), a, args[0], reason) },
	}
	reasonFlag(c.Flags(), &reason, "`why` it is safe")
	return c
}

func runUnlock(ctx context.Context, a *app, run, reason string) error {
	if reason == "" {
		return usage("unlock needs --reason: why is it safe?")
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if run, err = s.runID(ctx, run); err != nil {
		return err
	}
	info, err := s.runs.Info(ctx, run)
	if err == nil && info.Open {
		return &exitError{exitRefused, fmt.Errorf("run %s is under way (%s): its locks are freed when it ends; end it with `nightshift abort %s --reason WHY`", run, info.State, run)}
	}
	if err != nil && !errors.Is(err, errNoRun) { // a run that is gone from Temporal is closed for sure
		return err
	}
	st, err := s.ledger.Change(ctx, s.lab, ledger.Change{By: a.who, Unlock: &ledger.Unlock{Workflow: run, Reason: reason}})
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(st)
	}
	a.printf("The locks of run %s are freed.\n", run)
	if n := len(st.Debts); n > 0 {
		a.printf("%s still owed: see `nightshift status`.\n", words.Count(n, "setting"))
	}
	return nil
}
