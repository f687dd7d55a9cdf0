package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// What is under way is tried with this code, without touching it: a run that it knows goes on, and one of a nightshift with
// workflows that it does not know would stand still.
func TestReplayOfWhatIsUnderWay(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	started := func(typ, id string) {
		_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(s.file.Lab)}, typ,
			runapi.Params{Lab: s.file.Lab, Runbook: "power-down", By: "ann@desk"})
		require.NoError(t, err)
	}
	started(plan.PowerDownWorkflow, "waits")
	started("OfTomorrow", "unknown")

	var got map[string]Replayed
	require.Eventually(t, func() bool {
		list, err := Replay(t.Context(), s.client, "default", s.file.Lab)
		require.NoError(t, err)
		got = map[string]Replayed{}
		for _, r := range list {
			got[r.Workflow] = r
		}
		var sheet runapi.Sheet
		v, err := s.client.QueryWorkflow(t.Context(), "waits", "", runapi.SheetQuery)
		return err == nil && v.Get(&sheet) == nil && sheet.Phase == runapi.PhaseApprove && got["unknown"].Err != nil && got["waits"].Type != ""
	}, time.Minute, 100*time.Millisecond)
	require.NoError(t, got["waits"].Err)
	require.ErrorContains(t, got["unknown"].Err, "OfTomorrow")
}
