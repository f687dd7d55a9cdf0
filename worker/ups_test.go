package worker

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/upswatch"
)

// A deaf Temporal knows runs, and no worker answers what they are asked.
type deaf struct {
	client.Client
	status map[string]enums.WorkflowExecutionStatus
	result runapi.Sheet
}

func (d *deaf) info(id string) *workflowpb.WorkflowExecutionInfo {
	return &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Status: d.status[id],
		Type: &commonpb.WorkflowType{Name: plan.PowerDownWorkflow}}
}

func (d *deaf) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: d.info(id)}, nil
}

func (d *deaf) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: []*workflowpb.WorkflowExecutionInfo{d.info("run")}}, nil
}

func (d *deaf) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return nil, errors.New("no worker answers")
}

func (d *deaf) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return ended{d.result}
}

type ended struct{ sheet runapi.Sheet }

func (ended) GetID() string    { return "run" }
func (ended) GetRunID() string { return "1" }

func (ended) GetFirstExecutionRunID() string { return "1" }

func (e ended) GetWithOptions(ctx context.Context, into any, _ client.WorkflowRunGetOptions) error {
	return e.Get(ctx, into)
}

func (e ended) Get(_ context.Context, into any) error {
	text, err := json.Marshal(e.sheet)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// TestNoAnswerIsNotNothing: of a run that nobody can ask, the watch over the UPSes neither believes that it ended well, nor
// that it did nothing.
func TestNoAnswerIsNotNothing(t *testing.T) {
	d := &deaf{status: map[string]enums.WorkflowExecutionStatus{"run": enums.WORKFLOW_EXECUTION_STATUS_COMPLETED}, result: runapi.Sheet{Outcome: runapi.Partial, Why: "2 of 9 steps were skipped"}}
	u := upsRuns{client: d, namespace: "default", lab: "home"}
	r, err := u.Find(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, runapi.Partial, r.Outcome, "its result tells")
	require.Equal(t, "2 of 9 steps were skipped", r.Why)
	require.True(t, r.Unread, "what it has done is in its plan")

	_, err = u.Latest(t.Context(), func(upswatch.Run) bool { return true })
	require.ErrorContains(t, err, "run run does not tell what it did")

	d.status["run"] = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	latest, err := u.Latest(t.Context(), func(upswatch.Run) bool { return true })
	require.NoError(t, err)
	require.Len(t, latest, 1)
	require.True(t, latest[0].Open && latest[0].Unread)
}
