package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"nightshift/internal/engine"
	"nightshift/internal/plan"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
)

func newRestoreCommand(a *app) *cobra.Command {
	replace := false
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a state directory out of a backup",
		Long: `Make a state directory out of a backup, once its checksums and versions were compared. nightshift must not be serving it.
Where there is a state already, --replace sets that aside.

A backup is older than the lab: what its runs did after it was made is not in it, and to go on with them could send a
call a second time. So runs that were open in the backup are terminated and never go on. Their locks stand, debts and
remembered guests are those of the backup, and all schedules are paused. Then it is your turn:

  1. look at the lab, and at "nightshift status"
  2. nightshift unlock RUN --reason WHY, for each run that was open
  3. nightshift run power-up, run power-down, or settle: they plan from what is there now
  4. nightshift schedule resume NAME`,
		Args: wants("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return runRestore(c.Context(), a, args[0], replace) },
	}
	c.Flags().BoolVar(&replace, "replace", false, "set a state that is there aside")
	return c
}

func runRestore(ctx context.Context, a *app, file string, replace bool) error {
	if err := a.ownState("restore"); err != nil {
		return err
	}
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	if err := a.mayReplace(ctx, dir, replace); err != nil {
		return err
	}
	prepared := statedir.Restoring(dir)
	if err := os.RemoveAll(prepared); err != nil { // of a restore that was killed
		return fmt.Errorf("restore: %w", err)
	}
	note, err := prepare(ctx, a, file, prepared)
	if err != nil {
		return errors.Join(err, os.RemoveAll(prepared))
	}
	if err := a.mayReplace(ctx, dir, replace); err != nil { // a serve may have been started meanwhile
		return errors.Join(err, os.RemoveAll(prepared))
	}
	aside, err := statedir.Install(prepared, dir, a.now())
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(note)
	}
	a.printf("Restored %s from %s.\n", dir, file)
	if aside != "" {
		a.printf("What was there before is in %s.\n", aside)
	}
	a.tellRestore(dir, note)
	a.printf("Start it with: nightshift serve\n")
	return nil
}

// mayReplace says why the directory must stay as it is: it is being served, or holds a state that nobody gave up.
func (a *app) mayReplace(ctx context.Context, dir string, replace bool) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	d, err := openState(ctx, dir)
	if err != nil {
		return err
	}
	empty, err := statedir.Empty(dir)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	if !empty && !replace {
		return &exitError{exitRefused, fmt.Errorf("there is a state in %s: set it aside with --replace, or choose another directory with --state-dir", dir)}
	}
	return nil
}

// prepare makes the state directory: unpacked, compared, and with nothing in it that would go on by itself.
func prepare(ctx context.Context, a *app, file, path string) (note statedir.Restored, err error) {
	dir, err := openState(ctx, path)
	if err != nil {
		return note, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	m, err := statedir.ReadBackup(file, path, knownVersion)
	if err != nil {
		return note, err
	}
	schema, err := engine.Inspect(ctx, dir.Database())
	if err != nil {
		return note, err
	}
	if schema != m.Schema {
		return note, fmt.Errorf("backup %s: its database has schema 0.%d, its list says 0.%d", file, schema, m.Schema)
	}
	note = statedir.Restored{At: a.now().UTC(), Made: m.Made, Version: m.Version, Instance: m.Instance}
	if note.Runs, note.Schedules, err = bringToRest(ctx, a, dir, m); err != nil {
		return note, err
	}
	return note, statedir.WriteRestored(path, note)
}

// knownVersion refuses a backup that holds what this nightshift does not know.
func knownVersion(m statedir.Manifest) error {
	schema, err := engine.Schema()
	switch {
	case err != nil:
		return err
	case m.Schema > schema:
		return &exitError{exitRefused, fmt.Errorf("it was made by a newer nightshift (%s, schema 0.%d, this one knows 0.%d): use that one", m.Version, m.Schema, schema)}
	case m.PlanSchema > plan.SchemaVersion:
		return &exitError{exitRefused, fmt.Errorf("it was made by a newer nightshift (%s, plan schema %d, this one knows %d): use that one", m.Version, m.PlanSchema, plan.SchemaVersion)}
	}
	return nil
}

// tellRestore says what a person has to do after a restore.
func (a *app) tellRestore(dir string, r statedir.Restored) {
	a.tell("%s", a.paint().on(bold, "This state is from a backup of "+words.Second(r.Made)+": the lab may be ahead of it."))
	if len(r.Runs) > 0 {
		a.tell("  Runs that were open then will not go on: look at what they left, then free their locks.")
		for _, run := range r.Runs {
			a.tell("    nightshift unlock %s --reason WHY", run)
		}
	}
	if len(r.Schedules) > 0 {
		a.tell("  Schedules are paused: %s. Let them go on with `nightshift schedule resume NAME` (see `nightshift schedule list`).", join(r.Schedules))
	}
	if here := localHome(dir); r.Instance != here {
		a.tell("  vCenters and protection groups on which it worked then may bear the mark of %s: if that is gone, take it off as the run's error says.", r.Instance)
	}
	a.tell("  What was owed and remembered then: `nightshift status`. Once you have looked: rm %s", statedir.RestoredFile(dir))
}
