package main

import (
	"context"
	"errors"
	"fmt"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// temporalLedger is the ledger of a lab: the state of one long-lived workflow.
type temporalLedger struct{ client client.Client }

func (t *temporalLedger) State(ctx context.Context, lab string) (ledger.State, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	s := ledger.State{Lab: lab}
	r, err := t.client.QueryWorkflow(ctx, ledger.WorkflowID(lab), "", ledger.StateQuery)
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return s, nil // nothing was ever written
	case err != nil:
		return s, fmt.Errorf("read the ledger of lab %s: %w (%s)", lab, errNoWorker, err.Error())
	}
	if err := r.Get(&s); err != nil {
		return s, fmt.Errorf("read the ledger of lab %s: %w", lab, err)
	}
	return s, nil
}

func (t *temporalLedger) Change(ctx context.Context, lab string, c ledger.Change) (ledger.State, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	start := t.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: ledger.WorkflowID(lab), TaskQueue: plan.TaskQueue(lab),
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, ledger.Workflow, ledger.State{Lab: lab})
	h, err := t.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{WorkflowID: ledger.WorkflowID(lab), UpdateName: ledger.Update,
			Args: []any{c}, WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	if err == nil {
		err = h.Get(ctx, nil)
	}
	if err != nil && ctx.Err() != nil {
		return ledger.State{}, fmt.Errorf("the ledger of lab %s does not answer: %w", lab, errNoWorker)
	}
	if err != nil {
		return ledger.State{}, fmt.Errorf("the ledger of lab %s refused it: %w", lab, rootCause(err))
	}
	return t.State(ctx, lab)
}
