package workflows

import (
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
)

// freshIDs is the change under workflow.GetVersion: before it, each attempt of a step had the same activity id.
const freshIDs = "fresh-ids"

// activityID is the id of the activity that a step begins with now. It is the step's own, but for a step that was called
// back in this run of the chain: to the SDK (1.50, commandStateCompletedAfterCancellationCommandSent) the id of an activity
// whose cancellation was asked for, and which ended in another way, is taken until the run ends, and one that only waits
// may still be under way for the server. To use it again fails the workflow task, and each one after it.
func (r *run) activityID(ctx workflow.Context, step string) string {
	n := r.recalled[step]
	if n == 0 || workflow.GetVersion(ctx, freshIDs, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return step
	}
	return plan.ActivityID(step, n)
}
