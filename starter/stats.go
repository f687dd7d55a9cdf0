package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

type statsOptions struct {
	runFilter
	since string
}

// plansRead is of how many runs of each runbook the plan is read, for the slowest steps: reading one replays the whole run.
const plansRead = 5

func newStatsCommand(a *app) *cobra.Command {
	o := &statsOptions{}
	c := &cobra.Command{
		Use:   "stats",
		Short: "How runs went: success, duration, trend, what holds them up, what they save",
		Long: `Tell of each runbook how many of its last runs succeeded, how long they took and whether that changes (the last ten against
the ten before them), which steps people had to decide about most often, and which are the slowest; and what the lab saved
while it was down, as far as it is metered.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runStats(c.Context(), a, *o) },
	}
	c.Flags().StringVar(&o.runbook, "runbook", "", "only this runbook (without it: what was saved, too)")
	c.Flags().StringVar(&o.since, "since", "", "only runs that began at this time or later: 2026-11-20, 36h, 7d")
	c.Flags().IntVarP(&o.limit, "limit", "n", 200, "how many runs are read, the newest first")
	return c
}

func runStats(ctx context.Context, a *app, o statsOptions) error {
	f, err := runsOptions{runFilter: o.runFilter, since: o.since}.filter(a)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	want := f.limit
	f.limit = 0 // those under way are not counted
	list, err := s.runs.List(ctx, s.lab, f)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(r runInfo) bool { return r.Open })
	past, err := s.past(ctx, list[:min(want, len(list))], a)
	if err != nil {
		return err
	}
	stats := report.Summarize(s.lab, past)
	if a.json() {
		return a.writeJSON(stats)
	}
	stats.Text(a.out)
	return nil
}

// past reads the results of runs that have ended, and the plans of the newest of each runbook that were done.
func (s *session) past(ctx context.Context, list []runInfo, a *app) ([]report.Past, error) {
	out := make([]report.Past, len(list))
	planned := map[string]int{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i, r := range list {
		withSteps := r.State == runapi.Done && planned[r.Runbook] < plansRead
		if withSteps {
			planned[r.Runbook]++
		}
		group.Go(func() error {
			one, err := s.pastRun(ctx, r, withSteps, a)
			out[i] = one
			return err
		})
	}
	return out, group.Wait()
}

func (s *session) pastRun(ctx context.Context, r runInfo, withSteps bool, a *app) (report.Past, error) {
	one := report.Past{Run: r.Run, Outcome: r.State, Sheet: runapi.Sheet{Runbook: r.Runbook, Started: r.Started, Ended: r.Ended}}
	sheet, broken, err := s.sheet(ctx, r.Run)
	switch {
	case errors.Is(err, errNoRun): // its retention has just ended
		return one, nil
	case err != nil:
		return one, err
	case broken != nil:
		return one, nil //nolint:nilerr // it left no result
	}
	one.Sheet = sheet
	if _, known := runbooks.Lookup(sheet.Runbook); !withSteps || !known {
		return one, nil
	}
	p, err := s.runs.Plan(ctx, r.Run)
	if err != nil || p == nil {
		return one, nil //nolint:nilerr // statistics without the slowest steps: no worker answers
	}
	one.Steps = report.Assemble(r.Run, sheet, p, a.now()).Steps
	return one, nil
}
