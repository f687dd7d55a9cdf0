package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// A temporalFake is a Temporal service that knows one run.
type temporalFake struct {
	client.Client
	run *workflowservice.DescribeWorkflowExecutionResponse
	err error
}

func (f *temporalFake) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return f.run, f.err
}

func (f *temporalFake) WorkflowService() workflowservice.WorkflowServiceClient {
	return serviceFake{f: f}
}

type serviceFake struct {
	workflowservice.WorkflowServiceClient
	f *temporalFake
}

func (s serviceFake) DescribeWorkflowExecution(context.Context, *workflowservice.DescribeWorkflowExecutionRequest, ...grpc.CallOption) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return s.f.run, s.f.err
}

// An orphan is a lock whose run is closed for sure: what cannot be asked is not closed.
func TestWhichLocksAreOrphans(t *testing.T) {
	holder := ledger.Holder{Workflow: "power-down-home-1", FirstRun: "first"}
	describe := func(s enums.WorkflowExecutionStatus, first string) *temporalFake {
		return &temporalFake{run: &workflowservice.DescribeWorkflowExecutionResponse{
			WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: s, FirstRunId: first}}}
	}
	for name, c := range map[string]struct {
		temporal *temporalFake
		ended    bool
		kind     error
	}{
		"under way":      {temporal: describe(enums.WORKFLOW_EXECUTION_STATUS_RUNNING, "first")},
		"terminated":     {temporal: describe(enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, "first"), ended: true},
		"another's id":   {temporal: describe(enums.WORKFLOW_EXECUTION_STATUS_RUNNING, "second"), ended: true},
		"gone":           {temporal: &temporalFake{err: serviceerror.NewNotFound("no such run")}, ended: true},
		"cannot be read": {temporal: &temporalFake{err: errors.New("away")}, kind: fault.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			ended, err := newLedgerClient(c.temporal).ended(t.Context(), holder)
			require.ErrorIs(t, err, c.kind)
			require.Equal(t, c.ended, ended)
		})
	}
}

// Whatever a step has sent is known after a nudge, wherever its attempt stands: when the step is cancelled, it is gone.
func TestNudgeAnswersWhatWasSent(t *testing.T) {
	pending := func(id string, state enums.PendingActivityState, m plan.Memo) *workflowpb.PendingActivityInfo {
		details, err := converter.GetDefaultDataConverter().ToPayloads(m)
		require.NoError(t, err)
		return &workflowpb.PendingActivityInfo{ActivityId: id, State: state, HeartbeatDetails: details}
	}
	sent := plan.Memo{Intent: "ShutdownGuest to guest web01", Phase: askTools, At: time.Now().UTC().Truncate(0)}
	a := newActivities(newWorld())
	a.temporal = &temporalFake{run: &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{
		pending("between", enums.PENDING_ACTIVITY_STATE_SCHEDULED, sent),
		pending("its worker may be dead", enums.PENDING_ACTIVITY_STATE_STARTED, sent),
		pending("only reads", enums.PENDING_ACTIVITY_STATE_SCHEDULED, plan.Memo{At: sent.At}),
		{ActivityId: "new", State: enums.PENDING_ACTIVITY_STATE_SCHEDULED},
	}}}
	env := newEnv()
	env.RegisterActivity(a.Nudge)
	v, err := env.ExecuteActivity(a.Nudge, "run-1")
	require.NoError(t, err)
	var memos map[string]plan.Memo
	require.NoError(t, v.Get(&memos))
	require.Equal(t, map[string]plan.Memo{"between": sent, "its worker may be dead": sent}, memos)
}

// What cannot be read may say that a call was sent: the run must know that it does not know.
func TestNudgeTellsOfAHeartbeatThatItCannotRead(t *testing.T) {
	details, err := converter.GetDefaultDataConverter().ToPayloads("of another version")
	require.NoError(t, err)
	a := newActivities(newWorld())
	a.temporal = &temporalFake{run: &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{
		{ActivityId: "shutdown-guest:web01", HeartbeatDetails: details}}}}
	env := newEnv()
	env.RegisterActivity(a.Nudge)
	_, err = env.ExecuteActivity(a.Nudge, "run-1")
	requireType(t, err, Unsafe)
	require.ErrorContains(t, err, "shutdown-guest:web01")
}
