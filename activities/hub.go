package activities

import (
	"context"
	"fmt"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
)

// A hub tells the steps of a run in this process at once that they should leave. The server would tell them with the
// answer to their next heartbeat, so a message that is lost costs only time.
type hub struct {
	mu   sync.Mutex
	runs map[string]*waiting
}

type waiting struct {
	leave chan struct{}
	n     int
}

// join returns the channel that is closed when the steps of the run should leave, and a function to be called at the end.
func (h *hub) join(run string) (leave <-chan struct{}, done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.runs[run]
	if w == nil {
		w = &waiting{leave: make(chan struct{})}
		h.runs[run] = w
	}
	w.n++
	return w.leave, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if w.n--; w.n == 0 && h.runs[run] == w {
			delete(h.runs, run)
		}
	}
}

func (h *hub) nudge(run string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.runs[run]; w != nil {
		close(w.leave)
		delete(h.runs, run)
	}
}

// Nudge asks the steps of the run in this process to yield at once. It answers what steps have sent, by activity id, as
// their last heartbeat tells: when an activity that stands between two attempts is cancelled, the server ends it on the
// spot, and its heartbeat details are gone (server 1.32, handleCommandRequestCancelActivity). One that is under way now
// may stand between two attempts by then. A heartbeat that cannot be read is an error: that step may have sent anything.
func (a *Activities) Nudge(ctx context.Context, run string) (map[string]plan.Memo, error) {
	a.hub.nudge(run)
	memos := map[string]plan.Memo{}
	d, err := a.temporal.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: activity.GetInfo(ctx).Namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: activity.GetInfo(ctx).WorkflowExecution.ID, RunId: run},
	})
	if err != nil {
		return nil, err
	}
	for _, p := range d.GetPendingActivities() {
		var m plan.Memo
		if err := converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &m); err != nil {
			return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("what step %s has sent cannot be read: %v", p.GetActivityId(), err), Unsafe, nil)
		}
		if m.Sent() {
			memos[p.GetActivityId()] = m
		}
	}
	return memos, nil
}
