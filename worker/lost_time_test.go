package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// sheetOf is how an open run stands.
func (s *site) sheetOf(run client.WorkflowRun) (sheet runapi.Sheet) {
	s.Helper()
	v, err := s.client.QueryWorkflow(s.Context(), run.GetID(), "", runapi.SheetQuery)
	require.NoError(s, err)
	require.NoError(s, v.Get(&sheet))
	return sheet
}

// Nightshift is stopped in the middle of a power-down and starts again much later, as its laptop slept: the run looks at
// the lab, begins nothing, and asks. Then it goes on from what it found, and nothing is sent twice.
func TestAPowerDownThatSlept(t *testing.T) {
	const staleAfter = 6 * time.Second
	s := newSite(t, simlab.SmallSpec())
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{StaleAfter: plan.Duration(staleAfter)})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	s.worker.Stop()
	<-time.After(2 * staleAfter) // the time that is lost
	before := s.lab.Calls()
	s.start()
	var sheet runapi.Sheet
	until(t, "it looks", func() bool {
		sheet = s.sheetOf(down)
		return sheet.Stale != "" && sheet.Replanning == "" && sheet.Running == 0
	})
	require.True(t, sheet.Stuck())
	require.Contains(t, sheet.Amendments[0].Why, "nightshift slept, or was stopped, from about")
	require.Empty(t, sheet.Amendments[0].Refused)
	for _, c := range s.lab.Calls()[len(before):] {
		require.NotContains(t, []string{"ShutdownHost_Task", "EnterMaintenanceMode_Task"}, c.Verb, "nothing new is begun")
	}
	for ended := false; !ended; { // a machine that is busy with other tests may be late once more
		if sheet = s.sheetOf(down); sheet.Stale != "" {
			h, err := s.client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: "down", UpdateName: runapi.Resume,
				Args: []any{runapi.Order{By: "ann@desk", Reason: "still wanted"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = h.Get(t.Context(), nil)
			}
			require.True(t, err == nil || strings.Contains(err.Error(), "not paused") || strings.Contains(err.Error(), "completed"), "%v", err)
		}
		until(t, "it goes on", func() bool {
			sheet = s.sheetOf(down)
			ended = sheet.Outcome != ""
			return ended || sheet.Stale != "" && sheet.Replanning == ""
		})
	}
	sheet = s.result(down)
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	for name, h := range s.lab.Hosts() {
		require.Equal(t, "Off", h.Power, name)
	}
	require.Empty(t, s.ledger().Locks)
	require.NotEmpty(t, s.ledger().Debts)
	s.requireOnce()
	record(t, s.client, "down", "slept")
}
