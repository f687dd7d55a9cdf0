package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Caretaker tells people what no run sees: a schedule that missed its time, debts that stay open, a hold that ends, a run that
// was terminated, one that nobody answers. There is one per lab that has notifications. Looking is a long activity, so that a
// year of looks is a short history; what was told is remembered here.
func Caretaker(ctx workflow.Context, w runapi.Watch) error {
	const pause = 10 * time.Minute // after an error that the activity does not try again itself
	o := workflow.ActivityOptions{Summary: "look at lab " + w.Lab, StartToCloseTimeout: 24 * time.Hour, HeartbeatTimeout: 15 * time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumInterval: pause}}
	for !workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		var s runapi.Sighting
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), plan.LookAround, w).Get(ctx, &s)
		switch {
		case temporal.IsCanceledError(err):
			return err
		case err != nil:
			workflow.GetLogger(ctx).Warn("the lab could not be looked at", "lab", w.Lab, "error", cause(err))
			if err := workflow.Sleep(ctx, pause); err != nil {
				return err
			}
			continue
		case s.Idle:
			return nil
		}
		for i, n := range w.Learn(s, workflow.Now(ctx).UTC()) {
			startNotice(ctx, fmt.Sprintf("%s-%d", noticeID(ctx, runapi.CaretakerID(w.Lab), n.Event), i+1), n)
		}
	}
	return workflow.NewContinueAsNewError(ctx, runapi.CaretakerType, w)
}
