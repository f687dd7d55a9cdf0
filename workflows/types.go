package workflows

import (
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Types are the workflows by the name under which a worker registers them. Run has many: which runbook a run is of is what the
// Temporal UI lists.
func Types() map[string]any {
	types := map[string]any{
		runapi.PlanType: Plan, ledger.Workflow: Ledger, runapi.NotifyType: Notify, runapi.CaretakerType: Caretaker,
	}
	for _, name := range plan.RunWorkflows() {
		types[name] = Run
	}
	return types
}

// Plan makes a plan and does nothing: the preview.
func Plan(ctx workflow.Context, req plan.Request) (plan.Reply, error) {
	var reply plan.Reply
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, planOptions()), plan.MakePlan, req).Get(ctx, &reply)
	return reply, err
}
