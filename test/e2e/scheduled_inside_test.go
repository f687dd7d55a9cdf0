//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// scheduled has the schedule begin one run of the runbook, and answers what became of it.
func (r *rig) scheduled(runbook string) report.Report {
	r.t.Helper()
	r.must("schedule", "add", "minutely", runbook, "--cron", "* * * * *", "--zone", "UTC")
	var id string
	r.eventually("the schedule has begun a run", func() bool {
		out, _ := r.run("report", "latest", "-o", "json")
		var rep report.Report
		if json.Unmarshal([]byte(out), &rep) != nil || rep.By != "schedule minutely" || rep.Runbook != runbook || rep.Outcome != "" && rep.Seconds > 50 {
			return false
		}
		id = rep.Run
		return true
	})
	r.must("schedule", "remove", "minutely")
	_, _ = r.run("watch", id)
	return r.report(id)
}

// TestScheduledWhereTheVCenterIsOff: the schedule comes, and the vCenter is not there, as it runs in the lab itself.
func TestScheduledWhereTheVCenterIsOff(t *testing.T) {
	t.Parallel()
	t.Run("the lab is down", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simlab.DRBoxSpec(), 21)
		before := r.lab.Guests()
		r.start()
		r.must("run", "power-down", "--yes")
		require.False(t, r.lab.VCenterUp())

		since := len(r.lab.Calls())
		rep := r.scheduled("power-down")
		require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
		require.Len(t, r.lab.Calls(), since, "it is down already: nothing is sent")
		require.Empty(t, r.ledger().Locks)
		require.NotEmpty(t, r.ledger().Memory, "what ran is still remembered")

		rep = r.scheduled("power-up")
		require.Equal(t, runapi.Done, rep.Outcome, "%s %+v", rep.Why, rep.Steps)
		r.requireActedOnce(since, rep)
		after := r.lab.Guests()
		for name, was := range before {
			require.Equal(t, was.Power, after[name].Power, name)
		}
		require.True(t, r.lab.VCenterUp())
		st := r.ledger()
		require.Empty(t, st.Debts)
		require.Empty(t, st.Memory)
		r.stop()
	})
	t.Run("nobody knows what its hosts do", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, simlab.InsideSpec(), 22)
		r.start()
		require.NoError(t, r.lab.Kill("vcenter"))
		require.NoError(t, r.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return !l.VCenterUp() }))
		rep := r.scheduled("power-down")
		require.Equal(t, runapi.Refused, rep.Outcome, rep.Why)
		require.NotEmpty(t, rep.Blockers)
		require.Empty(t, destroyed(r), "nothing was touched")
		require.Empty(t, r.ledger().Locks)
		r.stop()
	})
}
