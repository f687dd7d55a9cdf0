package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// handleOrders makes each verb of an operator an update with a validator. A validator may run before an earlier order
// has acted, so the handler checks again.
func (r *run) handleOrders(ctx workflow.Context) error {
	var errs []error
	for _, verb := range runapi.Verbs() {
		handle := func(ctx workflow.Context, o runapi.Order) (runapi.Sheet, error) {
			ctx, _ = workflow.NewDisconnectedContext(ctx) // what an abort begins with it outlives the cancellation of the workflow
			if err := r.check(ctx, verb, o); err != nil {
				return runapi.Sheet{}, err
			}
			r.Orders = append(r.Orders, runapi.Record{At: workflow.Now(ctx).UTC(), Verb: verb, Order: o})
			err := r.obey(ctx, verb, o)
			r.wake.SendAsync(nil)
			return r.answer(), err
		}
		validate := func(ctx workflow.Context, o runapi.Order) error { return r.check(ctx, verb, o) }
		errs = append(errs, workflow.SetUpdateHandlerWithOptions(ctx, verb, handle, workflow.UpdateHandlerOptions{Validator: validate,
			Description: describe(verb)}))
	}
	return errors.Join(errs...)
}

// answer is the sheet for whoever gave an order. It goes into the history with each: of long plans it says how many steps
// are how, and not when each of them was.
func (r *run) answer() runapi.Sheet {
	s := r.sheet()
	if len(s.Steps) > longPlan {
		s.Begun, s.Finished, s.Notes = nil, nil, nil
	}
	return s
}

// longPlan is from how many steps on a plan is long.
const longPlan = 1000

func describe(verb string) string {
	switch verb {
	case runapi.Approve:
		return "carry out the plan with this hash"
	case runapi.Reject:
		return "do not carry out the plan"
	case runapi.Retry:
		return "let blocked steps act again, also with other parameters, or by force"
	case runapi.Skip:
		return "go on as if blocked steps were done; needs a reason"
	case runapi.Pause:
		return "begin no new step"
	case runapi.Resume:
		return "go on"
	case runapi.Replan:
		return "read the lab again and plan anew what has not begun"
	case runapi.Confirm:
		return "yes, to steps that ask a person"
	}
	return "end in order: begin nothing but what must be put back"
}

// check says why an order cannot be obeyed now.
func (r *run) check(ctx workflow.Context, verb string, o runapi.Order) error {
	if o.By == "" {
		return errors.New("the order does not say who gives it")
	}
	if r.Phase == runapi.PhaseEnd || r.Outcome != "" {
		return errors.New("the run has ended")
	}
	switch verb {
	case runapi.Approve, runapi.Reject:
		return r.checkAnswer(ctx, verb, o)
	case runapi.Retry, runapi.Skip, runapi.Confirm:
		return r.checkSteps(verb, o)
	case runapi.Pause:
		if r.Phase != runapi.PhaseExecute || r.Paused != "" || r.Aborted != "" {
			return fmt.Errorf("the run cannot be paused: it is %s", r.standing())
		}
	case runapi.Resume:
		if r.Paused == "" {
			return fmt.Errorf("the run is not paused: it is %s", r.standing())
		}
	case runapi.Replan:
		if r.asMade() {
			return errors.New("runbook " + r.p.Runbook + " is not planned anew: abort the run and start it again")
		}
		if r.Phase != runapi.PhaseExecute || r.Replan != "" || r.Aborted != "" {
			return fmt.Errorf("the run cannot be planned anew: it is %s", r.standing())
		}
	case runapi.Abort:
		if r.Aborted != "" {
			return errors.New("the run is being aborted already: " + r.Aborted)
		}
	}
	return nil
}

func (r *run) standing() string {
	switch {
	case r.Aborted != "":
		return "being aborted"
	case r.Paused != "":
		return "paused by " + r.Paused
	case r.Replan != "":
		return "being planned anew: " + r.Replan
	}
	return r.Phase
}

func (r *run) checkAnswer(ctx workflow.Context, verb string, o runapi.Order) error {
	switch {
	case r.awaited() == "":
		return fmt.Errorf("the run does not wait for approval: it is %s", r.standing())
	case verb == runapi.Approve:
		return r.checkApproval(ctx, o, r.awaited())
	}
	return nil
}

func (r *run) checkSteps(verb string, o runapi.Order) error {
	switch {
	case r.graph == nil || len(o.Steps) == 0:
		return fmt.Errorf("%s needs the ids of blocked steps", verb)
	case verb == runapi.Skip && strings.TrimSpace(o.Reason) == "":
		return errors.New("skip needs a reason")
	case (len(o.Params) > 0 || o.Force) && r.Settings.Approval:
		return errors.New("this runbook wants approved plans: abort the run and plan anew instead of changing a step")
	}
	for _, id := range o.Steps {
		i, ok := r.graph.Index(id)
		if !ok {
			return fmt.Errorf("there is no step %q", id)
		}
		if r.steps[i] != runapi.Blocked {
			return fmt.Errorf("step %q is not blocked", id)
		}
		if s := r.graph.Steps[i]; verb == runapi.Skip && r.Strict && r.needsSignatures() && !s.Waits() && !s.Always {
			return fmt.Errorf("step %q acts, and %s has approvers: to go on without it is another plan than they have approved; do it by hand and `nightshift retry`, "+
				"or `nightshift abort` and plan anew", id, r.p.Runbook)
		}
		switch asks := r.graph.Steps[i].Action == plan.Confirm; {
		case asks && verb != runapi.Confirm: // an order to many steps must not be a yes to what nobody has read
			return fmt.Errorf("step %q asks a person: `nightshift confirm` says yes, `nightshift abort` says no", id)
		case !asks && verb == runapi.Confirm:
			return fmt.Errorf("step %q does not ask for a yes: see `nightshift retry` and `nightshift skip`", id)
		}
	}
	if len(o.Params) > 0 {
		return r.checkParams(o)
	}
	return nil
}

// checkParams says why the parameters cannot be changed: all the steps have to take them, or none is changed.
func (r *run) checkParams(o runapi.Order) error {
	var no error
	var takers []string
	for _, id := range o.Steps {
		i, _ := r.graph.Index(id)
		s := r.graph.Steps[i]
		switch _, err := plan.Amend(s.Action, s.Params, o.Params); {
		case err == nil:
			takers = append(takers, id)
		case no == nil && len(o.Steps) > 1:
			no = fmt.Errorf("step %q: %w", id, err)
		case no == nil:
			no = err
		}
	}
	if no != nil && len(takers) > 0 {
		return fmt.Errorf("%w; nothing was changed: name those that take it (%s)", no, words.Some(takers, takersTold))
	}
	return no
}

// takersTold is how many steps that take a parameter are named where another does not.
const takersTold = 5

// obey does what check has allowed.
func (r *run) obey(ctx workflow.Context, verb string, o runapi.Order) error {
	why := strings.TrimSuffix(o.By+": "+o.Reason, ": ")
	switch verb {
	case runapi.Approve:
		return r.takeApproval(ctx, o, r.awaited())
	case runapi.Reject:
		if r.Phase == runapi.PhaseExecute {
			r.decline(ctx, "rejected by "+why)
			return nil
		}
		r.Outcome, r.Why = runapi.Refused, "rejected by "+why
	case runapi.Replan:
		r.wantPlan("asked for by " + why)
	case runapi.Pause:
		r.Paused = why
	case runapi.Resume:
		r.Paused, r.Stale = "", ""
	case runapi.Abort:
		r.abort(ctx, runapi.AbortedBy+why)
	case runapi.Retry, runapi.Skip, runapi.Confirm:
		steps := slices.Clone(o.Steps)
		slices.Sort(steps)
		steps = slices.Compact(steps) // named twice is once
		plans, err := r.change(steps, o.Params)
		if err != nil {
			return err
		}
		for _, id := range steps {
			i, _ := r.graph.Index(id)
			if verb == runapi.Skip {
				r.Notes[id] = runapi.SkippedBy + why + "; before that: " + r.Notes[id]
				r.finishStep(ctx, i, runapi.StepSkip)
			} else {
				r.retry(ctx, i, o, plans)
			}
		}
	}
	return nil
}

// change gives blocked steps other parameters, and says which plan became which. The hash is made once: of a large plan it takes
// a while.
func (r *run) change(steps []string, params map[string]any) (plans string, err error) {
	if len(params) == 0 {
		return "", nil
	}
	for _, id := range steps {
		i, _ := r.graph.Index(id)
		s := &r.graph.Steps[i]
		amended, err := plan.Amend(s.Action, s.Params, params)
		if err != nil {
			return "", err
		}
		s.Params, r.Amended[id] = amended, amended
	}
	before := r.Hash
	r.Hash = r.graph.Hash()
	return fmt.Sprintf("plan %s is now %s", plan.ShortHash(before), plan.ShortHash(r.Hash)), nil
}

// retry lets a blocked step act again: a decision, with what was known as its evidence. Plans says what change has changed.
func (r *run) retry(ctx workflow.Context, i int, o runapi.Order, plans string) {
	s := r.graph.Steps[i]
	verdict := "act again"
	switch {
	case s.Action == plan.Confirm:
		verdict = "yes"
	case plans != "":
		verdict = fmt.Sprintf("act again with %s (%s)", s.Params, plans)
	}
	again := r.Again[s.ID]
	again.Force = o.Force
	r.answered(ctx, i)
	evidence := r.Notes[s.ID]
	if o.Reason != "" {
		evidence += "; " + o.Reason
	}
	r.decide(ctx, i, again, o.By, verdict, evidence)
	delete(r.Notes, s.ID)
	delete(r.Replans, s.ID)
	delete(r.Vain, s.ID)
	r.EndedAt[i] = -1
	r.set(i, runapi.Todo)
}
