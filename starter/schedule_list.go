package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

func newScheduleListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the schedules of the lab: when they come next, and what became of their last run",
		Args:  atMost(0),
		RunE:  func(c *cobra.Command, _ []string) error { return runScheduleList(c.Context(), a) },
	}
}

func runScheduleList(ctx context.Context, a *app) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.schedules.List(ctx, s.lab)
	if err != nil {
		return err
	}
	for i := range list {
		s.lastRun(ctx, &list[i])
	}
	if a.json() {
		if list == nil {
			list = []runapi.Schedule{}
		}
		return a.writeJSON(list)
	}
	if len(list) == 0 {
		a.printf("Lab %s: no schedules. Add one with `nightshift schedule add NAME RUNBOOK --calendar \"every day at 23:00\"`, or under schedules: in the lab file.\n", s.lab)
		return nil
	}
	for i, sc := range list {
		if i > 0 {
			a.printf("\n")
		}
		a.printSchedule(sc)
	}
	return nil
}

// lastRun adds how the last run of a schedule ended. Of a run that cannot be asked any more, nothing is said.
func (s *session) lastRun(ctx context.Context, sc *runapi.Schedule) {
	if sc.LastRun == "" {
		return
	}
	info, err := s.runs.Info(ctx, sc.LastRun)
	if err != nil {
		return
	}
	sc.Outcome = info.State
	if info.State == runapi.Skipped {
		if sheet, _, err := s.sheet(ctx, sc.LastRun); err == nil {
			sc.Why = sheet.Why
		}
	}
}

func (a *app) printSchedule(s runapi.Schedule) {
	p := a.paint()
	what := s.Runbook + sayParameters(s.Parameters)
	if s.Declared {
		what += ", declared in the lab file"
	}
	a.printf("%s  %s\n", p.on(bold, s.Name), what)
	row := func(name, value string) {
		if value != "" {
			a.printf("  %-8s %s\n", name, value)
		}
	}
	row("when", s.When()+sayRest(s))
	if s.Paused {
		row("state", p.on(yellow, cmp.Or(s.Note, "paused")))
	} else {
		var next []string
		for _, t := range s.Times {
			next = append(next, dayAndTime(zoneOf(s), t, a.now()))
		}
		row("next", cmp.Or(strings.Join(next, ", "), "no next time"))
	}
	row("last", a.lastText(s))
	if s.Missed > 0 {
		row("missed", p.on(yellow, fmt.Sprintf("%d (nightshift was not up in time)", s.Missed)))
	}
	if s.Skipped > 0 {
		row("skipped", fmt.Sprintf("%d (the run before was under way)", s.Skipped))
	}
}

func (a *app) lastText(s runapi.Schedule) string {
	if s.LastRun == "" {
		return "none yet"
	}
	text := dayAndTime(zoneOf(s), s.LastAt, a.now()) + ", "
	if s.Outcome != "" {
		text += s.Outcome + ", "
	}
	text += "run " + s.LastRun
	if s.Why != "" {
		text += ": " + s.Why
	}
	return text
}

// zoneOf is the zone in which the schedule says its time, so that its next times are the ones that it was given.
func zoneOf(s runapi.Schedule) *time.Location {
	if zone, err := time.LoadLocation(s.Zone); err == nil && s.Zone != "" {
		return zone
	}
	return time.Local
}

func sayParameters(params map[string]string) string {
	var b strings.Builder
	for _, k := range sortedKeys(params) {
		fmt.Fprintf(&b, " %s=%s", k, words.Shell(params[k]))
	}
	return b.String()
}

// sayRest is what was said of a schedule beside its time.
func sayRest(s runapi.Schedule) string {
	text := ""
	if s.Jitter > 0 {
		text += fmt.Sprintf(", up to %s later", s.Jitter)
	}
	if s.Until != "" {
		text += ", until " + s.Until
	}
	if s.OnFailure != "" {
		text += ", on failure " + string(s.OnFailure)
	}
	if s.Deadline > 0 {
		text += fmt.Sprintf(", ends after %s", s.Deadline)
	}
	if s.Approval {
		text += ", waits for an approval"
	}
	return text
}
