package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
)

// Ledger keeps the ledger of a lab: one workflow per lab, without end. Changes are updates, the state is a query.
func Ledger(ctx workflow.Context, begin ledger.Wire) error {
	st := ledger.State(begin)
	if err := workflow.SetQueryHandler(ctx, ledger.StateQuery, func() (ledger.Wire, error) { return ledger.Wire(st), nil }); err != nil {
		return err
	}
	change := func(ctx workflow.Context, c ledger.Change) error { // no answer: it would be the whole memory, in every history
		if err := refuse(&st, c); err != nil { // an earlier change in this task may have come between
			return err
		}
		st.Apply(c, workflow.Now(ctx).UTC())
		return nil
	}
	check := func(c ledger.Change) error { return refuse(&st, c) }
	if err := workflow.SetUpdateHandlerWithOptions(ctx, ledger.Update, change, workflow.UpdateHandlerOptions{Validator: check}); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.GetInfo(ctx).GetContinueAsNewSuggested() }); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, ledger.Workflow, ledger.Wire(st))
}

// refuse says why the change cannot be made, in a form that keeps its kind on the way to the caller.
func refuse(st *ledger.State, c ledger.Change) error {
	err := st.Check(c)
	if conflict := new(ledger.Conflict); errors.As(err, &conflict) {
		return temporal.NewNonRetryableApplicationError(err.Error(), ledger.Locked, nil, conflict.Lock)
	}
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), "Refused", nil)
	}
	return nil
}
