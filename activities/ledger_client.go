package activities

import (
	"context"
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"nightshift/internal/inventory"
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

// GroupsOf are the protection groups of a lab file as the ledger knows them: one that was never replicated has no time of a measurement,
// and what the ledger keeps of one that the lab file has no more is left out.
func GroupsOf(lab *inventory.Lab, st ledger.State) []ledger.Group {
	var all []ledger.Group
	for _, g := range lab.ProtectionGroups {
		of, _ := st.Group(g.Name)
		of.Group, of.Every = g.Name, g.Every
		all = append(all, of)
	}
	return all
}
