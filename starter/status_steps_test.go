package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// manySteps is a lab with a run of n steps in three groups, of which one is blocked and one runs.
func manySteps(n int) *fakeLab {
	p := &plan.Plan{Title: "Power down"}
	letters := []byte(strings.Repeat("d", n))
	letters[3], letters[4] = runapi.Blocked, runapi.Running
	for i := range n {
		p.Steps = append(p.Steps, plan.Step{ID: fmt.Sprintf("shutdown-guest:vm%04d", i), Title: fmt.Sprintf("Shut down guest vm%04d", i),
			Group: fmt.Sprintf("Tier %d", i%3), Action: plan.ShutdownGuest, Target: plan.Target{Kind: plan.Guest, Name: fmt.Sprintf("vm%04d", i)}})
	}
	lab := busyLab()
	lab.plan = p
	lab.script = []runapi.Sheet{{Phase: runapi.PhaseExecute, Started: midnight(), Total: n, Done: n - 2, Blocked: 1, Running: 1, Steps: string(letters),
		Notes: runapi.Notes{"shutdown-guest:vm0003": "no Tools"}}}
	return lab
}

func TestStepsOfARun(t *testing.T) {
	c := newConsole(t, manySteps(2000))
	lines := func(args ...string) string {
		require.Equal(t, exitDone, c.run(args...), c.stderr)
		return c.stdout.String()
	}
	folded := lines("status", runA)
	require.Less(t, strings.Count(folded, "\n"), 12, folded)
	require.Contains(t, folded, "Tier 0: 1 blocked, 666 done")
	require.Contains(t, folded, "blocked   Shut down guest vm0003: no Tools")
	require.Greater(t, strings.Count(lines("status", runA, "--all"), "\n"), 2000)
	chosen := lines("status", "--state", "running", "--state", "blocked")
	require.Contains(t, chosen, "2 of 2000 steps chosen")
	require.Contains(t, chosen, "vm0004")
	require.NotContains(t, chosen, "vm0005")
	require.Contains(t, lines("status", runA, "--grep", "NO TOOLS"), "1 of 2000 steps chosen")
	found := lines("status", runA, "--group", "tier 2", "--grep", "vm19")
	require.Contains(t, found, "33 of 2000 steps chosen")
	require.NotContains(t, found, "Tier 1")
	require.Contains(t, lines("status", runA, "--grep", "vm0003", "-o", "json"), `"state": "blocked"`)
	require.Equal(t, exitUsage, c.run("status", "--state", "lost"))
	require.Contains(t, c.stderr.String(), "allowed are to do, running, blocked")

	c = newConsole(t, manySteps(foldAbove))
	require.Contains(t, lines("status", runA), "vm0059", "short ones are not folded")
}

// What many are blocked for is said once, and answered with one order.
func TestOneReasonOfManyBlockedStepsIsToldOnce(t *testing.T) {
	lab := manySteps(12)
	sheet := &lab.script[0]
	sheet.Steps, sheet.Blocked, sheet.Running, sheet.Done = strings.Repeat("b", 12), 12, 0, 0
	for _, st := range lab.plan.Steps {
		sheet.Notes[st.ID] = "a right is missing"
	}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	require.Contains(t, c.stdout.String(), "  blocked: Shut down guest vm0000, and 11 like it (vm0001, vm0002, vm0003, vm0004 and 7 more): a right is missing\n      nightshift retry "+runA+" --all\n")
	require.Equal(t, 1, strings.Count(c.stdout.String(), "a right is missing"))
	require.Equal(t, exitDone, c.run("status", runA, "--state", "blocked"), c.stderr)
	require.Contains(t, c.stdout.String(), "  blocked   4 steps: a right is missing\n            Shut down guest vm0000\n            Shut down guest vm0003\n")

	sheet.Notes["shutdown-guest:vm0007"] = "no Tools"
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	require.Contains(t, c.stdout.String(), "      nightshift retry "+runA+" shutdown-guest:vm0000\n")
	require.Contains(t, c.stdout.String(), "      nightshift status "+runA+" --state blocked\n  blocked: Shut down guest vm0007: no Tools\n")
	require.Equal(t, exitDone, c.run("status", "-o", "json"), c.stderr)
	require.Equal(t, 12, strings.Count(c.stdout.String(), `"title": "Shut down guest`))
}
