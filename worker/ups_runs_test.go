package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/internal/upswatch"
)

// TestRunsAsTheWatchSeesThem: what it asks a real server, from a power-down that waits for the lab to one that was called back.
func TestRunsAsTheWatchSeesThem(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	u := upsRuns{client: s.client, namespace: "default", lab: s.file.Lab, idle: map[string]bool{}}
	began := time.Now().Add(-time.Minute)
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	require.NoError(t, s.tell(down, runapi.Pause, runapi.Order{By: "ann@desk"}))

	id := upswatch.Due{UPS: []string{"rack"}, Began: began}.ID(s.file.Lab, "power-down", 1)
	asked := map[string]string{"ups": "rack", "host": "esx21"}
	p := runapi.Params{Lab: s.file.Lab, Runbook: "power-down", Parameters: asked, By: "ups rack", Approved: true, Resolute: true, Wait: true}
	require.NoError(t, u.Start(t.Context(), id, p, "power-down"))
	require.NoError(t, u.Start(t.Context(), id, p, "power-down"), "another worker was quicker")
	seen := map[string]upswatch.Run{}
	require.Eventually(t, func() bool { // a listing is not there at once
		under, err := u.Underway(t.Context())
		require.NoError(t, err)
		for _, r := range under {
			seen[r.ID] = r
		}
		return len(under) == 2
	}, 2*time.Minute, 50*time.Millisecond)
	require.Equal(t, asked, seen[id].Parameters, "before it has a plan")
	require.False(t, seen[id].Planned || seen[id].Touched || seen[id].Unread)
	require.True(t, seen["down"].Planned && seen["down"].Touched)

	require.NoError(t, u.Abort(t.Context(), id, runapi.Order{By: "ups rack", Reason: "the mains are back"}))
	var ended []upswatch.Run
	require.Eventually(t, func() (ok bool) {
		var err error
		ended, err = u.Ended(t.Context(), began)
		require.NoError(t, err)
		return len(ended) == 1
	}, 2*time.Minute, 50*time.Millisecond)
	require.Equal(t, id, ended[0].ID)
	require.Equal(t, "aborted by ups rack: the mains are back", ended[0].Why)
	require.False(t, ended[0].Touched)
	none, err := u.Ended(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, none)

	require.NoError(t, s.tell(down, runapi.Abort, runapi.Order{By: "ann@desk"}))
	require.Equal(t, runapi.Aborted, s.result(down).Outcome)
	require.Eventually(t, func() bool {
		latest, err := u.Latest(t.Context(), func(upswatch.Run) bool { return true })
		require.NoError(t, err)
		return len(latest) == 1 && latest[0].ID == "down" && !latest[0].Open
	}, 2*time.Minute, 50*time.Millisecond)
	require.Len(t, u.idle, 1, "what has touched nothing is not looked at again")
}
