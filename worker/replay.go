package worker

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/workflows"
)

// A Replayed is an open workflow whose history was carried out once more with the code of this binary, in memory only.
type Replayed struct {
	Workflow string // id
	Type     string
	Err      error // why this code cannot go on with it; nil: it can
}

// Replay tries the code of this binary on every open workflow of the lab: runs, the ledger and what else is there. Nothing is
// changed. The error says that they could not be listed.
func Replay(ctx context.Context, c client.Client, namespace, lab string) ([]Replayed, error) {
	var list []Replayed
	query := fmt.Sprintf("TaskQueue = '%s' AND ExecutionStatus = 'Running'", plan.TaskQueue(lab))
	for token := []byte(nil); ; {
		r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, Query: query, NextPageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list what is under way in lab %s: %w", lab, err)
		}
		for _, e := range r.GetExecutions() {
			list = append(list, Replayed{Workflow: e.GetExecution().GetWorkflowId(), Type: e.GetType().GetName(), Err: replay(ctx, c, e)})
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			return list, nil
		}
	}
}

// fewest is how many events a history has whose first task was carried out; before that there is nothing to compare.
const fewest = 3

func replay(ctx context.Context, c client.Client, e *workflowpb.WorkflowExecutionInfo) error {
	id, run := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
	if _, known := workflows.Types()[e.GetType().GetName()]; !known {
		return fmt.Errorf("a newer nightshift began it: this one has no workflow %s", e.GetType().GetName())
	}
	h := &historypb.History{}
	for it := c.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		event, err := it.Next()
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", id, err)
		}
		h.Events = append(h.Events, event)
	}
	if h.Events = comparable(h.Events); len(h.Events) < fewest {
		return nil
	}
	r, err := replayer()
	if err != nil {
		return err
	}
	return r.ReplayWorkflowHistoryWithOptions(nil, h, worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id, RunID: run}})
}

// replayer knows all workflows. Its time limit is none: the SDK's, of a second, ends sound replays where a plan is long or the
// machine is busy.
func replayer() (worker.WorkflowReplayer, error) {
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	if err != nil {
		return nil, fmt.Errorf("make a replayer: %w", err)
	}
	RegisterWorkflows(r)
	return r, nil
}

// comparable leaves out what the last task did where a local activity is in it: the replayer, other than a worker, takes its
// end only from the task after it, and would call a sound history not deterministic.
func comparable(events []*historypb.HistoryEvent) []*historypb.HistoryEvent {
	for i := len(events) - 1; i > 0; i-- {
		switch {
		case events[i].GetMarkerRecordedEventAttributes().GetMarkerName() == "LocalActivity":
			for ; i > 0; i-- {
				if events[i].GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_STARTED {
					return events[:i+1]
				}
			}
		case events[i].GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			return events
		}
	}
	return events
}
