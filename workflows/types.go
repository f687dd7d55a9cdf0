package workflows

import (
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Types are the workflows by the name under which a worker registers them.
func Types() map[string]any {
	return map[string]any{runapi.PowerDownType: PowerDown, runapi.PowerUpType: PowerUp, runapi.SettleType: Settle, runapi.StepsType: Steps, runapi.PlanType: Plan, ledger.Workflow: Ledger,
		runapi.NotifyType: Notify, runapi.CaretakerType: Caretaker}
}

// The workflows that people see: what they ask for is what the Temporal UI lists. The packed plan and the state are
// only given by a run to the next one of its chain.

// PowerDown runs the runbook power-down. Its debts and its memory stay open when it ends: power-up settles them.
func PowerDown(ctx workflow.Context, p runapi.Params, packed []byte, st State) (runapi.Sheet, error) {
	return runPlan(ctx, p, packed, st)
}

// PowerUp runs the runbook power-up.
func PowerUp(ctx workflow.Context, p runapi.Params, packed []byte, st State) (runapi.Sheet, error) {
	return runPlan(ctx, p, packed, st)
}

// Settle runs the runbook settle: what is owed is given back, nothing else is started.
func Settle(ctx workflow.Context, p runapi.Params, packed []byte, st State) (runapi.Sheet, error) {
	return runPlan(ctx, p, packed, st)
}

// Steps runs a step runbook, which runapi.Params names. Its plan is carried out as it was made: what is written down is
// what is to be done, in whatever state the lab is.
func Steps(ctx workflow.Context, p runapi.Params, packed []byte, st State) (runapi.Sheet, error) {
	return runPlan(ctx, p, packed, st)
}

// Plan makes a plan and does nothing: the preview.
func Plan(ctx workflow.Context, req plan.Request) (plan.Reply, error) {
	var reply plan.Reply
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, planOptions()), plan.MakePlan, req).Get(ctx, &reply)
	return reply, err
}
