package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
)

func someRuns() *fakeLab {
	at := func(h int) time.Time { return midnight().Add(time.Duration(h) * time.Hour) }
	one := func(id, runbook, state string, h int) runInfo {
		return runInfo{Run: id, Runbook: runbook, State: state, Started: at(h), Ended: at(h).Add(20 * time.Minute), Target: "home"}
	}
	open := one("up-3", "power-up", runapi.PhaseExecute, -1)
	open.Open, open.Ended = true, time.Time{}
	cluster := one("down-2", "power-down", runapi.Partial, -25)
	cluster.Target = "Lab"
	return &fakeLab{script: []runapi.Sheet{sheet("ddd")}, // in no order, as SQLite answers
		list: []runInfo{one("down-1", "power-down", runapi.Done, -49), open, cluster, one("up-1", "power-up", runapi.Done, -40), one("bad", "settle", "terminated", -200)},
		by:   map[string]string{"down-1": "schedule nightly", "down-2": "ann@desk", "up-1": "schedule morning", "up-3": "bob@nas", "bad": "ann@desk"}}
}

func TestRunsAreFilteredAndSorted(t *testing.T) {
	c := newConsole(t, someRuns())
	for args, want := range map[string]string{
		"":                                 "up-3 down-2 up-1 down-1 bad",
		"-n 2":                             "up-3 down-2",
		"--runbook power-down":             "down-2 down-1",
		"--outcome done":                   "up-1 down-1",
		"--outcome terminated":             "bad",
		"--open":                           "up-3",
		"--target Lab":                     "down-2",
		"--by schedule":                    "up-1 down-1",
		"--by ANN":                         "down-2 bad",
		"--by schedule -n 1":               "up-1",
		"--since 2d":                       "up-3 down-2 up-1",
		"--since 7d --until 30h":           "up-1 down-1",
		"--since 2026-11-19T12:00:00Z":     "up-3 down-2",
		"--since 2026-11-10":               "up-3 down-2 up-1 down-1 bad",
		"--until 2026-11-12T10:00:00Z":     "",
		"--runbook power-up --by schedule": "up-1",
	} {
		require.Equal(t, exitDone, c.run(append([]string{"runs", "-o", "json"}, strings.Fields(args)...)...), "%s: %s", args, c.stderr)
		var got []runInfo
		require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
		ids := []string{}
		for _, r := range got {
			ids = append(ids, r.Run)
			require.NotEmpty(t, r.By)
		}
		require.Equal(t, want, strings.Join(ids, " "), args)
	}
}

func TestRunsThatAreNone(t *testing.T) {
	c := newConsole(t, someRuns())
	require.Equal(t, exitDone, c.run("runs", "--by", "nobody"))
	require.Equal(t, "Lab home: no run matches. All of them: nightshift runs\n", c.stdout.String())
	c = newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("runs"))
	require.Equal(t, "Lab home: no runs.\n", c.stdout.String())
}

func TestBadFilters(t *testing.T) {
	c := newConsole(t, someRuns())
	for args, says := range map[string]string{
		"--runbook nope":            "power-down",
		"--outcome nice":            "done, partial, refused",
		"--since yesterday":         "write a date",
		"--until 25:00":             "write a date",
		"--limit 0":                 "at least 1",
		"--open --outcome done":     "no outcome yet",
		"--since 1d --until 2d":     "nothing lies between",
		"--since -3h":               "write a date",
		"--since 99999999999999d":   "write a date",
		"--since 2026-13-01T00:00Z": "write a date",
	} {
		require.Equal(t, exitUsage, c.run(append([]string{"runs"}, strings.Fields(args)...)...), args)
		require.Contains(t, c.stderr.String(), says, args)
	}
}

// What is typed gets into a query as text and nothing else.
func TestAFilterIsNoQuery(t *testing.T) {
	require.Equal(t, ` AND ExecutionStatus != 'ContinuedAsNew' AND Target = 'x\' OR \'1\'=\'1'`, runFilter{target: `x' OR '1'='1`}.query())
	for _, odd := range []string{`x\' OR 1=1`, `x"`, "x\n"} {
		require.Equal(t, ` AND ExecutionStatus != 'ContinuedAsNew'`, runFilter{target: odd}.query(), "the list itself is looked through")
	}
}

func reported() *fakeLab {
	return &fakeLab{script: []runapi.Sheet{ended(sheet("ddd"), runapi.Done, "")}, plan: littlePlan(), list: []runInfo{{Run: "down", Runbook: "power-down", State: "done"}}}
}

func TestReportFormats(t *testing.T) {
	c := newConsole(t, reported())
	for format, want := range map[string]string{"text": "What determined the end\n", "json": `"path": [`, "markdown": "## What determined the end", "html": "<!doctype html>"} {
		require.Equal(t, exitDone, c.run("report", "down", "-o", format), c.stderr)
		require.Contains(t, c.stdout.String(), want)
	}
	require.Equal(t, exitUsage, c.run("report", "down", "-o", "pdf"))
	require.Contains(t, c.stderr.String(), "text, json, markdown, html")
}

func TestReportIntoAFile(t *testing.T) {
	c := newConsole(t, reported())
	path := filepath.Join(t.TempDir(), "night.html")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.Equal(t, exitDone, c.run("report", "latest", "-o", "html", "--out", path), c.stderr)
	require.Empty(t, c.stdout.String())
	require.Contains(t, c.stderr.String(), path)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(b), "Power down lab home: 1 host, 2 guests")
	require.Equal(t, exitFailed, c.run("report", "latest", "-o", "html", "--out", filepath.Join(path, "x", "y.html")))
	require.Contains(t, c.stderr.String(), "write the report to")
}
