package main

import (
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/ledger"
	"nightshift/runbooks"
)

type settleOptions struct {
	run     runOptions
	forgive string
	reason  string
}

func newSettleCommand(a *app) *cobra.Command {
	o := &settleOptions{}
	c := &cobra.Command{
		Use:   "settle",
		Short: "Switch on again what runs switched off, and start nothing",
		Long: `Switch on again what runs switched off and still owe (HA, DRS level, DPM, vCLS), and start nothing: the runbook
"settle". With --forgive a debt is given up instead: a person settled it by hand, or the cluster is gone.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return runSettle(c.Context(), a, *o) },
	}
	f := c.Flags()
	f.StringVar(&o.forgive, "forgive", "", "give up `DEBT` (its id, see `nightshift status`) without settling it")
	f.StringVar(&o.reason, "reason", "", "`why` it is given up")
	f.BoolVarP(&o.run.yes, "yes", "y", false, "carry it out without asking")
	f.BoolVar(&o.run.detach, "detach", false, "do not watch")
	f.BoolVar(&o.run.wait, "wait", false, "wait for the locks of other runs instead of being refused")
	return c
}

func runSettle(ctx context.Context, a *app, o settleOptions) error {
	if o.forgive == "" {
		if o.reason != "" {
			return usage("--reason is for --forgive")
		}
		return runRun(ctx, a, o.run, runbooks.Settle)
	}
	if o.reason == "" {
		return usage("--forgive needs --reason")
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	st, err := s.ledger.Change(ctx, s.lab, ledger.Change{By: a.who, Forgive: &ledger.Forgive{Debt: o.forgive, Reason: o.reason}})
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(st)
	}
	a.printf("Debt %s is given up; %s left.\n", o.forgive, count(len(st.Debts), "debt"))
	return nil
}
