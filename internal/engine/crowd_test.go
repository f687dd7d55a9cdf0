package engine

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Hundreds of steps may end while a run decides: Temporal's own limit of 100 would take the decision away from it.
func TestACrowdOfStepsEndsDuringADecision(t *testing.T) {
	const crowd = 300
	s := begin(t, Options{Dir: dir(t, t.TempDir()), UIPort: -1, Unsafe: true})
	c := dial(t, s)
	deciding, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w := worker.New(c, "crowd", worker.Options{DeadlockDetectionTimeout: 2 * patience})
	w.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "First"})
	w.RegisterActivityWithOptions(func() error { <-deciding; return nil }, activity.RegisterOptions{Name: "Other"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 2 * patience})
		var all []workflow.Future
		for range crowd {
			all = append(all, workflow.ExecuteActivity(ctx, "Other"))
		}
		if err := workflow.ExecuteActivity(ctx, "First").Get(ctx, nil); err != nil {
			return err
		}
		once.Do(func() { close(deciding) })
		<-ended
		for _, f := range all {
			if err := f.Get(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	}, workflow.RegisterOptions{Name: "Crowd"})
	require.NoError(t, w.Start())
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "crowd", TaskQueue: "crowd", WorkflowTaskTimeout: 2 * patience}, "Crowd")
	require.NoError(t, err)
	<-deciding
	require.Eventually(t, func() bool {
		d, err := c.DescribeWorkflowExecution(t.Context(), "crowd", "")
		require.NoError(t, err)
		return len(d.GetPendingActivities()) == 0
	}, patience, 20*time.Millisecond)
	close(ended)
	require.NoError(t, run.Get(t.Context(), nil))
	for it := c.GetWorkflowHistory(t.Context(), "crowd", "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		require.NoError(t, err)
		require.NotEqual(t, enums.EVENT_TYPE_WORKFLOW_TASK_FAILED, e.GetEventType(), "%v", e.GetWorkflowTaskFailedEventAttributes())
	}
}
