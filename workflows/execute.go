package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// handOver is the length of history at which a run goes on in a fresh one. Temporal warns at 10,240 events; a step
// costs six of them at a real pace.
const handOver = 8000

// leastHandOver leaves room for a run of the chain to get somewhere.
const leastHandOver = 40

// A flight is a step whose activity is under way.
type flight struct {
	step  int
	id    string    // of the activity
	begun time.Time // this attempt
	f     workflow.Future
	acts  workflow.Context // that it was started with: cancelled when it was asked to yield
	ended bool
}

// load unpacks the plan and puts what earlier runs of the chain did into the graph.
func (r *run) load() error {
	p, err := plan.Unpack(r.packed)
	if err != nil {
		return err
	}
	if p.Schema > plan.SchemaVersion { // all else was validated when it was made
		return fmt.Errorf("the plan has schema version %d, this nightshift knows %d: upgrade it", p.Schema, plan.SchemaVersion)
	}
	if r.graph, err = plan.NewGraph(p); err != nil {
		return err
	}
	r.prepare(len(p.Steps))
	if r.steps = []byte(r.Steps); len(r.steps) == 0 {
		r.steps = []byte(strings.Repeat(string(runapi.Todo), len(p.Steps)))
	}
	for i, c := range r.steps {
		if amended, ok := r.Amended[p.Steps[i].ID]; ok {
			r.graph.Steps[i].Params = amended
		}
		r.count[c]++
		if c == runapi.StepDone || c == runapi.StepSkip || c == runapi.Untouched || c == runapi.HalfDone {
			r.graph.Satisfied(i)
		}
	}
	for i, c := range r.steps {
		if c == runapi.Todo && r.graph.Open(i) == 0 {
			if r.Memos[p.Steps[i].ID] != nil { // it is under way in the lab: it keeps its slots
				r.graph.First(i)
			}
			r.graph.Offer(i)
		}
	}
	r.countGroups()
	return nil
}

// execute runs the plan to its end. The error is the hand-over to the next run of the chain.
func (r *run) execute(ctx workflow.Context) error {
	r.enter(ctx, runapi.PhaseExecute, "")
	r.timely = workflow.GetVersion(ctx, lostTime, workflow.DefaultVersion, 1) > workflow.DefaultVersion
	r.notice(ctx)
	for r.count[runapi.Todo]+r.count[runapi.Running]+r.count[runapi.Blocked] > 0 || r.suspended() {
		r.amend(ctx)
		r.start(ctx)
		r.watchClock(ctx)
		r.show(ctx)
		limit, n := r.limit(), workflow.GetInfo(ctx).GetCurrentHistoryLength()
		if n > limit && !r.leaving {
			r.leave(ctx)
		}
		if len(r.flights) == 0 && (r.leaving || n > limit*3/4) {
			return r.next(ctx)
		}
		r.expect(ctx)
		rang := r.await(ctx, r.replanning)
		r.notice(ctx)
		if rang && !r.looking() {
			if at, _, why := r.deadline(); !at.IsZero() && !workflow.Now(ctx).Before(at) {
				r.abort(ctx, why)
			}
		}
	}
	r.alarm.stop()
	r.tick.stop()
	return nil
}

func (r *run) limit() int {
	if r.p.HandOverAt > 0 {
		return max(leastHandOver, r.p.HandOverAt)
	}
	return handOver
}

// next hands over to a fresh run.
func (r *run) next(ctx workflow.Context) error {
	_ = r.rest(ctx) // the context is never cancelled
	r.Steps, r.Runs, r.Version, r.Due = string(r.steps), r.Runs+1, stateVersion, workflow.Now(ctx).UTC()
	return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, r.p, r.packed, r.State)
}

// leave ends what this run has in flight, for the next one to go on with.
func (r *run) leave(ctx workflow.Context) {
	r.leaving = true
	r.nudge(ctx)
	r.yield()
}

// nudge asks the steps in flight to yield: those in this process hear it at once, others with the answer to a heartbeat.
// It must come before their context is cancelled: the server forgets the memo of a step that it cancels between two attempts.
func (r *run) nudge(ctx workflow.Context) {
	if len(r.flights) == 0 {
		return
	}
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 5 * time.Second,
		Summary: "ask the running steps to yield", RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}})
	var memos map[string]*plan.Memo
	err := workflow.ExecuteLocalActivity(ctx, plan.Nudge, workflow.GetInfo(ctx).WorkflowExecution.RunID).Get(ctx, &memos)
	if err != nil {
		workflow.GetLogger(ctx).Warn("the running steps could not be nudged", "error", err)
	}
	r.between, r.blind = memos, err != nil
}

// start starts whatever may start: where another plan may come, only what was interrupted.
func (r *run) start(ctx workflow.Context) {
	suspended := r.suspended()
	if r.Paused != "" || r.leaving || suspended && !(r.interrupted() && r.believesOnlySettled(ctx)) {
		return
	}
	var later []int
	for i := r.graph.Take(); i >= 0; i = r.graph.Take() {
		s := r.graph.Steps[i]
		if r.steps[i] != runapi.Todo { // abort came between its offer and now
			r.graph.Release(i)
			continue
		}
		if suspended && !r.Memos[s.ID].Sent() {
			r.graph.Release(i)
			later = append(later, i)
			continue
		}
		again := r.Again[s.ID]
		call := plan.Call{Run: workflow.GetInfo(ctx).WorkflowExecution.ID, Lab: r.p.Lab, Runbook: r.p.Runbook, Step: s.ID, Title: s.Title,
			Target: s.Target, Params: s.Params, Memo: r.Memos[s.ID], Before: again.Before, Force: again.Force, Decision: again.Count, By: again.By,
			Resolute: r.p.Resolute}
		if r.BegunAt[i] < 0 {
			r.BegunAt[i] = r.tenths(ctx)
		} else if call.Memo == nil {
			r.Attempts[s.ID] = max(1, r.Attempts[s.ID]) + 1
		}
		r.set(i, runapi.Running)
		id := r.activityID(ctx, s.ID)
		f := workflow.ExecuteActivity(workflow.WithActivityOptions(r.acts, stepOptions(s, id)), string(s.Action), call)
		r.flights = append(r.flights, &flight{step: i, id: id, begun: workflow.Now(ctx).UTC(), f: f, acts: r.acts})
	}
	for _, i := range later {
		r.graph.Offer(i)
	}
}

// interrupted tells whether a step that may go on has sent its call, and waits for its next attempt: it is under way in the lab.
func (r *run) interrupted() bool {
	for i, c := range r.steps {
		if c == runapi.Todo && r.graph.Open(i) == 0 && r.Memos[r.graph.Steps[i].ID].Sent() {
			return true
		}
	}
	return false
}

// await blocks until a step or the future ends, somebody speaks, or the alarm rings, then takes in everything that has come.
func (r *run) await(ctx workflow.Context, f workflow.Future) (rang bool) {
	sel := workflow.NewSelector(ctx) // a new one: a Selector never drops the futures that it has seen
	if f != nil {
		sel.AddFuture(f, func(workflow.Future) {})
	}
	for _, fl := range r.flights {
		sel.AddFuture(fl.f, func(f workflow.Future) {
			fl.ended = true
			r.land(ctx, fl, f)
		})
	}
	if r.alarm.timer != nil {
		sel.AddFuture(r.alarm.timer, func(f workflow.Future) {
			rang, r.alarm = f.Get(ctx, nil) == nil, alarm{} // it can be set again, for the same time, if clocks are set back
		})
	}
	if r.tick.timer != nil {
		sel.AddFuture(r.tick.timer, func(workflow.Future) { r.tick = alarm{} })
	}
	sel.AddReceive(r.wake, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	if r.Aborted == "" { // a closed channel is always ready
		sel.AddReceive(r.cancelled, func(workflow.ReceiveChannel, bool) { r.abort(ctx, runapi.Cancelled) })
	}
	for sel.Select(ctx); sel.HasPending() && r.Aborted == "" && !rang; {
		sel.Select(ctx)
	}
	r.flights = slices.DeleteFunc(r.flights, func(fl *flight) bool { return fl.ended })
	return rang
}

// abort gives up every step that has not begun, except the Always ones; those run to their end.
func (r *run) abort(ctx workflow.Context, why string) {
	if r.Aborted != "" {
		return
	}
	r.Aborted, r.Paused, r.Stale = why, "", ""
	r.forgetPlans()
	yield := r.yield
	if !r.leaving { // what starts from now on must not be born cancelled
		r.acts, r.yield = workflow.WithCancel(ctx)
	}
	if r.Phase == runapi.PhaseExecute {
		r.giveUp(ctx)
		r.nudge(ctx)
	}
	yield()
}

// giveUp ends the steps that are not in flight.
func (r *run) giveUp(ctx workflow.Context) {
	for i, c := range r.steps {
		s := r.graph.Steps[i]
		switch {
		case c == runapi.Todo && !s.Always && r.Memos[s.ID] != nil: // yielded, and waiting to go on
			r.again(ctx, i, nil)
		case c == runapi.Todo && (!s.Always || r.pointless(s)):
			r.finishStep(ctx, i, runapi.Untouched)
		case c == runapi.Blocked:
			r.drop(ctx, i)
		}
	}
}

// pointless: the step that an Always step is to follow has not begun, and will not.
func (r *run) pointless(s plan.Step) bool {
	i, ok := r.graph.Index(s.OnlyAfter)
	return ok && (r.steps[i] == runapi.Todo && r.BegunAt[i] < 0 || r.steps[i] == runapi.Untouched && !r.Dropped[s.OnlyAfter])
}

// watchClock sets the alarm for the next deadline.
func (r *run) watchClock(ctx workflow.Context) {
	if len(r.flights) > 0 || r.leaving || r.replanning != nil {
		r.Stuck = time.Time{}
	} else if r.Stuck.IsZero() {
		r.Stuck = workflow.Now(ctx).UTC()
	}
	at, summary, _ := r.deadline()
	if r.Aborted != "" || r.looking() {
		at = time.Time{}
	}
	r.alarm.set(ctx, at, summary)
}

// deadline is when the run ends by itself: the runbook's, or that of a run which waits for an operator. Zero: never.
// The summary is what the clock that runs until then is called, why what the run ends with.
func (r *run) deadline() (at time.Time, summary, why string) {
	if d := time.Duration(r.Settings.Deadline); d > 0 {
		at, summary, why = r.Begun.Add(d), "may take at most "+words.Written(d), fmt.Sprintf("deadline of the run (%s)", words.Written(d))
	}
	if d := time.Duration(r.Settings.BlockedDeadline); !r.Stuck.IsZero() && d > 0 {
		if stuck := r.Stuck.Add(d); at.IsZero() || stuck.Before(at) {
			at, summary, why = stuck, "waits for a person, at most "+words.Written(d), "nobody answered for "+words.Written(d)
		}
	}
	if no, step, d := r.unconfirmed(); !no.IsZero() && (at.IsZero() || no.Before(at)) {
		at, summary, why = no, "waits for a yes, at most "+words.Written(d), fmt.Sprintf("nobody said yes to %q for %s", step, words.Written(d))
	}
	return at, summary, why
}

// cause is the text of an error without Temporal's wrapping.
func cause(err error) string {
	if app := new(temporal.ApplicationError); errors.As(err, &app) {
		return app.Message()
	}
	return err.Error()
}
