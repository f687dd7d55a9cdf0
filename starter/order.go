package main

import (
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

// An order is a verb that tells a run something: all of them take the run first.
type order struct {
	verb   string
	use    string // of the command
	short  string
	long   string
	steps  bool // takes ids of steps after the run
	reason bool // must have a reason
}

// newOrderCommand makes the command of an order that needs no more than the run, steps and a reason.
func newOrderCommand(a *app, o order) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: o.use, Short: o.short, Long: o.long, Args: exactly(1)}
	if o.steps {
		c.Args = atLeast(2)
	}
	c.Flags().StringVar(&reason, "reason", "", "`why`, for the report")
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.reason && reason == "" {
			return usage("%s needs --reason: the report tells it to those who read it later", o.verb)
		}
		return a.sendOrder(c.Context(), args[0], o.verb, func(*session, string) (runapi.Order, error) {
			return runapi.Order{Reason: reason, Steps: args[1:]}, nil
		})
	}
	return c
}

// sendOrder connects, makes the order, sends it and tells how the run stands.
func (a *app) sendOrder(ctx context.Context, arg, verb string, order func(s *session, run string) (runapi.Order, error)) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return err
	}
	o, err := order(s, run)
	if err != nil {
		return err
	}
	o.By = a.who
	sheet, err := s.runs.Order(ctx, run, verb, o)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(sheet)
	}
	v := view{Run: run, Sheet: sheet, Now: a.now()}
	a.printf("%s: run %s, %s", verb, run, v.headline())
	if sheet.Total > 0 {
		a.printf(" (%s)", v.counts())
	}
	a.printf("\n")
	return nil
}
