package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nightshift/internal/engine"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
)

func newBackupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the state directory into an archive, while serve runs",
		Long: `Copy the state directory, as of one moment, into a tar.gz archive with checksums that only its owner can read: runs,
ledger, schedules. It may run while serve does. FILE must not be there yet:

  nightshift backup /mnt/nas/nightshift-$(date +%F).tar.gz

The lab file and the files with secrets are not in it: keep copies of those too.`,
		Args: wants("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return runBackup(c.Context(), a, args[0]) },
	}
}

func runBackup(ctx context.Context, a *app, file string) error {
	if err := a.ownState("backup"); err != nil {
		return err
	}
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	if within(dir, file) { // it would be in the next one, and is lost with what it is a copy of
		return usage("%s is in the state directory itself: choose another place, on another disk if there is one", file)
	}
	if _, err := os.Lstat(file); err == nil {
		return usage("%s is there already: a backup replaces nothing, give it a name of its own", file)
	}
	// Beside the archive: what fits there is known to fit, and a copy never leaves the place that was chosen for it.
	tmp, err := os.MkdirTemp(filepath.Dir(file), ".nightshift-backup-*")
	if err != nil {
		return fmt.Errorf("back up to %s: %w", file, err)
	}
	m, err := writeBackup(ctx, a, file, dir, filepath.Join(tmp, "copy.db"))
	if err := errors.Join(err, os.RemoveAll(tmp)); err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(m)
	}
	a.printf("Backed up %s to %s (%s).\n", dir, file, words.Count(len(m.Files), "file"))
	return nil
}

// within tells whether a file is below a directory.
func within(dir, file string) bool {
	full, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	name, err := filepath.Rel(dir, full)
	return err == nil && filepath.IsLocal(name)
}

func writeBackup(ctx context.Context, a *app, file, dir, database string) (statedir.Manifest, error) {
	v := thisVersion()
	m := statedir.Manifest{Made: a.now().UTC(), Version: v.Version, PlanSchema: v.PlanSchema, Instance: localHome(dir)}
	if addr, err := statedir.ReadAddress(dir); err == nil {
		m.Lab = addr.Lab
	}
	var err error
	if m.Schema, err = engine.Copy(ctx, statedir.Database(dir), database); err != nil {
		return m, err
	}
	names, err := statedir.BackupFiles(dir)
	if err != nil {
		return m, fmt.Errorf("back up %s: %w", dir, err)
	}
	return statedir.WriteBackup(file, m, dir, database, names)
}

// ownState refuses where the state is not in a directory of ours.
func (a *app) ownState(verb string) error {
	_, external, err := a.external()
	if err == nil && external {
		err = usage("%s is about the state directory of `nightshift serve`: the runs of an external Temporal are in its own database; leave out --temporal-address and TEMPORAL_ADDRESS", verb)
	}
	return err
}
