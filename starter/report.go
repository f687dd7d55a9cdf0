package main

import (
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/report"
)

func newReportCommand(a *app) *cobra.Command {
	all, manual := false, false
	c := &cobra.Command{
		Use:   "report RUN | --manual [RUN]",
		Short: "What a run did, when, by whom, and what is left",
		Long: `Tell what a run did, when and by whom, what was decided on the way, what is half done, undone or untouched, and which
command goes on from there. RUN is its id, or "latest". It works for runs under way too. The exit code is the run's.

With --manual it prints, for paper, what a person would do by hand to bring up again what a power-down takes down: hosts and
guests in their order, where the files lie, the settings of clusters. It is there as soon as the run has a plan, needs no
vCenter, and is of the last power-down where RUN is left out.`,
		Args: func(c *cobra.Command, args []string) error {
			if manual {
				return atMost(1)(c, args)
			}
			return wants("RUN")(c, args)
		},
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			if manual {
				return runReportManual(c.Context(), a, firstOf(args...))
			}
			return runReport(c.Context(), a, args[0], all)
		},
	}
	c.Flags().BoolVar(&manual, "manual", false, "the page of what a person would do by hand, for paper")
	c.Flags().BoolVar(&all, "all", false, "every step, where a long list is folded by group")
	c.AddCommand(newReportVerifyCommand(a))
	return c
}

func runReport(ctx context.Context, a *app, arg string, all bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return err
	}
	sheet, broken, err := s.sheet(ctx, run)
	if err != nil {
		return err
	}
	p, planErr := s.runs.Plan(ctx, run)
	if planErr != nil {
		a.notef("The plan cannot be read, the report has no steps: %v", planErr)
	}
	r := report.Assemble(run, sheet, p, a.now())
	r.Link = s.link(run)
	if broken != nil {
		r.Broken(broken.Error(), broken.Status)
	}
	switch {
	case a.json():
		err = a.writeJSON(r)
	case all:
		r.FullText(a.out)
	default:
		r.Text(a.out)
	}
	switch {
	case err != nil:
		return err
	case broken != nil:
		return silent(exitFailed)
	}
	return silent(outcomeCode(sheet))
}
