package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// lockLook is how often a run that waits for a lock asks again, at most.
const lockLook = 10 * time.Second

// TakeLocks takes the run's locks: all of them or none. Again is fine, for the same chain of runs.
func (a *Activities) TakeLocks(ctx context.Context, r plan.LockRequest) error {
	target := plan.Target{Kind: plan.Lab, Name: r.Lab}
	change := ledger.Change{Acquire: &ledger.Acquire{Scopes: r.Scopes, Holder: holder(r)}}
	var left *ledger.Lock // its run has ended
	for pause := time.Second; ; pause = min(pause*2, lockLook) {
		err := a.ledger.change(ctx, r.Lab, change)
		taken := new(ledger.Conflict)
		if !errors.As(err, &taken) {
			return classify(plan.TakeLocks, target, err)
		}
		if left != nil && sameLock(*left, taken.Lock) {
			return orphan(taken.Lock)
		}
		ended, err := a.ledger.ended(ctx, taken.Lock.Holder)
		if err != nil {
			return classify(plan.TakeLocks, target, err)
		}
		if ended { // its holder may have given it back since it was asked for, and then ended
			left = &taken.Lock
			continue
		}
		if !r.Wait {
			return temporal.NewNonRetryableApplicationError(
				taken.Error()+". Next: wait for it, or start with --wait", Locked, nil, taken.Lock)
		}
		activity.RecordHeartbeat(ctx, taken.Error())
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			err = ctx.Err() // cancelled: nobody wants the lock any more
		case <-activity.GetWorkerStopChannel(ctx):
			err = classify(plan.TakeLocks, target, refuse(fault.Unreachable, "this worker ends while %w", taken))
		}
		timer.Stop()
		return err
	}
}

func sameLock(a, b ledger.Lock) bool {
	return a.Scope == b.Scope && a.Holder == b.Holder && a.Since.Equal(b.Since)
}

// orphan refuses to wait for a lock that nobody will give back. Its second detail tells it from one whose run goes on.
func orphan(l ledger.Lock) error {
	msg := fmt.Sprintf("%s is locked since %s by run %s (%s, by %s), which ended without giving the lock back: an orphan. "+
		"Next: make sure that nothing of it is still under way, then `nightshift unlock %s --reason …`",
		l.Scope, l.Since.UTC().Format(time.RFC3339), l.Holder.Workflow, l.Holder.Runbook, l.Holder.By, l.Holder.Workflow)
	return temporal.NewNonRetryableApplicationError(msg, Locked, nil, l, true)
}

// ReleaseLocks gives back all locks of the run. None is fine.
func (a *Activities) ReleaseLocks(ctx context.Context, r plan.LockRequest) error {
	h := holder(r)
	return classify(plan.ReleaseLocks, plan.Target{Kind: plan.Lab, Name: r.Lab}, a.ledger.change(ctx, r.Lab, ledger.Change{Release: &h}))
}

func holder(r plan.LockRequest) ledger.Holder {
	return ledger.Holder{Workflow: r.Workflow, FirstRun: r.FirstRun, Runbook: r.Runbook, By: r.By}
}
