package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A new plan has other numbers for its steps: what was printed of a step is not printed of another.
func TestPlainProgressFollowsANewPlan(t *testing.T) {
	var out bytes.Buffer
	p := newPlainProgress(&out)
	p.Show(viewOf("dr."))
	before := out.Len()
	v := viewOf("dr.")
	less := *v.Plan
	less.Steps = less.Steps[1:]
	v.Plan, v.Sheet.Steps, v.Sheet.Total = &less, "r.", 2
	v.Sheet.Begun, v.Sheet.Finished = v.Sheet.Begun[1:], v.Sheet.Finished[1:]
	v.Sheet.Amendments = []runapi.Amendment{{At: midnight(), Why: "guest db01 is on host esx22 now", From: "a", To: "b", Changed: 1}}
	p.Show(v)
	p.Show(v)
	require.Equal(t, midnight().Local().Format("15:04:05")+" replanned planned anew (guest db01 is on host esx22 now): 0 steps added, 1 changed, 0 no longer needed\n", out.String()[before:])
}

func TestWhatWaitsIsShownWithItsCommands(t *testing.T) {
	v := viewOf("d..")
	v.Sheet.Proposal = &runapi.Amendment{Why: "host esx21 is dead", To: "b", Beyond: []string{"Shut down guest web02: guest web02 is not in the approved plan"}}
	require.Equal(t, "its new plan waits for your approval", v.headline())
	require.Equal(t, []string{"a new plan waits for an approval (host esx21 is dead):", "    Shut down guest web02: guest web02 is not in the approved plan",
		"    nightshift approve " + runA, "    nightshift reject " + runA + " --reason WHY"}, v.planned())
	v.Sheet.Proposal, v.Sheet.Stale = nil, "nightshift slept, or was stopped, from about 22:14 to 09:00"
	v.Sheet.Paused = "nightshift: it slept"
	require.Equal(t, []string{v.Sheet.Stale + ": let it go on with", "    nightshift resume " + runA}, v.planned())
	v = viewOf("d..")
	v.Sheet.Replanning = "host esx21 is dead"
	require.Equal(t, "planning anew what is left: host esx21 is dead", v.headline())
	require.Empty(t, v.planned())
	v.Now = v.Sheet.Started.Add(-time.Hour)
	require.Contains(t, style{}.head(v, 80)[3], ", 0s", "a clock that was set back")
}

func TestTheDifferenceIsShownBeforeANewPlanIsApproved(t *testing.T) {
	other := *littlePlan()
	other.Steps = append([]plan.Step{}, other.Steps...)
	other.Steps[0].Title = "Power off guest web01"
	s := sheet("...")
	s.Proposal = &runapi.Amendment{Why: "no Tools", To: other.Hash(), Beyond: []string{"this is harsher"}}
	lab := &fakeLab{plan: littlePlan(), proposal: &other, script: []runapi.Sheet{s}}
	c := newConsole(t, lab)
	require.Equal(t, exitRefused, c.run("approve", runA), "nobody can be asked here")
	require.Contains(t, c.stderr.String(), "A new plan of what is left, as no Tools.")
	require.Contains(t, c.stderr.String(), "this is harsher")
	require.Contains(t, c.stderr.String(), `changed: Power off guest web01: was "Shut down guest web01`)
	require.Empty(t, lab.orders)
	require.Equal(t, exitDone, c.run("approve", runA, "--hash", other.Hash()), c.stderr)
	require.Equal(t, other.Hash(), lab.orders[0].Hash)
	require.Equal(t, exitDone, c.run("replan", runA, "--reason", "moved it"), c.stderr)
	require.Equal(t, runapi.Replan, lab.orders[1].Verb)
}
