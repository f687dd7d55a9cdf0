package main

import (
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/report"
)

func newDiffCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "diff RUN RUN",
		Short: "What two runs of a runbook did differently",
		Long: `Compare two runs of one runbook, the earlier one first: what their plans differ in (parameters, the lab file, limits, steps),
steps that ended otherwise, steps that took another time beyond noise, and decisions and orders that only one of them had.

Times are the same but for noise where they differ by no more than 10 s, or by no more than a quarter of the longer one.`,
		Args: wants("RUN", "RUN"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error { return runDiff(c.Context(), a, args[0], args[1]) },
	}
}

func runDiff(ctx context.Context, a *app, first, second string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var reports [2]report.Report
	var plans [2]*plan.Plan
	for i, arg := range []string{first, second} {
		run, err := s.runID(ctx, arg)
		if err != nil {
			return err
		}
		sheet, broken, err := s.sheet(ctx, run)
		if err != nil {
			return err
		}
		if plans[i], err = s.runs.Plan(ctx, run); err != nil {
			return err
		}
		reports[i] = report.Assemble(run, sheet, plans[i], a.now())
		if broken != nil {
			reports[i].Broken(broken.Error(), broken.Status)
		}
	}
	x, y := reports[0], reports[1]
	switch {
	case x.Run == y.Run:
		return usage("%s is one run: name two", x.Run)
	case x.Runbook != y.Runbook:
		return usage("%s is a run of %s, %s one of %s: only runs of one runbook can be compared", x.Run, x.Runbook, y.Run, y.Runbook)
	}
	c := report.Compare(x, y, plans[0], plans[1])
	if a.json() {
		return a.writeJSON(c)
	}
	c.Text(a.out)
	return nil
}
