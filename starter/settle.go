package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

type settleOptions struct {
	run     runOptions
	forgive string
	forget  string
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
With --forget a guest that ran before is not remembered any more: it was deleted, or no power-up is to start it.
With --recover a ledger that was lost gets back what a run remembered and what was owed when it ended; nothing that
the ledger has is replaced.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runSettle(c.Context(), a, *o) },
	}
	f := c.Flags()
	f.StringVar(&o.forgive, "forgive", "", "give up `DEBT` (its id, see `nightshift status`) without settling it")
	f.StringVar(&o.forget, "forget", "", "forget that `GUEST` ran before (its name or UUID, or VCENTER/NAME)")
	f.StringVar(&o.recover, "recover", "", "put back into the ledger what `RUN` remembered and left owed")
	reasonFlag(f, &o.reason, "`why` it is given up, or forgotten")
	f.BoolVarP(&o.run.yes, "yes", "y", false, "carry it out without asking")
	f.BoolVar(&o.run.detach, "detach", false, "do not watch")
	f.BoolVar(&o.run.wait, "wait", false, "wait for the locks of other runs instead of being refused")
	return c
}

func runSettle(ctx context.Context, a *app, o settleOptions) error {
	ways := 0
	for _, s := range []string{o.forgive, o.forget, o.recover} {
		if s != "" {
			ways++
		}
	}
	switch givesUp := o.forgive != "" || o.forget != ""; {
	case ways > 1:
		return usage("only one of --forgive, --forget and --recover at a time")
	case givesUp && o.reason == "":
		return usage("--forgive and --forget need --reason")
	case !givesUp && o.reason != "":
		return usage("--reason is for --forgive and --forget")
	case o.recover != "":
		return recoverLedger(ctx, a, o.recover)
	case givesUp:
		return giveUp(ctx, a, o)
	}
	return runRun(ctx, a, o.run, runbooks.Settle)
}

// giveUp strikes one thing out of the ledger: a debt, or a remembered guest.
func giveUp(ctx context.Context, a *app, o settleOptions) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	change := ledger.Change{By: a.who, Forgive: &ledger.Forgive{Debt: o.forgive, Reason: o.reason}}
	if o.forget != "" {
		guest := ledger.ForgetGuest{Guest: o.forget, Reason: o.reason}
		if vcenter, name, found := strings.Cut(o.forget, "/"); found { // vSphere escapes it in names
			guest.Endpoint, guest.Guest = vcenter, name
		}
		change = ledger.Change{By: a.who, ForgetGuest: &guest}
	}
	st, err := s.ledger.Change(ctx, s.lab, change)
	switch {
	case err != nil:
		return err
	case a.json():
		return a.writeJSON(st)
	case o.forget != "":
		a.printf("Guest %s is forgotten; %s left.\n", o.forget, words.Count(len(st.Memory), "remembered guest"))
	default:
		a.printf("Debt %s is given up; %s left.\n", o.forgive, words.Count(len(st.Debts), "debt"))
	}
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
	sheet, _, err := s.sheet(ctx, run) // one that Temporal closed has a plan all the same
	if err != nil {
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
		run, words.Count(len(sheet.Owed), "debt"), words.Count(len(guests), "remembered guest"), s.lab)
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
