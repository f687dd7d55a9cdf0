package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
)

func TestDiff(t *testing.T) {
	lab := reported()
	second := ended(sheet("dsd"), runapi.Partial, "a step was skipped")
	lab.script = []runapi.Sheet{lab.script[0], second}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("diff", "down", "down2"), c.stderr)
	require.Contains(t, c.stdout.String(), "Ended otherwise\n  Shut down guest db01 (Tools, 5 min, then ask): A done; B skipped\n")
	lab.looks = 0
	require.Equal(t, exitDone, c.run("diff", "down", "down2", "-o", "json"))
	var got report.Comparison
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	require.Equal(t, []string{"down", "down2", "partial"}, []string{got.A.Run, got.B.Run, got.B.Outcome})
	require.NotContains(t, c.stdout.String(), "null")

	require.Equal(t, exitUsage, c.run("diff", "down", "down"))
	require.Contains(t, c.stderr.String(), "is one run")
	other := second
	other.Runbook = "power-up"
	lab.script, lab.looks = []runapi.Sheet{second, other}, 0
	require.Equal(t, exitUsage, c.run("diff", "down", "up"))
	require.Contains(t, c.stderr.String(), "only runs of one runbook")
	require.Equal(t, exitUsage, c.run("diff", "down"))
}

func TestStatsCommand(t *testing.T) {
	lab := reported()
	lab.list = []runInfo{{Run: "open", Runbook: "power-up", Open: true, Started: midnight()}, {Run: "down", Runbook: "power-down", State: "done", Started: midnight().Add(-time.Hour)},
		{Run: "older", Runbook: "power-down", State: "done", Started: midnight().Add(-48 * time.Hour)}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("stats"), c.stderr)
	require.Contains(t, c.stdout.String(), "Lab home, the last 2 runs\n\npower-down\n  Runs       2: 2 done\n  Success    100% of those that began\n")
	require.Contains(t, c.stdout.String(), "Slowest    shutdown-guest:")
	require.Equal(t, exitDone, c.run("stats", "-n", "1", "-o", "json"))
	var got report.Stats
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	require.Equal(t, 1, got.Read)
	require.Equal(t, exitDone, c.run("stats", "--runbook", "power-up"))
	require.Equal(t, "Lab home: no run has ended yet.\n", c.stdout.String())
	require.Equal(t, exitUsage, c.run("stats", "-n", "0"))
	require.Equal(t, exitUsage, c.run("stats", "--runbook", "nope"))
}
