package activities

import (
	"context"
	"strings"

	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
)

// Confirm is done when somebody has said yes: that is a recorded decision that the step may go on. Without one it fails,
// so that the run tells its message and waits.
func (a *Activities) Confirm(_ context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.ConfirmParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.Confirm, c.Target, err)
	}
	if c.Decision == 0 {
		return plan.Outcome{}, temporal.NewNonRetryableApplicationError(
			strings.TrimSpace(p.Message)+" Yes: `nightshift confirm`. No: `nightshift abort`.", Asks, nil)
	}
	return plan.Outcome{Note: "confirmed by " + c.By}, nil
}
