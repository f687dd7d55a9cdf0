package activities

import (
	"context"
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// A LedgerClient reaches the ledger's workflow of a lab through Temporal. The command uses it, too: whoever comes first starts that
// workflow, so all must start the same. Errors are Temporal's own.
type LedgerClient struct{ Temporal client.Client }

// State answers an empty ledger where there is none yet.
func (l LedgerClient) State(ctx context.Context, lab string) (ledger.State, error) {
	st := ledger.State{Lab: lab}
	v, err := l.Temporal.QueryWorkflow(ctx, ledger.WorkflowID(lab), "", ledger.StateQuery)
	if errors.As(err, new(*serviceerror.NotFound)) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	var w ledger.Wire
	if err := v.Get(&w); err != nil {
		return st, err
	}
	return ledger.State(w), nil
}

// Change makes the change, in a ledger that it starts where there is none yet. Every change may be sent again.
func (l LedgerClient) Change(ctx context.Context, lab string, c ledger.Change) error {
	start := l.Temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: ledger.WorkflowID(lab), TaskQueue: plan.TaskQueue(lab), WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary: "Ledger of lab " + lab,
	}, ledger.Workflow, ledger.State{Lab: lab})
	h, err := l.Temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{UpdateName: ledger.Update, Args: []any{c}, WaitForStage: client.WorkflowUpdateStageCompleted}})
	if err != nil {
		return err
	}
	return h.Get(ctx, nil)
}
