package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

type runsOptions struct {
	open  bool
	limit int
}

func newRunsCommand(a *app) *cobra.Command {
	o := &runsOptions{}
	c := &cobra.Command{
		Use:   "runs",
		Short: "List the runs of the lab, newest first",
		Args:  atMost(0),
		RunE:  func(c *cobra.Command, _ []string) error { return runRuns(c.Context(), a, *o) },
	}
	c.Flags().BoolVar(&o.open, "open", false, "only those under way")
	c.Flags().IntVarP(&o.limit, "limit", "n", 20, "how many")
	return c
}

func runRuns(ctx context.Context, a *app, o runsOptions) error {
	if o.limit < 1 {
		return usage("--limit %d: at least 1", o.limit)
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.runs.List(ctx, s.lab, o.open, o.limit)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Link = s.link(list[i].Run)
		if !list[i].Open {
			continue
		}
		// Temporal's list knows the phase only; where the run does not answer, that is what there is.
		if sheet, err := s.runs.Sheet(ctx, list[i].Run); err == nil && sheet.Stuck() {
			list[i].State = view{Sheet: sheet}.headline()
		}
	}
	if a.json() {
		if list == nil {
			list = []runInfo{}
		}
		return a.writeJSON(list)
	}
	if len(list) == 0 {
		a.printf("Lab %s: no runs.\n", s.lab)
		return nil
	}
	var rows [][]string
	for _, r := range list {
		end := r.Ended
		if r.Open {
			end = a.now()
		}
		rows = append(rows, []string{r.Run, r.State, stamp(r.Started), took(r.Started, end)})
	}
	table(a.out, a.paint(), []string{"RUN", "STATE", "STARTED", "TOOK"}, rows)
	return nil
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return span(to.Sub(from))
}
