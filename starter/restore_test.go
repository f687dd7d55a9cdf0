package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/engine"
	"nightshift/internal/plan"
	"nightshift/internal/statedir"
)

// offline is a console whose state is a directory of its own, and no external Temporal.
func offline(t *testing.T) (*console, string) {
	c := newConsole(t, &fakeLab{})
	state := filepath.Join(t.TempDir(), "state")
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": state, "XDG_CONFIG_HOME": t.TempDir()}
	return c, state
}

func TestBackupsThatCannotBeMade(t *testing.T) {
	c, state := offline(t)
	require.Equal(t, exitFailed, c.run("backup", "b.tar.gz"))
	require.Contains(t, c.stderr.String(), "nothing was ever served from there")
	left, err := filepath.Glob(".nightshift-backup-*")
	require.NoError(t, err)
	require.Empty(t, left, "no half copy stays")
	require.NoFileExists(t, "b.tar.gz")
	require.NoDirExists(t, state, "looking creates nothing")
	require.Equal(t, exitUsage, c.run("backup", filepath.Join(state, "b.tar.gz")))
	require.Contains(t, c.stderr.String(), "is in the state directory itself")
	require.NoError(t, os.Mkdir(state+".restoring", 0o700))
	require.Equal(t, exitFailed, c.run("serve"))
	require.Contains(t, c.stderr.String(), "a restore into "+state+" was broken off")
	require.NoDirExists(t, state, "no empty state is served in its place")
	require.Equal(t, exitUsage, c.run("backup", "lab.yaml"))
	require.Contains(t, c.stderr.String(), "is there already")
	require.Equal(t, exitFailed, c.run("backup", "nowhere/b.tar.gz"))
	c.env = fakeEnv{"TEMPORAL_ADDRESS": "localhost:1"}
	for _, verb := range []string{"backup", "restore"} {
		require.Equal(t, exitUsage, c.run(verb, "b.tar.gz"))
		require.Contains(t, c.stderr.String(), "external Temporal")
	}
}

// backupOf makes an archive that says these versions of itself; its database is none.
func backupOf(t *testing.T, m statedir.Manifest) string {
	t.Helper()
	dir := t.TempDir()
	db := filepath.Join(dir, "db")
	require.NoError(t, os.WriteFile(db, []byte("no database at all, though its checksum is right and it is long enough"), 0o600))
	file := filepath.Join(dir, "b.tar.gz")
	_, err := statedir.WriteBackup(file, m, dir, db, nil)
	require.NoError(t, err)
	return file
}

func TestRestoresThatAreRefusedLeaveEverythingAsItWas(t *testing.T) {
	schema, err := engine.Schema()
	require.NoError(t, err)
	for _, x := range []struct {
		name string
		m    statedir.Manifest
		code int
		says string
	}{
		{"a newer schema", statedir.Manifest{Version: "v9", Schema: schema + 1}, exitRefused, "newer nightshift (v9, schema"},
		{"newer plans", statedir.Manifest{Version: "v9", Schema: schema, PlanSchema: plan.SchemaVersion + 1}, exitRefused, "newer nightshift (v9, plan schema"},
		{"no database in it", statedir.Manifest{Schema: schema}, exitFailed, "is not a database"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, state := offline(t)
			require.NoError(t, os.MkdirAll(state, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(state, "temporal.db"), []byte("mine"), 0o600))
			file := backupOf(t, x.m)
			require.Equal(t, exitRefused, c.run("restore", file), c.stderr)
			require.Contains(t, c.stderr.String(), "set it aside with --replace")
			require.Equal(t, x.code, c.run("restore", file, "--replace"), c.stderr)
			require.Contains(t, c.stderr.String(), x.says)
			b, err := os.ReadFile(filepath.Join(state, "temporal.db"))
			require.NoError(t, err)
			require.Equal(t, "mine", string(b))
			require.NoDirExists(t, state+".restoring")
		})
	}
}

func TestNoRestoreUnderAServer(t *testing.T) {
	c, state := offline(t)
	dir, err := openState(t.Context(), state)
	require.NoError(t, err)
	defer dir.Close()
	require.Equal(t, exitFailed, c.run("restore", backupOf(t, statedir.Manifest{Schema: 1}), "--replace"))
	require.Contains(t, c.stderr.String(), "already serves the state directory")
}
