package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
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

// What is under way is asked of the server that runs: a run that nobody has taken yet goes on with any nightshift, one of a workflow
// that this nightshift does not have would stand still.
func TestUpgradeCheckOfWhatIsUnderWay(t *testing.T) {
	server, env := embeddedServer(t)
	c := newConsole(t, &fakeLab{})
	c.env = env
	asked := func(code int, want string) {
		t.Helper()
		require.Eventually(t, func() bool { // the list lags behind
			return c.run("upgrade-check") == code && regexp.MustCompile(want).MatchString(c.stdout.String())
		}, time.Minute, 100*time.Millisecond, want)
	}
	begin := func(id, kind string) {
		_, err := server.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue("home")}, kind, runapi.Params{Lab: "home"})
		require.NoError(t, err)
	}
	asked(exitDone, `ok +runs +histories +nothing is under way`)
	require.Regexp(t, `ok +database +schema +version [0-9.]+, the same`, c.stdout.String())
	begin("power-down-home-1", plan.PowerDownWorkflow)
	asked(exitDone, `ok +power-down-home-1 +history +goes on with this nightshift`)
	require.Contains(t, c.stdout.String(), "This nightshift goes on where the other one stands.")
	begin("tomorrow-1", "OfTomorrow")
	asked(exitFailed, `FAILED +tomorrow-1 +history +a newer nightshift began it: this one has no workflow OfTomorrow`)
	require.Contains(t, c.stdout.String(), "let it end with the nightshift that runs it, or abort it")
	require.NotContains(t, c.stdout.String(), "goes on where the other one stands")
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
