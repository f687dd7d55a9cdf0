package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// askedRun is a run of two steps: a took 20 s and waited an hour for a person, b took 30 s.
func askedRun() (plan.Plan, runapi.Sheet) {
	p := plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Steps: []plan.Step{
		{ID: "a", Title: "Shut down guest a", Action: plan.ShutdownGuest, Estimate: plan.Duration(20 * time.Second)},
		{ID: "b", Title: "Shut down guest b", Action: plan.ShutdownGuest, Estimate: plan.Duration(30 * time.Second), Needs: []string{"a"}}}}
	s := runapi.Sheet{Lab: "home", Runbook: "power-down", Title: "Power down lab home", Phase: runapi.PhaseEnd, Outcome: runapi.Done, Started: started(),
		Ended: started().Add(3651 * time.Second), Total: 2, Done: 2, Steps: "dd", Begun: []int64{0, 36200}, Finished: []int64{36200, 36500}, Asked: map[string]int64{"a": 36000}}
	return p, s
}

// That a step waited for a person is no time of its own, and is told beside it wherever times are.
func TestWaitsForPeopleAreToldApart(t *testing.T) {
	p, s := askedRun()
	r := Assemble(run, s, &p, s.Ended)
	require.InDelta(t, 20, r.Steps[0].Seconds, 0.01)
	require.InDelta(t, 3600, r.Steps[0].Asked, 0.01)
	require.Zero(t, r.Steps[1].Asked)
	require.Empty(t, r.Reality.Off, "it took what was estimated")
	require.InDelta(t, 3600, r.Reality.Asked, 0.01)
	require.Equal(t, "waited 1 h for a person", r.Path[0].Why)
	requireWhole(t, r)
	require.Contains(t, strings.Join(r.Words(), " "), "That is what the plan had estimated (50 s) beside 1 h in which they waited for people.")

	var text, page, md strings.Builder
	r.Text(&text)
	require.Contains(t, text.String(), "20 s        Shut down guest a (waited 1 h for a person)")
	require.Contains(t, text.String(), "50 s for the steps, which took 50 s beside 1 h in which they waited for people")
	require.NoError(t, r.HTML(&page))
	require.Contains(t, page.String(), "<span>waited 1 h for a person</span>")
	require.Contains(t, page.String(), "of which it waited 1 h for people")
	r.Markdown(&md, true)
	require.Contains(t, md.String(), "waited 1 h for a person")

	stats := Summarize("home", []Past{{Run: run, Outcome: runapi.Done, Sheet: s, Steps: r.Steps}})
	require.Equal(t, Slow{"b", 30, 1}, stats.Runbooks[0].Slowest[0])
	require.Equal(t, []Slow{{"a", 3600, 1}}, stats.Runbooks[0].Asked)
	text.Reset()
	stats.Text(&text)
	require.Contains(t, text.String(), "  Waited     a for a person, 1 h (of 1 run)\n")
}

// A step that waits now is blocked since it ended its attempt.
func TestABlockedStepWaitsForAPersonNow(t *testing.T) {
	p, s := askedRun()
	s.Phase, s.Outcome, s.Ended, s.Steps, s.Done, s.Blocked = runapi.PhaseExecute, "", time.Time{}, "b.", 0, 1
	s.Begun, s.Finished, s.Asked = []int64{0, -1}, []int64{700, -1}, map[string]int64{"a": 500}
	r := Assemble(run, s, &p, started().Add(100*time.Second))
	require.InDelta(t, 20, r.Steps[0].Seconds, 0.01)
	require.InDelta(t, 80, r.Steps[0].Asked, 0.01)
	require.Zero(t, r.Steps[0].Ended)
}
