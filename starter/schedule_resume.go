package main

import "github.com/spf13/cobra"

func newScheduleResumeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Let a paused schedule start runs again",
		Args:  wants("NAME"), ValidArgsFunction: a.completeSchedule,
		RunE: func(c *cobra.Command, args []string) error {
			return setSchedulePaused(c.Context(), a, args[0], false, "")
		},
	}
}
