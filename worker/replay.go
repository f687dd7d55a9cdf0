package worker

import (
	"context"
	"fmt"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
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
			list = append(list, Replayed{Workflow: e.GetExecution().GetWorkflowId(), Type: e.GetType().GetName(), Err: replay(ctx, c, namespace, e)})
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			return list, nil
		}
	}
}

// fewest is how many events a history has whose first task was carried out; before that there is nothing to compare.
const fewest = 3

func replay(ctx context.Context, c client.Client, namespace string, e *workflowpb.WorkflowExecutionInfo) error {
	d, err := c.DescribeWorkflowExecution(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()) // the list does not tell its length
	if err != nil {
		return fmt.Errorf("look up %s: %w", e.GetExecution().GetWorkflowId(), err)
	}
	if d.GetWorkflowExecutionInfo().GetHistoryLength() < fewest {
		return nil
	}
	r := worker.NewWorkflowReplayer()
	RegisterWorkflows(r)
	return r.ReplayWorkflowExecution(ctx, c.WorkflowService(), nil, namespace,
		workflow.Execution{ID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId()})
}
