package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

func newScheduleCommand(a *app) *cobra.Command {
	return group("schedule", "Start runbooks by the clock: the nightly power-down",
		newScheduleAddCommand(a), newScheduleListCommand(a), newSchedulePauseCommand(a), newScheduleResumeCommand(a),
		newScheduleTriggerCommand(a), newScheduleBackfillCommand(a), newScheduleRemoveCommand(a))
}

// scheduleText is the schedule in one line.
func scheduleText(s runapi.Schedule) string {
	text := fmt.Sprintf("%s: %s, %s, %s", s.Name, s.Runbook, s.When(), scheduleState(s))
	if s.Missed > 0 {
		text += fmt.Sprintf(", %d missed (nightshift was not up in time)", s.Missed)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped (the run before was under way)", s.Skipped)
	}
	return text
}

func scheduleState(s runapi.Schedule) string {
	switch {
	case s.Paused:
		return cmp.Or(s.Note, "paused") // the note begins with "paused by"
	case s.Next.IsZero():
		return "no next time"
	}
	return "next " + s.Next.In(zoneOf(s)).Format("2006-01-02 15:04 MST")
}

// dayAndTime is a moment as people say it, in a zone: "Sun 6 Dec 23:00 CET", with its year where that is another one.
func dayAndTime(zone *time.Location, t, now time.Time) string {
	t = t.In(zone)
	if t.Year() != now.In(zone).Year() {
		return t.Format("Mon 2 Jan 2006 15:04 MST")
	}
	return t.Format("Mon 2 Jan 15:04 MST")
}
