package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// ownDecisions is how often a run may decide by itself that a step acts again, with proof that its call never arrived.
const ownDecisions = 2

// land takes in the end of a step's activity.
func (r *run) land(ctx workflow.Context, fl *flight, f workflow.Future) {
	out, lost, i := plan.Outcome{}, (*temporal.TimeoutError)(nil), fl.step
	err := f.Get(ctx, &out)
	s := r.graph.Steps[i]
	r.graph.Release(i)
	if fl.acts.Err() != nil {
		r.recalled[s.ID]++
	}
	r.heard(i, err)
	switch {
	case err == nil && out.Unclear != nil:
		r.unclear(ctx, i, *out.Unclear)
	case err == nil && out.Replan != "" && r.asMade():
		r.fail(ctx, i, out.Replan+" (runbook "+r.p.Runbook+" is not planned anew: retry the step, or abort the run and start it again)")
	case err == nil && out.Replan != "":
		r.ask(ctx, i, out.Replan)
	case err == nil && out.Yield == nil:
		delete(r.Notes, s.ID)
		if out.Note != "" {
			r.Notes[s.ID] = out.Note
		}
		if out.Found != "" {
			r.Found[s.ID] = out.Found
		}
		r.finishStep(ctx, i, runapi.StepDone)
		if out.End != "" {
			r.abort(ctx, out.End)
		}
	case err == nil:
		r.again(ctx, i, out.Yield)
	case temporal.IsCanceledError(err) && r.blind && s.Changes():
		r.fail(ctx, i, "it was interrupted when this run was to go on in another, and what it has sent could not be read; look at "+s.Target.String())
	case temporal.IsCanceledError(err) && s.Waits():
		memo := r.Memos[s.ID]
		if memo == nil {
			memo = &plan.Memo{At: fl.begun} // its time goes on
		}
		r.again(ctx, i, memo)
	case temporal.IsCanceledError(err): // it had not begun, or stood between two attempts
		r.again(ctx, i, r.between[fl.id])
	case errors.As(err, &lost):
		r.lost(ctx, fl, lost)
	case fl.acts.Err() != nil && notRetried(err): // it would have been tried again, had we not asked it to yield
		r.again(ctx, i, r.between[fl.id])
	case unknownAction(err):
		r.failAs(ctx, i, plan.Ask, fmt.Sprintf("no worker that took this step knows the action %s: an older nightshift works for this lab; upgrade it", s.Action))
	default:
		r.fail(ctx, i, cause(err))
	}
}

// unknownAction tells of a step that only workers of an older nightshift have taken, as often as Temporal tried. That is no
// failure of the step: whatever its policy is, it waits.
func unknownAction(err error) bool {
	app := new(temporal.ApplicationError)
	return errors.As(err, &app) && app.Type() == "ActivityNotRegisteredError"
}

// notRetried tells of a failed activity that Temporal did not try again because its cancellation was requested.
func notRetried(err error) bool {
	failed := new(temporal.ActivityError)
	return errors.As(err, &failed) && failed.RetryState() == enums.RETRY_STATE_CANCEL_REQUESTED
}

// lost takes in a step whose worker died, or whose time was over. What it had sent is in its last heartbeat.
func (r *run) lost(ctx workflow.Context, fl *flight, err *temporal.TimeoutError) {
	var memo *plan.Memo
	if err.HasLastHeartbeatDetails() && err.LastHeartbeatDetails(&memo) != nil {
		r.fail(ctx, fl.step, "what this step has sent cannot be read any more; look at "+r.graph.Steps[fl.step].Target.String())
		return
	}
	if err.TimeoutType() == enums.TIMEOUT_TYPE_HEARTBEAT && fl.acts.Err() != nil { // its worker died while we asked it to yield
		r.again(ctx, fl.step, memo)
		return
	}
	r.remember(fl.step, memo)
	r.fail(ctx, fl.step, cause(err))
}

// remember keeps the memo of a call as what a decision to act again knows.
func (r *run) remember(i int, memo *plan.Memo) {
	if memo.Sent() {
		id := r.graph.Steps[i].ID
		again := r.Again[id]
		again.Before = memo
		r.Again[id] = again
	}
}

// unclear decides what comes after a call whose effect does not come.
func (r *run) unclear(ctx workflow.Context, i int, u plan.Unclear) {
	s := r.graph.Steps[i]
	why := u.What + " (" + u.Evidence + ")"
	r.remember(i, &u.Memo)
	again := r.Again[s.ID]
	if !u.NeverArrived || again.Own >= ownDecisions || r.Aborted != "" && !s.Always {
		r.fail(ctx, i, "unclear: "+why)
		return
	}
	again.Own++
	r.decide(ctx, i, again, "nightshift", "act again", why)
	r.set(i, runapi.Todo)
}

// decide records that a step may act again. The next attempt gets what the last one knew as evidence, not as its memo:
// with a memo it would only observe.
func (r *run) decide(ctx workflow.Context, i int, again Again, by, verdict, evidence string) {
	id := r.graph.Steps[i].ID
	if memo := r.Memos[id]; memo.Sent() && again.Before == nil {
		again.Before = memo
	}
	delete(r.Memos, id)
	again.Count, again.By = again.Count+1, by
	r.Again[id] = again
	r.Decisions = append(r.Decisions, runapi.Decision{At: workflow.Now(ctx).UTC(), Step: id, By: by, Verdict: verdict, Evidence: evidence})
}

// policy is what happens when the step has failed for good.
func (r *run) policy(s plan.Step) plan.OnFailure {
	if s.Minor() { // no plan of an earlier nightshift has such steps
		return plan.Skip
	}
	if s.Action == plan.Confirm { // whatever the run does with failures: only a person says yes
		return plan.Ask
	}
	if s.OnFailure == "" || r.p.OnFailure != "" && !s.Always && !s.Own { // no plan of an earlier nightshift has steps with Own
		return r.Settings.OnFailure
	}
	return s.OnFailure
}

// fail ends a step that failed for good as its policy says.
func (r *run) fail(ctx workflow.Context, i int, why string) {
	r.failAs(ctx, i, r.policy(r.graph.Steps[i]), why)
}

func (r *run) failAs(ctx workflow.Context, i int, policy plan.OnFailure, why string) {
	s := r.graph.Steps[i]
	r.Notes[s.ID] = why
	switch {
	case r.Aborted != "" && !s.Always:
		r.drop(ctx, i)
	case policy == plan.Skip:
		r.finishStep(ctx, i, runapi.StepSkip)
	case policy == plan.Force && !r.Again[s.ID].Forced:
		again := r.Again[s.ID]
		again.Force, again.Forced = true, true
		r.decide(ctx, i, again, "policy onFailure: force", "act again, by force", why)
		r.set(i, runapi.Todo)
	case r.Aborted != "": // an Always step: nobody may be there any more, and the run must end
		r.drop(ctx, i)
	default:
		r.EndedAt[i] = r.tenths(ctx) // until somebody decides
		r.set(i, runapi.Blocked)
		workflow.GetLogger(ctx).Info(runapi.LogBlocked, "lab", r.p.Lab, "runbook", r.p.Runbook, "step", s.ID, "target", s.Target.String(), "title", s.Title, "why", why)
		r.tellBlocked(s.ID)
		if policy == plan.Abort {
			r.abort(ctx, fmt.Sprintf("%s failed: %s", s.Title, why))
		}
	}
}

// again puts a step back that came to no end. After an abort only the Always steps go on.
func (r *run) again(ctx workflow.Context, i int, memo *plan.Memo) {
	s := r.graph.Steps[i]
	if memo != nil {
		r.Memos[s.ID] = memo
	}
	switch memo = r.Memos[s.ID]; {
	case r.Aborted == "" || s.Always:
		r.set(i, runapi.Todo)
	case memo != nil && memo.Sent():
		r.Notes[s.ID] = fmt.Sprintf("%s at %s, not seen to its end", memo.Intent, memo.At.UTC().Format(time.RFC3339))
		r.finishStep(ctx, i, runapi.HalfDone)
	case memo == nil && r.BegunAt[i] >= 0:
		if r.Notes[s.ID] = "had begun when the run was aborted; what it has sent is not known"; r.sentNothing(i) {
			r.Notes[s.ID] = "had begun when the run was aborted, and sent nothing"
		}
		r.drop(ctx, i)
	default:
		r.finishStep(ctx, i, runapi.Untouched)
	}
}

// finishStep is set for the letters with which a step ends.
func (r *run) finishStep(ctx workflow.Context, i int, c byte) {
	r.answered(ctx, i)
	r.EndedAt[i] = r.tenths(ctx)
	r.set(i, c)
	r.meterStep(ctx, i, c)
}

// set is the only place where a step changes its letter.
func (r *run) set(i int, c byte) {
	r.count[r.steps[i]]--
	r.count[c]++
	r.steps[i] = c
	switch c {
	case runapi.StepDone, runapi.StepSkip, runapi.Untouched, runapi.HalfDone:
		r.grouped[r.groupOf[i]].count(c)
		delete(r.Memos, r.graph.Steps[i].ID)
		for _, j := range r.graph.Satisfied(i) {
			if r.steps[j] == runapi.Todo {
				r.graph.Offer(j)
			}
		}
	case runapi.Todo:
		if r.graph.Open(i) == 0 {
			r.graph.Offer(i)
		}
	}
}

func (r *run) tenths(ctx workflow.Context) int64 {
	return max(0, int64(workflow.Now(ctx).Sub(r.Started)/(100*time.Millisecond))) // clocks are set back
}
