package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
)

func newWatchCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "watch [RUN]",
		Short: "Show a run as it goes on",
		Long: `Show a run as it goes on, until it ends. ` + runHelp + `

Ctrl-C stops the watching; the run goes on. When everything that is left is blocked and nobody sits at a terminal, it
ends at once with exit code 3.`,
		Args: atMost(1), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error { return runWatch(c.Context(), a, cmp.Or(args...)) },
	}
}

func runWatch(ctx context.Context, a *app, arg string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return err
	}
	return a.watchOut(ctx, s, run)
}

// watchOut follows a run to its end, says how it ended and returns with its exit code.
func (a *app) watchOut(ctx context.Context, s *session, run string) error {
	sheet, err := a.toTheEnd(ctx, s, run, a.newProgress())
	if err != nil {
		return err
	}
	return a.conclude(ctx, s, run, sheet)
}

// conclude says how a run ended, or what it waits for.
func (a *app) conclude(ctx context.Context, s *session, run string, sheet runapi.Sheet) error {
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		a.notef("The plan of run %s cannot be read now: %v", run, err)
	}
	r := report.Assemble(run, sheet, p, a.now())
	r.Link = s.link(run)
	if a.json() {
		if err := a.writeJSON(r); err != nil {
			return err
		}
	} else {
		r.Summary(a.out)
		a.printf("\nReport: nightshift report %s\n", run)
	}
	return silent(outcomeCode(sheet))
}
