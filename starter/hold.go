package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/calendar"
	"nightshift/internal/ledger"
	"nightshift/internal/words"
)

type holdOptions struct {
	until  string
	length time.Duration
	reason string
	end    bool
}

func newHoldCommand(a *app) *cobra.Command {
	o := &holdOptions{}
	c := &cobra.Command{
		Use:   "hold",
		Short: "Not tonight: scheduled runs are skipped until a time",
		Long: `Not tonight: runs that a schedule starts are skipped until a time. Runs that people start are not affected.

  nightshift hold --until 08:00 --reason "backup runs late"
  nightshift hold --for 12h --reason "maintenance"
  nightshift hold --end`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runHold(c.Context(), a, *o) },
	}
	f := c.Flags()
	f.StringVar(&o.until, "until", "", "`TIME` at which it ends: 08:00 (the next one), 2026-01-31 08:00, or RFC 3339")
	f.DurationVar(&o.length, "for", 0, "how long it lasts: 12h")
	reasonFlag(f, &o.reason, "`why`")
	f.BoolVar(&o.end, "end", false, "end the hold")
	return c
}

func runHold(ctx context.Context, a *app, o holdOptions) error {
	change, err := o.change(a.now())
	if err != nil {
		return err
	}
	change.By = a.who
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	st, err := s.ledger.Change(ctx, s.lab, change)
	if err != nil {
		return err
	}
	switch {
	case a.json():
		return a.writeJSON(st)
	case o.end:
		a.printf("The hold on lab %s is ended.\n", s.lab)
	default:
		a.printf("Lab %s is on hold until %s: scheduled runs are skipped. End it with `nightshift hold --end`.\n", s.lab, words.Second(change.Hold.Until))
	}
	return nil
}

func (o holdOptions) change(now time.Time) (ledger.Change, error) {
	var none ledger.Change
	switch {
	case o.end && (o.until != "" || o.length != 0):
		return none, usage("hold: either --end or --until/--for")
	case o.end:
		return ledger.Change{Unhold: true}, nil
	case (o.until == "") == (o.length == 0):
		return none, usage("hold: say until when with --until TIME or --for DURATION (one of them), or end it with --end; `nightshift status` shows the one that stands")
	case o.reason == "":
		return none, usage("hold needs --reason")
	case o.length < 0:
		return none, usage("--for %s: a hold ends in the future", o.length)
	}
	until := now.Add(o.length)
	if o.until != "" {
		var err error
		if until, err = calendar.Until(o.until, now.Local()); err != nil {
			return none, usage("--until %s: %w", o.until, err)
		}
	}
	return ledger.Change{Hold: &ledger.Hold{Until: until.UTC(), Reason: o.reason}}, nil
}
