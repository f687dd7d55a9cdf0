package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newScheduleRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a schedule; runs that it started go on",
		Args:  wants("NAME"), ValidArgsFunction: a.completeSchedule,
		RunE: func(c *cobra.Command, args []string) error { return runScheduleRemove(c.Context(), a, args[0]) },
	}
}

func runScheduleRemove(ctx context.Context, a *app, name string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.schedules.Remove(ctx, s.lab, name); err != nil {
		return err
	}
	if err := a.said(map[string]string{"schedule": name, "state": "removed"}, "Schedule %s is removed.", name); err != nil {
		return err
	}
	if a.refuseDeclared(s.lab, name, "") != nil {
		a.notef("The lab file declares it: `nightshift apply` makes it again, unless you take it out there.")
	}
	return nil
}
