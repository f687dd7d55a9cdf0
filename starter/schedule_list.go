package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newScheduleListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the schedules of the lab",
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
	if a.json() {
		if list == nil {
			list = []schedule{}
		}
		return a.writeJSON(list)
	}
	if len(list) == 0 {
		a.printf("Lab %s: no schedules. Add one with `nightshift schedule add NAME RUNBOOK --cron …`.\n", s.lab)
		return nil
	}
	for _, sc := range list {
		a.printf("%s\n", sc.text())
	}
	return nil
}
