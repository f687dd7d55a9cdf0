package activities

import (
	"context"

	"nightshift/internal/plan"
)

// Join does nothing: it is where the edges of a plan meet.
func (a *Activities) Join(context.Context, plan.Call) (plan.Outcome, error) {
	return plan.Outcome{}, nil
}
