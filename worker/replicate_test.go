package worker

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/client"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

func (s *site) replicate(group string) client.WorkflowRun {
	s.Helper()
	return s.begin("replicate"+time.Now().Format("-150405.000000"), plan.ReplicateWorkflow, "replicate", runapi.Params{Parameters: map[string]string{plan.ParamGroup: group}})
}

func (s *site) lock(scope string) (free func()) {
	s.Helper()
	holder := ledger.Holder{Workflow: "other", FirstRun: "1", Runbook: "replicate", By: "bob"}
	change := func(c ledger.Change) {
		h, err := s.client.UpdateWorkflow(s.Context(), client.UpdateWorkflowOptions{WorkflowID: ledger.WorkflowID(s.file.Lab), UpdateName: ledger.Update, Args: []any{c},
			WaitForStage: client.WorkflowUpdateStageCompleted})
		require.NoError(s, err)
		require.NoError(s, h.Get(s.Context(), nil))
	}
	change(ledger.Change{Acquire: &ledger.Acquire{Scopes: []string{scope}, Holder: holder}})
	return func() { change(ledger.Change{Release: &holder}) }
}

// A protection group is replicated, with an application brought to rest for the snapshot: in full, then what changed. Each
// run has the lock of its group, and of nothing else.
func TestReplicateGroups(t *testing.T) {
	t.Parallel()
	spec := simlab.StorageSpec()
	spec.Machines = []simlab.MachineSpec{{Name: "app", TakesAll: true}}
	spec.StorageHosts[0].Datasets = []simlab.DatasetSpec{{Name: "tank/mail", SizeGB: 16, UsedGB: 2}, {Name: "tank/web", SizeGB: 16, UsedGB: 1}}
	spec.Groups = spec.Groups[:1]
	spec.Groups[0].Datasets = []string{"tank/mail"}
	spec.Groups[0].Extra = `    hooks: {before: {command: [quiesce], at: app}, after: {command: [go-on], at: app}}`
	spec.Groups = append(spec.Groups, simlab.GroupSpec{Name: "web", Source: "ss1", Target: "ss2", Under: "backup/ss1", Datasets: []string{"tank/web"}})
	s := newSite(t, spec)
	ran := func(verb string) (n int) {
		for _, c := range s.lab.Calls() {
			if strings.HasPrefix(c.Verb, verb) {
				n++
			}
		}
		return n
	}
	for cycle := 1; cycle <= 2; cycle++ {
		sheet := s.result(s.replicate("mail"))
		require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
		require.Equal(t, cycle, ran("quiesce"))
		require.Equal(t, cycle, ran("go-on"))
		require.Equal(t, cycle, ran("zfs snapshot"))
	}
	g, ok := func() (ledger.Group, bool) { st := s.ledger(); return st.Group("mail") }()
	require.True(t, ok)
	require.Len(t, g.Samples, 2)

	// Beside a run of its own group it is refused, beside one of another it is not, and a power-down is.
	free := s.lock(runapi.GroupScope("mail"))
	sheet := s.result(s.replicate("mail"))
	require.Equal(t, runapi.Refused, sheet.Outcome)
	require.Contains(t, sheet.Why, "protection-group:mail is locked")
	require.Equal(t, runapi.Done, s.result(s.replicate("web")).Outcome)
	down := s.result(s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{}))
	require.Equal(t, runapi.Refused, down.Outcome)
	free()

	// A snapshot that cannot be taken ends the run, and the application goes on.
	t.Cleanup(s.lab.Inject(simlab.Fault{System: "ssh:ss1", Verb: "zfs snapshot", Kind: simlab.Error, Status: 1}))
	sheet = s.result(s.replicate("mail"))
	require.Equal(t, runapi.Aborted, sheet.Outcome, sheet.Why)
	require.Equal(t, 3, ran("quiesce"))
	require.Equal(t, 3, ran("go-on"))
	require.Empty(t, s.ledger().Locks)
}

// Temporal's UI shows what the server knows of activities under way, as JSON, and the run sheet, which says where to look. Neither costs
// an event of history.
func TestHowFarAStreamIsInTheTemporalUI(t *testing.T) {
	t.Parallel()
	spec := simlab.StorageSpec()
	spec.StorageHosts[0].Datasets = []simlab.DatasetSpec{{Name: "tank/mail", SizeGB: 16, UsedGB: 8}}
	spec.Groups = spec.Groups[:1]
	spec.Groups[0].Datasets = []string{"tank/mail"}
	spec.Groups[0].Extra = `    send: {limit: 1MiB}`
	s := newSite(t, spec)
	run := s.replicate("mail")
	far := regexp.MustCompile(`"progress":\{"text":"[0-9.]+ .iB of [0-9.]+ .iB, [0-9.]+ .iB/s, about [^"]+ left",`)
	beats, events := map[string]bool{}, map[int64]bool{}
	require.Eventually(t, func() bool {
		d, err := s.client.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		if err != nil {
			return false
		}
		for _, a := range d.GetPendingActivities() {
			for _, p := range a.GetHeartbeatDetails().GetPayloads() {
				if said := far.FindString(string(p.GetData())); said != "" {
					beats[said], events[d.GetWorkflowExecutionInfo().GetHistoryLength()] = true, true
				}
			}
		}
		return len(beats) == 3
	}, 2*time.Minute, 50*time.Millisecond)
	require.Len(t, events, 1, "heartbeats are no part of it")

	v, err := s.client.QueryWorkflow(s.Context(), run.GetID(), "", "__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(t, v.Get(&metadata))
	require.Contains(t, metadata.GetCurrentDetails(), "tab *Pending Activities*, or `nightshift status "+run.GetID()+"`")
	require.NoError(t, s.client.CancelWorkflow(s.Context(), run.GetID(), ""))
	require.Equal(t, runapi.Aborted, s.result(run).Outcome)
}
