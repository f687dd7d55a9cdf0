package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newScheduleTriggerCommand(a *app) *cobra.Command {
	wait := false
	c := &cobra.Command{
		Use:   "trigger NAME",
		Short: "Start a run of a schedule now, as the clock would",
		Long: `Start a run of a schedule now, as the clock would: with its parameters, without a question, skipped while a hold stands
or another run has the lab. A paused schedule can be triggered, too.`,
		Args: wants("NAME"), ValidArgsFunction: a.completeSchedule,
		RunE: func(c *cobra.Command, args []string) error { return runScheduleTrigger(c.Context(), a, args[0], wait) },
	}
	c.Flags().BoolVar(&wait, "wait", false, "watch the run to its end, and exit with its code")
	return c
}

func runScheduleTrigger(ctx context.Context, a *app, name string, wait bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.schedules.Trigger(ctx, s.lab, name)
	if err != nil {
		return err
	}
	if !wait {
		return a.said(map[string]string{"schedule": name, "run": run}, "Schedule %s has started run %s. Watch it with `nightshift watch %s`.", name, run, run)
	}
	a.tell("Schedule %s has started run %s.", name, run)
	return a.watchOut(ctx, s, run)
}
