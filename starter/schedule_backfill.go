package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// mostBackfilled is how many runs a backfill starts at most.
const mostBackfilled = 100

type scheduleBackfillOptions struct {
	from, to string
	yes      bool
}

func newScheduleBackfillCommand(a *app) *cobra.Command {
	o := &scheduleBackfillOptions{}
	c := &cobra.Command{
		Use:   "backfill NAME --from TIME --to TIME",
		Short: "Start the runs of a schedule that would have begun in a time that is past",
		Long: `Start the runs of a schedule that would have begun in a time that is past, one after the other, now. How many those are
is shown, and asked about. Each looks at the lab as it is now. A time whose run was started is refused: a second run of it would
have the same id, and hide the report of the first.

  nightshift schedule backfill weekly --from 2026-11-01 --to "2026-11-15 12:00"`,
		Args: wants("NAME"), ValidArgsFunction: a.completeSchedule,
		RunE: func(c *cobra.Command, args []string) error { return runScheduleBackfill(c.Context(), a, *o, args[0]) },
	}
	c.Flags().StringVar(&o.from, "from", "", "the first `TIME`: 2026-11-01, 2026-11-01 12:00, or RFC 3339")
	c.Flags().StringVar(&o.to, "to", "", "the last `TIME`, in the same forms; a date alone is its beginning")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "start them without asking")
	return c
}

func runScheduleBackfill(ctx context.Context, a *app, o scheduleBackfillOptions, name string) error {
	from, err := pastTime("--from", o.from, a.now())
	if err != nil {
		return err
	}
	to, err := pastTime("--to", o.to, a.now())
	if err != nil {
		return err
	}
	if !from.Before(to) {
		return usage("--from %s is not before --to %s", o.from, o.to)
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	times, err := s.schedules.Times(ctx, s.lab, name, from, to)
	switch {
	case err != nil:
		return err
	case len(times) == 0:
		return a.said(map[string]any{"schedule": name, "runs": 0}, "Schedule %s had no time from %s to %s: nothing is started.", name, words.Second(from), words.Second(to))
	case len(times) > mostBackfilled:
		return usage("from %s to %s schedule %s would have started %d runs, and no more than %d are started at a time: choose a shorter time", o.from, o.to, name, len(times), mostBackfilled)
	}
	sc, err := s.scheduleCalled(ctx, name)
	if err != nil {
		return err
	}
	if err := s.refuseStarted(ctx, sc, from, to); err != nil {
		return err
	}
	if !o.yes {
		for i, t := range times {
			if i == 10 && len(times) > 11 {
				a.notef("  … and %d more", len(times)-i)
				break
			}
			a.notef("  %s", dayAndTime(zoneOf(sc), t, a.now()))
		}
		ok, err := a.ask(ctx, fmt.Sprintf("Start %s of schedule %s now, one after the other?", words.Count(len(times), "run"), name))
		if err != nil || !ok {
			return &exitError{exitRefused, errors.Join(errors.New("nothing is started"), err)}
		}
	}
	if err := s.schedules.Backfill(ctx, s.lab, name, from, to); err != nil {
		return err
	}
	return a.said(map[string]any{"schedule": name, "runs": len(times)}, "Schedule %s starts %s, one after the other. See them with `nightshift runs`.", name, words.Count(len(times), "run"))
}

// refuseStarted answers an error where the schedule has started runs of times from from to to: Temporal would start those that are
// backfilled under the same ids.
func (s *session) refuseStarted(ctx context.Context, sc runapi.Schedule, from, to time.Time) error {
	runs, err := s.runs.List(ctx, s.lab, runFilter{since: from, runbook: sc.Runbook})
	if err != nil {
		return err
	}
	var started []string
	for _, r := range runs {
		at, ours := strings.CutPrefix(r.Run, sc.ID()+"-")
		if t, err := time.Parse(time.RFC3339, at); ours && err == nil && !t.Before(from) && !t.After(to) && !slices.Contains(started, r.Run) {
			started = append(started, r.Run)
		}
	}
	if len(started) == 0 {
		return nil
	}
	return &exitError{exitRefused, fmt.Errorf("schedule %s has started %s of that time: %s. A second one would hide its report: leave its time out, or start one as of now with `nightshift schedule trigger %s`",
		sc.Name, words.Count(len(started), "run"), words.Some(started, 3), sc.Name)}
}

// scheduleCalled finds a schedule by its name.
func (s *session) scheduleCalled(ctx context.Context, name string) (runapi.Schedule, error) {
	list, err := s.schedules.List(ctx, s.lab)
	if err != nil {
		return runapi.Schedule{}, err
	}
	i := slices.IndexFunc(list, func(sc runapi.Schedule) bool { return sc.Name == name })
	if i < 0 {
		return runapi.Schedule{}, fmt.Errorf("there is no schedule %s any more", name)
	}
	return list[i], nil
}

// pastTime reads a local time that is past.
func pastTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, usage("%s is missing: 2026-11-01, 2026-11-01 12:00, or RFC 3339", flag)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, s, time.Local)
		switch {
		case err != nil:
			continue
		case t.After(now):
			return t, usage("%s %s: that is to come; the schedule starts those runs itself", flag, s)
		case t.Year() < 2000:
			return t, usage("%s %s: no year before 2000", flag, s)
		}
		return t, nil
	}
	return time.Time{}, usage("%s %s: write 2026-11-01, 2026-11-01 12:00 or RFC 3339", flag, s)
}
