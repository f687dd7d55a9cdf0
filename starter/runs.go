package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/words"
)

type runsOptions struct {
	runFilter
	by           string
	since, until string
}

func newRunsCommand(a *app) *cobra.Command {
	o := &runsOptions{}
	c := &cobra.Command{
		Use:   "runs",
		Short: "List the runs of the lab, newest first",
		Long: `List the runs of the lab, those that schedules began too, newest first.

  nightshift runs --runbook power-down --since 7d
  nightshift runs --outcome partial
  nightshift runs --by "schedule nightly"`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runRuns(c.Context(), a, *o) },
	}
	f := c.Flags()
	f.BoolVar(&o.open, "open", false, "only those under way")
	f.StringVar(&o.runbook, "runbook", "", "only those of this runbook")
	f.StringVar(&o.outcome, "outcome", "", "only those that ended so: "+strings.Join(outcomes(), ", "))
	f.StringVar(&o.target, "target", "", "only those about this: the lab, or the cluster of --cluster")
	f.StringVar(&o.by, "by", "", "only those for which somebody asked whose name has this in it; schedules are called \"schedule NAME\"")
	f.StringVar(&o.since, "since", "", "only those that began at this time or later: 2026-11-20, \"2026-11-20 22:00\", 36h, 7d")
	f.StringVar(&o.until, "until", "", "only those that began before")
	f.IntVarP(&o.limit, "limit", "n", 20, "how many")
	return c
}

// filter checks the flags.
func (o runsOptions) filter(a *app) (f runFilter, err error) {
	now := a.now()
	f = o.runFilter
	if f.limit < 1 {
		return f, usage("--limit %d: at least 1", f.limit)
	}
	if f.runbook != "" {
		if _, err := a.runbook(f.runbook); err != nil {
			return f, fmt.Errorf("--runbook: %w", err)
		}
	}
	if f.outcome != "" && !contains(outcomes(), f.outcome) {
		return f, usage("--outcome %s: there are %s", f.outcome, join(outcomes()))
	}
	if f.open && f.outcome != "" {
		return f, usage("--open and --outcome: a run under way has no outcome yet")
	}
	if o.since != "" {
		if f.since, err = moment("--since", o.since, now); err != nil {
			return f, err
		}
	}
	if o.until != "" {
		if f.until, err = moment("--until", o.until, now); err != nil {
			return f, err
		}
	}
	if !f.since.IsZero() && !f.until.IsZero() && !f.since.Before(f.until) {
		return f, usage("--since %s, --until %s: nothing lies between", o.since, o.until)
	}
	return f, nil
}

func (f runFilter) narrows() bool {
	return f.open || f.runbook != "" || f.outcome != "" || f.target != "" || !f.since.IsZero() || !f.until.IsZero()
}

func runRuns(ctx context.Context, a *app, o runsOptions) error {
	f, err := o.filter(a)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.listBy(ctx, f, o.by)
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
		if f.narrows() || o.by != "" {
			a.printf("Lab %s: no run matches. All of them: nightshift runs\n", s.lab)
			return nil
		}
		a.printf("Lab %s: no runs.\n", s.lab)
		return nil
	}
	var rows [][]string
	for _, r := range list {
		end := r.Ended
		if r.Open {
			end = a.now()
		}
		rows = append(rows, []string{r.Run, r.State, words.Second(r.Started), took(r.Started, end), r.By})
	}
	table(a.out, a.paint(), []string{"RUN", "STATE", "STARTED", "TOOK", "BY"}, rows)
	return nil
}

// readAtOnce is how many runs are read at a time.
const readAtOnce = 8

// listBy lists runs with who asked for them; where by is given, only those whose name has it in it.
func (s *session) listBy(ctx context.Context, f runFilter, by string) ([]runInfo, error) {
	want := f.limit
	if by != "" {
		f.limit = 0
	}
	all, err := s.runs.List(ctx, s.lab, f)
	if err != nil {
		return nil, err
	}
	var list []runInfo
	for len(all) > 0 && len(list) < want {
		part := all[:min(len(all), max(want, readAtOnce))]
		all = all[len(part):]
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(readAtOnce)
		for i := range part {
			group.Go(func() (err error) {
				part[i].By, err = s.runs.By(gctx, part[i].Run)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, fmt.Errorf("who asked for the runs: %w", err)
		}
		for _, r := range part {
			if len(list) < want && strings.Contains(strings.ToLower(r.By), strings.ToLower(by)) {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return words.Tight(to.Sub(from))
}
