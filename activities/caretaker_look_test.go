package activities

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/runapi"
)

// openRuns is a Temporal service with so many open runs, each of which waits for a person.
type openRuns struct {
	client.Client
	n int
}

func (o openRuns) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	list := &workflowservice.ListWorkflowExecutionsResponse{}
	for i := range min(o.n, int(r.GetPageSize())) {
		list.Executions = append(list.Executions, &workflow.WorkflowExecutionInfo{Execution: &common.WorkflowExecution{WorkflowId: fmt.Sprint("run-", i)}})
	}
	return list, nil
}

func (openRuns) QueryWorkflow(_ context.Context, id, _, _ string, _ ...any) (converter.EncodedValue, error) {
	if id == "run-3" {
		return nil, context.DeadlineExceeded
	}
	return sheetValue{runapi.Sheet{Runbook: "replicate", Phase: runapi.PhaseExecute, Blocked: 1, Started: midnight.Add(-11 * time.Hour), Deadline: midnight.Add(time.Minute)}}, nil
}

type sheetValue struct{ s runapi.Sheet }

func (sheetValue) HasValue() bool { return true }
func (v sheetValue) Get(p any) error {
	*p.(*runapi.Sheet) = v.s
	return nil
}

// Each protection group may have a run that waits for a person: all of them are looked at, but for one that does not answer.
func TestTheCaretakerLooksAtEveryOpenRun(t *testing.T) {
	runs, err := temporalLookout{openRuns{n: 60}}.waiting(t.Context(), "home")
	require.NoError(t, err)
	require.Len(t, runs, 59)
	v := vista{lab: "home", now: midnight, runs: runs}
	require.Len(t, v.sighting(nil).Notices, 59)
}
