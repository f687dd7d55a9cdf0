package worker

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"nightshift/activities"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// asleep ends nightshift, its server too, for that long. Its address is another one afterwards, and no worker works.
func (s *site) asleep(d time.Duration) {
	s.Helper()
	s.worker.Stop()
	s.close()
	<-time.After(d)
	s.client, s.close = startEngine(s.T, s.home)
}

// What the caretaker tells is what the server has: a hold that ends soon, a debt that nobody gives back, and the times that a
// schedule missed while nightshift was away, which it does not catch up with.
func TestTheCaretakerSeesWhatTheServerHas(t *testing.T) {
	const catchUp = 10 * time.Second // the least that the server takes
	h := &hook{}
	srv := httptest.NewServer(h)
	defer srv.Close()
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/x?template=json")
	s := newSite(t, simlab.OneHostSpec())
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{DebtsAfter: plan.Duration(48 * time.Hour),
		Channels: []inventory.Channel{{Name: "hook", URL: "env:HOOK_URL", On: []string{"hold", "debt", "missed"}}}}
	now := time.Now().UTC()
	debt := func(setting plan.Setting, age time.Duration) plan.Debt {
		return plan.Debt{ID: string(setting) + ":Lab", Target: plan.Target{Kind: plan.Cluster, Name: "Lab", Endpoint: "vcenter"}, Setting: setting, Was: "true",
			Run: "down-1", Since: now.Add(-age)}
	}
	_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: ledger.WorkflowID(s.file.Lab), TaskQueue: plan.TaskQueue(s.file.Lab)}, ledger.Workflow,
		ledger.Wire(ledger.State{Lab: s.file.Lab, Debts: []plan.Debt{debt(plan.HA, 72*time.Hour), debt(plan.DRS, time.Hour)},
			Hold: &ledger.Hold{Since: now.Add(-3 * time.Hour), Until: now.Add(50 * time.Minute), By: "ann@desk", Reason: "guests stay"}}))
	require.NoError(t, err)
	nightly := runapi.Schedule{Name: "nightly", Lab: s.file.Lab, Runbook: "power-down", Cron: "0 23 * * *", Zone: "UTC"}
	schedule := func() client.ScheduleHandle { return s.client.ScheduleClient().GetHandle(t.Context(), nightly.ID()) }
	_, err = s.client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: nightly.ID(), Memo: map[string]any{runapi.ScheduleMemo: nightly},
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 2 * time.Second}}}, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchUp,
		Action: &client.ScheduleWorkflowAction{ID: nightly.ID(), Workflow: "Nobody's", TaskQueue: "nobody", Args: []any{"x"}}})
	require.NoError(t, err)

	until(t, "it is listed", func() bool { // the list lags behind, and what a schedule has missed before anybody knew it is not told
		list, err := activities.ScheduleReader{Temporal: s.client}.List(t.Context(), s.file.Lab)
		return err == nil && len(list) == 1
	})

	told := func(what string) (text string) {
		until(t, what+" is told", func() bool {
			_, took := h.state()
			for _, m := range took {
				if strings.Contains(m, what) {
					text = m
				}
			}
			return text != ""
		})
		return text
	}
	s.start()
	require.Contains(t, told("the hold ends at"), "guests stay")
	s.change(ledger.Change{By: "ann@desk", Unhold: true})
	_, took := h.state()
	require.Len(t, took, 1, "a lab that is held is down on purpose, and no time is missed yet")

	s.asleep(catchUp + 8*time.Second)
	until(t, "the server knows what was missed", func() bool {
		d, err := schedule().Describe(t.Context())
		require.NoError(t, err)
		return d.Info.NumActionsMissedCatchupWindow > 0
	})
	require.NoError(t, schedule().Pause(t.Context(), client.SchedulePauseOptions{}))
	s.start()
	missed := told("schedule nightly missed ")
	require.Contains(t, missed, "power-down was not started")
	require.Contains(t, missed, "nightshift run power-down")
	owed := told("1 setting is switched off since")
	require.Contains(t, owed, "vSphere HA of cluster Lab")
	require.NotContains(t, owed, "DRS", "it is not owed for long")
	until(t, "all are sent", func() bool { _, took := h.state(); return len(took) == 3 })
}
