package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// aStream is a lab with a run that has a stream under way, and then ends. failed is why an earlier attempt of it did, if one has.
func aStream(t *testing.T, failed string) *fakeLab {
	t.Helper()
	p := &plan.Plan{Schema: plan.SchemaVersion, Runbook: "replicate", Title: "Replicate group mail from ss1 to ss2: 1 dataset, about 50 GiB", Lab: "home",
		LabHash: "abc", Created: midnight(), Steps: []plan.Step{
			{ID: "snapshot:mail", Title: "Take one atomic snapshot of tank/mail, and hold it", Group: "Snapshot", Action: plan.SnapshotGroup,
				Target: plan.Target{Kind: plan.ProtectionGroup, Name: "mail"}, Estimate: plan.Duration(2 * time.Second)},
			{ID: "send:tank/mail", Title: "Send tank/mail to backup/ss1/mail on ss2, in full (about 50 GiB)", Group: "Transfer", Action: plan.SendDataset,
				Target: plan.Target{Kind: plan.Dataset, Name: "tank/mail", Endpoint: "ss1"}, Needs: []string{"snapshot:mail"}, Estimate: plan.Duration(17 * time.Minute)}}}
	s := runapi.Sheet{Lab: "home", Runbook: p.Runbook, Title: p.Title, Hash: p.Hash(), By: "ann@desk", Phase: runapi.PhaseExecute, Started: midnight().Add(-time.Minute),
		Total: 2, Done: 1, Running: 1, Steps: "dr", Begun: []int64{0, 20}, Finished: []int64{20, -1}, Runs: 1}
	end := ended(s, runapi.Done, "")
	end.Steps, end.Done, end.Running, end.Finished = "dd", 2, 0, []int64{20, 600}

	beat, err := converter.GetDefaultDataConverter().ToPayloads(plan.Memo{Phase: "send",
		Progress: &plan.Progress{Bytes: 11<<30 + 205<<20, Total: 23<<30 + 922<<20, Rate: 550 << 20, Left: plan.Duration(24 * time.Second)}})
	require.NoError(t, err)
	activity := &workflowpb.PendingActivityInfo{ActivityId: "send:tank/mail", HeartbeatDetails: beat, Attempt: 1}
	if failed != "" {
		activity.Attempt, activity.LastFailure = 2, &failurepb.Failure{Message: failed}
	}
	notePending(&s, []*workflowpb.PendingActivityInfo{activity})
	return &fakeLab{plan: p, script: []runapi.Sheet{s, s, end}, list: []runInfo{{Run: runA, Runbook: p.Runbook, State: runapi.PhaseExecute, Open: true, Started: s.Started}}}
}

// What a stream says with its heartbeats is shown wherever somebody looks, also after a worker was killed with it.
func TestStatusWatchAndRunTellHowFarAStreamIs(t *testing.T) {
	const far = "11.2 GiB of 23.9 GiB, 550 MiB/s, about 24 s left"
	const title = "Send tank/mail to backup/ss1/mail on ss2, in full (about 50 GiB)"
	for failed, why := range map[string]string{"": "", "activity Heartbeat timeout": "; attempt 2, as the one before failed: activity Heartbeat timeout"} {
		told := func(width int, args ...string) string {
			t.Helper()
			c := newConsole(t, aStream(t, failed))
			c.outTerminal = width > 0
			c.size = func() (int, int) { return width, 24 }
			c.env.(fakeEnv)["NO_COLOR"] = "1"
			require.Equal(t, exitDone, c.run(args...), c.stderr)
			return strings.ReplaceAll(c.stdout.String(), "\x1b[K", "")
		}
		require.Contains(t, told(0, "status"), "\n  send:tank/mail: "+far+"\n")
		require.Contains(t, told(0, "status", runA), "\n  running   "+title+": "+far+why+"\n")
		var st labStatus
		require.NoError(t, json.Unmarshal([]byte(told(0, "status", "-o", "json")), &st))
		require.Equal(t, map[string]plan.Progress{"send:tank/mail": {Bytes: 11<<30 + 205<<20, Total: 23<<30 + 922<<20, Rate: 550 << 20, Left: plan.Duration(24 * time.Second)}},
			st.Runs[0].Sheet.Progress)

		require.Contains(t, told(250, "watch", runA), "▸ "+title+"  58s: "+far+why+"\n")
		require.Contains(t, told(250, "run", "replicate", "-p", "group=mail", "--yes"), "▸ "+title+"  58s: "+far+why+"\n")
		require.Contains(t, told(80, "watch", runA), "▸ "+title+"  58s\n          "+far, "it is not cut off in a narrow window")
	}
}
