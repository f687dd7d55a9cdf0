package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Without a nightshift that runs, the lab file is still read, and what could not be tried is said.
func TestUpgradeCheckWithoutAServer(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": t.TempDir()}
	require.Equal(t, exitDone, c.run("upgrade-check"), c.stderr)
	require.Regexp(t, `ok +lab file +format`, c.stdout.String())
	require.Contains(t, c.stdout.String(), "no nightshift is running: what is under way could not be tried")

	require.NoError(t, os.WriteFile("lab.yaml", []byte("lab: home\nhosts: 3\n"), 0o600))
	require.Equal(t, exitFailed, c.run("upgrade-check"))
	require.Regexp(t, `FAILED +lab file +format`, c.stdout.String())
}

// A database that a newer nightshift wrote cannot be read by this one.
func TestUpgradeCheckOfADatabaseThatIsNoDatabase(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	dir := t.TempDir()
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": dir}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "temporal.db"), []byte("this is a text of no use at all to anybody who wants a database"), 0o600))
	require.Equal(t, exitFailed, c.run("upgrade-check"))
	require.Contains(t, c.stdout.String(), "is not a database")
}

// Every verb that people see has its page.
func TestManualPages(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	dir := filepath.Join(t.TempDir(), "man")
	require.Equal(t, exitDone, c.run("man", dir), c.stderr)
	var walk func(*cobra.Command, string)
	walk = func(v *cobra.Command, name string) {
		if v.Hidden || v.IsAdditionalHelpTopicCommand() {
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		require.NoError(t, err)
		require.NotContains(t, string(text), "Auto generated")
		for _, sub := range v.Commands() {
			walk(sub, name+"-"+sub.Name())
		}
	}
	walk(newRootCommand(c.app), "nightshift")
}
