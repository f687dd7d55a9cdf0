package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// An order is a verb that tells a run something: all of them take the run first, if more than one is under way.
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
	c := &cobra.Command{Use: o.use, Short: o.short, Long: strings.TrimSpace(o.long + "\n\n" + runHelp), Args: atMost(1), ValidArgsFunction: a.completeRun}
	if o.steps {
		c.Args, c.ValidArgsFunction = atLeast("STEP"), a.completeSteps
	}
	reasonFlag(c.Flags(), &reason, "`why`, for the report")
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.reason && reason == "" {
			return usage("%s needs --reason WHY: the report tells it to those who read it later", o.verb)
		}
		return a.sendOrder(c.Context(), args, o.verb, o.steps, func(s *session, run string, steps []string) (runapi.Order, error) {
			if o.steps {
				if len(steps) == 0 {
					return runapi.Order{}, usage("%s: name the steps; see `nightshift status`", o.verb)
				}
				blocked, err := s.blockedSteps(c.Context(), run)
				if err != nil {
					return runapi.Order{}, err
				}
				if steps, err = stepIDs(run, blocked, steps); err != nil {
					return runapi.Order{}, err
				}
			}
			return runapi.Order{Reason: reason, Steps: steps}, nil
		})
	}
	return c
}

// runHelp says how a run is named.
const runHelp = `RUN may be left out where exactly one run is under way; "latest" is the newest run.`

// sendOrder connects, makes the order, sends it and tells how the run stands.
func (a *app) sendOrder(ctx context.Context, args []string, verb string, steps bool, order func(s *session, run string, steps []string) (runapi.Order, error)) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var run string
	var rest []string
	if steps {
		run, rest, err = s.runAndSteps(ctx, args)
	} else {
		run, err = s.runID(ctx, cmp.Or(args...))
	}
	if err != nil {
		return err
	}
	o, err := order(s, run, rest)
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
	a.tellOrder(ctx, s, run, verb, o, sheet)
	return nil
}

// tellOrder says how the run stands after the order, what it changed, and what it leaves behind.
func (a *app) tellOrder(ctx context.Context, s *session, run, verb string, o runapi.Order, sheet runapi.Sheet) {
	if verb == runapi.Approve && enough(sheet, o.Hash) { // the sheet is of the moment before the run went on
		a.printf("approve: run %s is approved and goes on; see it with `nightshift watch %s`\n", run, run)
		return
	}
	v := view{Run: run, Sheet: sheet, Now: a.now()}
	a.printf("%s: run %s, %s", verb, run, v.headline())
	if sheet.Total > 0 {
		a.printf(" (%s)", v.counts())
	}
	a.printf("\n")
	if len(o.Params) > 0 {
		a.tellChanged(o.Steps, sheet)
	}
	if verb != runapi.Skip {
		return
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return // only the warning is missing: the order was obeyed
	}
	for _, w := range inTheWay(p, sheet, o.Steps) {
		a.printf("%s\n", a.paint().on(yellow, "  "+w))
	}
}

// tellChanged says which parameters the steps have now, once for all that have the same.
func (a *app) tellChanged(steps []string, sheet runapi.Sheet) {
	var all []string
	with := map[string][]string{}
	for _, id := range steps {
		now := join(report.Amendments(id, sheet.Orders))
		if now == "" {
			continue
		}
		if with[now] == nil {
			all = append(all, now)
		}
		with[now] = append(with[now], id)
	}
	const few = 5
	for _, now := range all {
		a.printf("  %s, now with %s\n", words.Some(with[now], few), now)
	}
}

// enough tells whether the plan has all the approvals that it needs.
func enough(sheet runapi.Sheet, hash string) bool {
	if sheet.Approvers == nil {
		return true
	}
	who := map[string]bool{}
	for _, c := range sheet.Approvals {
		if c.Hash == hash {
			who[c.Name] = true
		}
	}
	return len(who) >= sheet.Approvers.Need
}
