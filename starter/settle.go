package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

type settleOptions struct {
	run     runOptions
	forgive string
	recover string
	reason  string
}

func newSettleCommand(a *app) *cobra.Command {
	o := &settleOptions{}
	c := &cobra.Command{
		Use:   "settle",
		Short: "Switch on again what runs switched off, and start nothing",
		Long: `Switch on again what runs switched off and still owe (HA, DRS level, DPM, vCLS), and start nothing: the runbook
"settle". With --forgive a debt is given up instead: a person settled it by hand, or the cluster is gone.
With --recover a ledger that was lost gets back what a run remembered and what was owed when it ended; nothing that
the ledger has is replaced.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return runSettle(c.Context(), a, *o) },
	}
	f := c.Flags()
	f.StringVar(&o.forgive, "forgive", "", "give up `DEBT` (its id, see `nightshift status`) without settling it")
	f.StringVar(&o.recover, "recover", "", "put back into the ledger what `RUN` remembered and left owed")
	f.StringVar(&o.reason, "reason", "", "`why` it is given up")
	f.BoolVarP(&o.run.yes, "yes", "y", false, "carry it out without asking")
	f.BoolVar(&o.run.detach, "detach", false, "do not watch")
	f.BoolVar(&o.run.wait, "wait", false, "wait for the locks of other runs instead of being refused")
	return c
}

func runSettle(ctx context.Context, a *app, o settleOptions) error {
	if o.recover != "" {
		if o.forgive != "" {
			return usage("--recover and --forgive do not go together")
		}
		return recoverLedger(ctx, a, o.recover)
	}
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

// recoverLedger adds to the ledger what a run remembered, as its plan says, and what was owed when it ended.
func recoverLedger(ctx context.Context, a *app, run string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if run, err = s.runID(ctx, run); err != nil {
		return err
	}
	sheet, err := s.runs.Sheet(ctx, run)
	if broken := new(brokenError); err != nil && !errors.As(err, &broken) { // one that Temporal closed has a plan all the same
		return err
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return err
	}
	changes := []ledger.Change{}
	for _, d := range sheet.Owed {
		changes = append(changes, ledger.Change{Owe: &d})
	}
	guests := remembered(p)
	if len(guests) > 0 {
		changes = append(changes, ledger.Change{Remember: guests})
	}
	for _, c := range changes {
		if _, err := s.ledger.Change(ctx, s.lab, c); err != nil {
			return err
		}
	}
	if a.json() {
		return a.writeJSON(map[string]any{"run": run, "debts": sheet.Owed, "guests": guests})
	}
	a.printf("From run %s: %s and %s are in the ledger of lab %s. See it with `nightshift status`.\n",
		run, count(len(sheet.Owed), "debt"), count(len(guests), "remembered guest"), s.lab)
	return nil
}

// remembered are the guests that the plan's run wrote down as running.
func remembered(p *plan.Plan) (guests []plan.RememberedGuest) {
	if p == nil {
		return nil
	}
	for _, s := range p.Steps {
		var r plan.RememberParams
		if s.Action == plan.RememberRunning && json.Unmarshal(s.Params, &r) == nil {
			guests = append(guests, r.Guests...)
		}
	}
	return guests
}
