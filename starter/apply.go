package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

type applyOptions struct {
	yes, check bool
}

func newApplyCommand(a *app) *cobra.Command {
	o := &applyOptions{}
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the schedules as the lab file declares them",
		Long: `Show how the schedules differ from those that the lab file declares (schedules:), ask, and make them so: added, changed
(what they have counted stays), removed where the file does not declare them any more. Schedules that were made by hand with
` + "`nightshift schedule add`" + ` are left alone. Run again it changes nothing. A schedule that is paused stays so, unless the lab
file says paused: false.

With --check nothing is changed, and the exit code tells whether something differs: 0 nothing, 6 something.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runApply(c.Context(), a, *o) },
	}
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "make it so without asking")
	c.Flags().BoolVar(&o.check, "check", false, "only show the difference, and exit with 6 where there is one")
	return c
}

func runApply(ctx context.Context, a *app, o applyOptions) error {
	if o.yes && o.check {
		return usage("either --yes or --check")
	}
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if lab.Lab != s.lab { // all that is declared there would be removed
		return &exitError{exitRefused, fmt.Errorf("the lab file %s describes lab %s, and the nightshift that runs here serves lab %s: nothing is changed; name its lab file with --lab", lab.Path, lab.Lab, s.lab)}
	}
	there, err := s.schedules.List(ctx, s.lab)
	if err != nil {
		return err
	}
	d, err := differenceOf(lab, there, a.now())
	if err != nil {
		return err
	}
	if !a.json() {
		a.printDifference(s.lab, d)
	}
	if o.check || len(d.Changes) == 0 {
		if err := a.differenceJSON(d); err != nil {
			return err
		}
		if o.check && len(d.Changes) > 0 {
			return silent(exitPartial)
		}
		return nil
	}
	if !o.yes {
		if a.json() {
			a.notef("%s", d.summary())
		}
		ok, err := a.ask(ctx, "Make it so?")
		if err != nil || !ok {
			return &exitError{exitRefused, errors.Join(errors.New("nothing is changed"), err)}
		}
	}
	if err := s.applyAll(ctx, a, &d); err != nil {
		return err
	}
	d.Applied = true
	if !a.json() {
		a.printf("Done: %s.\n", d.summary())
	}
	return a.differenceJSON(d)
}

// applyAll makes the changes, those that remove first: a schedule of another runbook has another id.
func (s *session) applyAll(ctx context.Context, a *app, d *difference) error {
	made := 0
	var err error
	for _, kind := range []string{changeRemove, changeChange, changeAdd} {
		for _, c := range d.Changes {
			if err != nil || c.Change != kind {
				continue
			}
			if err = s.applyOne(ctx, a, c); err == nil {
				made++
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%w (%s made; run it again for the rest)", err, words.Of(made, len(d.Changes), "change"))
	}
	return nil
}

func (s *session) applyOne(ctx context.Context, a *app, c scheduleChange) error {
	to := c.to
	switch c.Change {
	case changeRemove:
		return s.schedules.Remove(ctx, s.lab, c.Schedule)
	case changeChange:
		return s.schedules.Change(ctx, c.from, by(a, to, c.from.Paused))
	}
	return s.schedules.Add(ctx, by(a, to, c.from.Paused))
}

// by says who pauses a schedule, or lets it go on.
func by(a *app, s runapi.Schedule, was bool) runapi.Schedule {
	switch {
	case s.Paused && !was:
		s.Note = "paused by " + a.who + ", as the lab file says"
	case !s.Paused && was:
		s.Note = "resumed by " + a.who + ", as the lab file says"
	}
	return s
}

func (a *app) differenceJSON(d difference) error {
	if !a.json() {
		return nil
	}
	return a.writeJSON(d)
}

// refuseDeclared answers an error where the lab file of the lab declares a schedule of the name, and says what to do instead.
func (a *app) refuseDeclared(of, name, instead string) error {
	if a.findLab().path == "" {
		return nil
	}
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	if _, ok := lab.Schedule(name); ok && lab.Lab == of {
		return &exitError{exitRefused, fmt.Errorf("the lab file %s declares schedule %s: %s", lab.Path, name, instead)}
	}
	return nil
}
