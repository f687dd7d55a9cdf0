package main

import "github.com/spf13/cobra"

func newScheduleResumeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Let a paused schedule start runs again",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return setSchedulePaused(c.Context(), a, args[0], false, "")
		},
	}
}
