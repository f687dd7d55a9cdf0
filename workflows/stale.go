package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/runapi"
)

// Lost time: a laptop that slept, a process that was stopped, a clock that was set. The run wakes hours later in a lab that
// may be in use again. It begins nothing then until it has looked, and somebody, or the runbook, says that it may go on.

const (
	// staleAfter is how late a run may wake.
	staleAfter = 15 * time.Minute
	// tickEvery is how often a run wakes by itself while steps are under way, only to see that it does: five events each.
	tickEvery = 5 * time.Minute
	// lostTime is the change under workflow.GetVersion: before it, runs had no ticks.
	lostTime = "lost-time"
)

// itself begins what a run is paused by that has paused itself.
const itself = "nightshift: "

// On waking late an unattended run does one of these; empty, or "ask": it asks.
const (
	staleStop     = "stop"
	staleContinue = "continue"
)

func (r *run) staleAfter() time.Duration {
	if d := time.Duration(r.p.StaleAfter); d > 0 {
		return d
	}
	return staleAfter
}

// notice compares the time with when the run should have woken at the latest. Late: it begins nothing, calls back what is
// under way, as time limits have passed that nobody watched, and looks at the lab.
func (r *run) notice(ctx workflow.Context) {
	now := workflow.Now(ctx)
	if now.Before(r.woke) { // the clock was set back: timers would ring that much later
		r.alarm.stop()
		r.tick.stop()
	}
	r.woke = now
	due := r.due
	r.due = time.Time{}
	if !r.timely || due.IsZero() || now.Sub(due) <= r.staleAfter() || r.Aborted != "" || r.leaving {
		return
	}
	lost := fmt.Sprintf("slept, or was stopped, from about %s to %s", due.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	r.Stale = "nightshift " + lost
	if r.Paused == "" {
		r.Paused = itself + "it " + lost
	}
	if r.asMade() { // there is nothing to plan anew: each step reads before it acts
		r.recall(ctx)
		r.looked(ctx, true)
		return
	}
	r.replanning = nil // it may have read the lab before
	r.wantPlan(r.Stale)
	r.recall(ctx)
}

// recall has what is under way yield: it goes on once the run does.
func (r *run) recall(ctx workflow.Context) {
	yield := r.yield
	r.acts, r.yield = workflow.WithCancel(ctx)
	r.nudge(ctx)
	yield()
}

// looking tells whether the run has lost time and does not know yet what the lab is like. It does not end by itself until then.
func (r *run) looking() bool { return r.Stale != "" && r.Replan != "" }

// looked decides how a run that lost time goes on, once it has looked; seen: it could read the lab.
func (r *run) looked(ctx workflow.Context, seen bool) {
	switch {
	case r.Stale == "" || r.Aborted != "" || !r.p.Approved: // a person who was asked before the run began is asked again
	case r.Settings.OnStale == staleStop:
		r.abort(ctx, r.Stale+"; onStale: stop")
	case r.Settings.OnStale == staleContinue && seen:
		if strings.HasPrefix(r.Paused, itself) {
			r.Paused = ""
		}
		r.Stale = ""
	}
	if r.Stale != "" && r.Aborted == "" {
		r.tell(runapi.EventStale, func() bool { return r.Stale != "" && r.Aborted == "" })
	}
}

// expect notes when the run should wake next: while steps are under way with the next tick, in any case with the alarm.
func (r *run) expect(ctx workflow.Context) {
	if !r.timely {
		return
	}
	if len(r.flights) > 0 || r.replanning != nil {
		if r.tick.timer == nil {
			r.tick.set(ctx, r.woke.Add(min(tickEvery, r.staleAfter()/3)), "look at the clock")
		}
		r.due = r.tick.at
	}
	if at := r.alarm.at; !at.IsZero() && (r.due.IsZero() || at.Before(r.due)) {
		r.due = at
	}
	if !r.due.IsZero() && r.due.Before(r.woke) { // a deadline that has passed already rings at once
		r.due = r.woke
	}
}
