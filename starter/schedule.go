package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newScheduleCommand(a *app) *cobra.Command {
	return group("schedule", "Start runbooks by the clock: the nightly power-down",
		newScheduleAddCommand(a), newScheduleListCommand(a), newSchedulePauseCommand(a), newScheduleResumeCommand(a), newScheduleRemoveCommand(a))
}

// text is the schedule in one line.
func (s schedule) text() string {
	state := "next " + stamp(s.Next)
	switch {
	case s.Paused:
		state = firstOf(s.Note, "paused") // the note begins with "paused by"
	case s.Next.IsZero():
		state = "no next time"
	}
	text := fmt.Sprintf("%s: %s at %q %s, %s", s.Name, s.Runbook, s.Cron, s.Zone, state)
	if s.Missed > 0 {
		text += fmt.Sprintf(", %d missed (nightshift was not up in time)", s.Missed)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped (the run before was under way)", s.Skipped)
	}
	return text
}
