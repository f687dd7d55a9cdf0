package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/statedir"
	"nightshift/worker"
)

func newUpgradeCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade-check",
		Short: "May this nightshift take the place of the one that runs?",
		Long: `Try, without changing anything, whether this nightshift could go on where the one that serves the lab stands: call it by the
path of the new binary, while the old one runs. It reads the lab file, looks at the database's schema, and carries the
history of everything that is under way out once more, in memory, with its own code.

  ./nightshift-new upgrade-check && install ./nightshift-new /usr/bin/nightshift && systemctl restart nightshift

Exit code 1: something would not go on. What is under way could end with the old one first, or be aborted.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runUpgradeCheck(c.Context(), a) },
	}
}

func runUpgradeCheck(ctx context.Context, a *app) error {
	rows := []checkRow{{Subject: "this nightshift", Check: "version", State: checkOK, Text: thisVersion().Version}}
	rows = append(rows, a.checkLabFile()...)
	w, err := a.resolve()
	if err != nil && !errors.Is(err, errNothingRuns) {
		return err
	}
	rows = append(rows, a.checkDatabase(ctx, w)...)
	if err == nil {
		rows = append(rows, a.checkOpen(ctx, w)...)
	} else {
		rows = append(rows, checkRow{Subject: "runs", Check: "histories", State: checkWarn, Text: "no nightshift is running: what is under way could not be tried",
			Remedy: "start the old one, then ask again"})
	}
	failed := 0
	for _, r := range rows {
		if r.State == checkFail {
			failed++
		}
	}
	if a.json() {
		if err := a.writeJSON(rows); err != nil {
			return err
		}
	} else {
		a.showChecks(rows, false)
		if failed == 0 {
			a.printf("\nThis nightshift goes on where the other one stands. `nightshift backup` first, then stop that one and start this.\n")
		}
	}
	if failed > 0 {
		return silent(exitFailed)
	}
	return nil
}

// checkLabFile tells whether this nightshift reads the lab file that is in use.
func (a *app) checkLabFile() []checkRow {
	path := a.findLab().path
	row := checkRow{Subject: "lab file", Check: "format", State: checkOK, Text: path}
	if path == "" {
		row.State, row.Text = checkWarn, "none was found"
		return []checkRow{row}
	}
	if _, err := inventory.Load(path); err != nil {
		row.State, row.Text, row.Remedy = checkFail, path+": "+oneLine(err), "nightshift lab validate"
	}
	return []checkRow{row}
}

// checkDatabase compares the schema of the embedded engine's database with the one that this nightshift writes.
func (a *app) checkDatabase(ctx context.Context, w where) []checkRow {
	dir, err := a.stateDir()
	if err != nil {
		return nil
	}
	if w.Simulated {
		dir = simulatedDir(dir)
	}
	file := statedir.Database(dir)
	if _, err := os.Stat(file); err != nil {
		return nil // an external Temporal, or nothing was ever served
	}
	row := checkRow{Subject: "database", Check: "schema", State: checkOK}
	have, err := engine.SchemaOf(ctx, file)
	want, wantErr := engine.Schema()
	switch err = errors.Join(err, wantErr); {
	case err != nil:
		row.State, row.Text = checkFail, oneLine(err)
	case have > want:
		row.State, row.Text = checkFail, fmt.Sprintf("version %d was written by a newer nightshift, this one knows %d", have, want)
	case have < want:
		row.State, row.Text = checkWarn, fmt.Sprintf("version %d is brought to %d at the first start; a copy of the file is kept beside it", have, want)
		row.Remedy = "the old nightshift cannot read it afterwards: back up before"
	default:
		row.Text = fmt.Sprintf("version %d, the same", have)
	}
	return []checkRow{row}
}

// checkOpen replays what is under way.
func (a *app) checkOpen(ctx context.Context, w where) []checkRow {
	fail := func(err error) []checkRow {
		return []checkRow{{Subject: "runs", Check: "histories", State: checkFail, Text: oneLine(err)}}
	}
	lab, err := a.labName(w)
	if err != nil {
		return fail(err)
	}
	w.Options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(dialing, w.Options)
	if err != nil {
		return fail(fmt.Errorf("no answer from the Temporal service at %s: %w", w.Options.HostPort, err))
	}
	defer c.Close()
	list, err := worker.Replay(ctx, c, cmp.Or(w.Options.Namespace, client.DefaultNamespace), lab)
	if err != nil {
		return fail(err)
	}
	rows := []checkRow{}
	for _, r := range list {
		row := checkRow{Subject: r.Workflow, Check: "history", State: checkOK, Text: "goes on with this nightshift"}
		if r.Err != nil {
			row.State, row.Text, row.Remedy = checkFail, oneLine(r.Err), "let it end with the nightshift that runs it, or abort it"
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		rows = append(rows, checkRow{Subject: "runs", Check: "histories", State: checkOK, Text: "nothing is under way"})
	}
	return rows
}
