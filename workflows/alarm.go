package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// An alarm is one timer that is set again when the time changes.
type alarm struct {
	at     time.Time
	timer  workflow.Future
	cancel workflow.CancelFunc
}

func (a *alarm) set(ctx workflow.Context, at time.Time, summary string) {
	if a.at.Equal(at) {
		return
	}
	a.stop()
	if at.IsZero() {
		return
	}
	ctx, a.cancel = workflow.WithCancel(ctx)
	a.at = at
	a.timer = workflow.NewTimerWithOptions(ctx, max(0, at.Sub(workflow.Now(ctx))), workflow.TimerOptions{Summary: summary})
}

func (a *alarm) stop() {
	if a.cancel != nil {
		a.cancel()
	}
	*a = alarm{}
}
