package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/workflows"
)

// While nightshift is upgraded, workers of two versions work for one lab.

// version is a worker that knows these actions, and whose runs are those of this nightshift, or of another where given.
func version(t *testing.T, c client.Client, p plan.Plan, run any, actions ...plan.Action) {
	t.Helper()
	w := worker.New(c, plan.TaskQueue("home"), worker.Options{DisableRegistrationAliasing: true, StickyScheduleToStartTimeout: time.Second})
	if run == nil {
		RegisterWorkflows(w)
	} else {
		w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: plan.PowerDownWorkflow})
	}
	register := func(name string, f any) {
		w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	register(plan.MakePlan, func(context.Context, plan.Request) (plan.Reply, error) {
		packed, err := p.Pack()
		p.Steps = nil // the end state is right
		return plan.Reply{Title: p.Title, Hash: p.Hash(), Steps: 1, Packed: packed, Settings: plan.Settings{OnFailure: plan.Skip}}, err
	})
	register(plan.TakeLocks, func(context.Context, plan.LockRequest) error { return nil })
	register(plan.ReleaseLocks, func(context.Context, plan.LockRequest) error { return nil })
	register(plan.ReadLedger, func(context.Context, string) (ledger.State, error) { return ledger.State{}, nil })
	register(plan.Nudge, func(context.Context, string) (map[string]*plan.Memo, error) { return nil, nil })
	register(plan.WantedNotices, func(context.Context, string) ([]runapi.Event, error) { return nil, nil })
	for _, a := range actions {
		register(string(a), func(context.Context, plan.Call) (plan.Outcome, error) { return plan.Outcome{Acted: true}, nil })
	}
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func oneStep() plan.Plan {
	return plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: []plan.Step{{ID: "new", Title: "do what is new",
		Action: plan.AwaitVCenter, Target: plan.Target{Kind: plan.Lab, Name: "home"}, Timeout: plan.Duration(time.Minute)}}}
}

func begin(t *testing.T, c client.Client, args ...any) client.WorkflowRun {
	t.Helper()
	args = append([]any{runapi.Params{Lab: "home", Runbook: "power-down", By: "ann@desk", Approved: true}}, args...)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "down", TaskQueue: plan.TaskQueue("home")}, plan.PowerDownWorkflow, args...)
	require.NoError(t, err)
	return run
}

// until waits, generously, until cond is true.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 2*time.Minute, 50*time.Millisecond, what)
}

// An older worker takes a step whose action it does not know. That is no failure: the newer one takes it then, though the
// policy is to skip what fails.
func TestAnActionThatAnOlderWorkerDoesNotKnow(t *testing.T) {
	c := newEngine(t)
	require.NoError(t, ensureSearchAttributes(t.Context(), c, "default"))
	version(t, c, oneStep(), nil)
	run := begin(t, c)
	until(t, "the older worker takes it", func() bool {
		d, err := c.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		require.NoError(t, err)
		for _, a := range d.GetPendingActivities() {
			if a.GetLastFailure() != nil {
				// What the run goes by where no newer worker comes in time.
				require.Equal(t, "ActivityNotRegisteredError", a.GetLastFailure().GetApplicationFailureInfo().GetType())
				return true
			}
		}
		return false
	})
	version(t, c, oneStep(), nil, plan.AwaitVCenter)
	var s runapi.Sheet
	require.NoError(t, run.Get(t.Context(), &s))
	require.Equal(t, []string{runapi.Done, "d"}, []string{s.Outcome, s.Steps}, s.Why)
}

// A run that a newer worker has handed over, or whose plan a newer one has made, is none of an older one's business: it
// neither ends it nor drops what it does not know, and leaves it to the newer one.
func TestARunThatANewerWorkerHandedOver(t *testing.T) {
	newer := oneStep()
	newer.Schema++
	made, err := newer.Pack()
	require.NoError(t, err)
	known, err := oneStep().Pack()
	require.NoError(t, err)
	for name, args := range map[string][]any{
		"state": {known, map[string]any{"version": 99, "phase": runapi.PhaseExecute, "started": time.Now(), "settings": plan.Settings{}, "whatIsNew": "kept"}},
		"plan":  {made, workflows.State{Phase: runapi.PhaseExecute, Started: time.Now()}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newEngine(t)
			require.NoError(t, ensureSearchAttributes(t.Context(), c, "default"))
			version(t, c, oneStep(), nil, plan.AwaitVCenter)
			run := begin(t, c, args...)
			until(t, "the older worker gives it back", func() bool {
				it := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
				for it.HasNext() {
					e, err := it.Next()
					require.NoError(t, err)
					if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
						require.Contains(t, a.GetFailure().GetMessage(), "upgrade", "people read it in the Temporal UI")
						return true
					}
				}
				return false
			})
			var got map[string]any
			version(t, c, oneStep(), func(_ workflow.Context, _ runapi.Params, _ []byte, st map[string]any) (runapi.Sheet, error) {
				got = st
				return runapi.Sheet{Outcome: runapi.Done}, nil
			}, plan.AwaitVCenter)
			var s runapi.Sheet
			require.NoError(t, run.Get(t.Context(), &s))
			require.Equal(t, runapi.Done, s.Outcome)
			if name == "state" {
				require.Equal(t, "kept", fmt.Sprint(got["whatIsNew"]))
			}
		})
	}
}
