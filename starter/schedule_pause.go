package main

import (
	"context"

	"github.com/spf13/cobra"

	"nightshift/internal/words"
)

func newSchedulePauseCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "pause NAME",
		Short: "Let a schedule start no runs until it is resumed",
		Args:  wants("NAME"), ValidArgsFunction: a.completeSchedule,
		RunE: func(c *cobra.Command, args []string) error {
			return setSchedulePaused(c.Context(), a, args[0], true, reason)
		},
	}
	reasonFlag(c.Flags(), &reason, "`why`")
	return c
}

func setSchedulePaused(ctx context.Context, a *app, name string, pause bool, reason string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	verb := "resumed"
	if pause {
		verb = "paused"
	}
	if err := s.schedules.Pause(ctx, s.lab, name, pause, verb+" by "+a.who+words.After(reason)); err != nil {
		return err
	}
	return a.said(map[string]string{"schedule": name, "state": verb}, "Schedule %s is %s.", name, verb)
}

// said prints the outcome of a small verb.
func (a *app) said(v any, format string, args ...any) error {
	if a.json() {
		return a.writeJSON(v)
	}
	a.printf(format+"\n", args...)
	return nil
}
