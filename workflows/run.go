package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// A run is one life: lock, plan, approve, execute, verify, report. It is the same for every runbook.
type run struct {
	State
	p         runapi.Params
	packed    []byte
	graph     *plan.Graph // nil before there is a plan
	steps     []byte      // State.Steps
	count     [256]int    // of steps by letter
	flights   []*flight
	wake      workflow.Channel // something changed that is not the end of an activity
	cancelled workflow.Channel // of the workflow
	leaving   bool             // this run of the chain starts nothing any more
	acts      workflow.Context // the context of all activities in flight
	yield     workflow.CancelFunc
	between   map[string]*plan.Memo // of steps that stood between two attempts when this run was to leave
	orphan    string                // the run that is no more, and whose lock is in the way
	blind     bool                  // what steps have sent could not be read then
	alarm     alarm
	tick      alarm // while steps are under way: only to see that the run wakes in time

	root    workflow.Context // never cancelled
	freshly []string         // ids of steps that blocked, and of which nobody was told yet
	telling int              // messages that are being made
	closing bool             // this run of the chain ends: what is to be told is told now

	replanning workflow.Future // the new plan that is being made
	recalled   map[string]int  // how often a step in flight was called back, since this run of the chain began
	amid       bool            // something was under way when it was asked for
	unsettled  bool            // it is to be made when what is under way has landed
	timely     bool            // lost time is noticed
	due        time.Time       // when the run should have woken at the latest; zero: whenever
	woke       time.Time       // when it last did
	grouped    []group
	groupOf    []int // of each step
}

// errAborted ends a phase before the execution: nothing was touched.
var errAborted = errors.New("aborted")

// Run is a run of a runbook, from its plan to its end. The packed plan and the state are only given by a run to the next one of its
// chain. A power-down's debts and its memory stay open when it ends: power-up settles them.
func Run(ctx workflow.Context, p runapi.Params, packed []byte, st State) (runapi.Sheet, error) {
	r := &run{State: st, p: p, packed: packed, wake: workflow.NewBufferedChannel(ctx, 1), cancelled: ctx.Done(), recalled: map[string]int{}}
	ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancelled workflow still ends in order
	r.root = ctx
	r.acts, r.yield = workflow.WithCancel(ctx)
	if r.Version > stateVersion {
		panic(errors.New("a newer nightshift has handed this run over: upgrade this one")) // as below, where the plan is loaded
	}
	if r.due = r.Due; r.due.IsZero() {
		r.due = workflow.GetInfo(ctx).WorkflowStartTime
	}
	if r.Started.IsZero() {
		r.Started = workflow.Now(ctx).UTC()
	}
	if err := errors.Join(r.handleQueries(ctx), r.handleOrders(ctx)); err != nil {
		return runapi.Sheet{}, err
	}
	if r.packed != nil { // of an earlier run in the chain
		if err := r.load(); err != nil {
			// Written by a newer nightshift. The run must not end with half a lab switched off: a panic fails this
			// workflow task only, and Temporal tries it again until a worker comes that knows the plan.
			panic(err)
		}
	} else if err := r.prepareToExecute(ctx); err != nil {
		return r.end(ctx)
	}
	if err := r.execute(ctx); err != nil {
		return runapi.Sheet{}, err // hand-over
	}
	r.verify(ctx)
	r.measureAfter(ctx)
	return r.end(ctx)
}

// prepareToExecute locks, plans and waits for approval. An error says that the run ends here; Outcome and Why say how.
func (r *run) prepareToExecute(ctx workflow.Context) error {
	for _, phase := range []func(workflow.Context) error{r.obeyHold, r.lock, r.plan, r.awaitApproval, r.measureBefore} {
		if err := phase(ctx); err != nil {
			if errors.Is(err, errAborted) {
				r.Outcome, r.Why = runapi.Aborted, r.Aborted
			} else if r.Outcome == "" {
				r.Outcome, r.Why = runapi.Failed, cause(err)
			}
			return err
		}
	}
	r.Begun = workflow.Now(ctx).UTC()
	if r.Phase == runapi.PhaseApprove { // a person was there just now
		r.due = r.Begun
	}
	return nil
}

// obeyHold ends a scheduled run while somebody said "not tonight".
func (r *run) obeyHold(ctx workflow.Context) error {
	if !r.p.Scheduled {
		return nil
	}
	r.enter(ctx, runapi.PhaseLock, "")
	var st ledger.State
	if err := r.call(ctx, ledgerOptions("read the ledger of lab "+r.p.Lab), plan.ReadLedger, r.p.Lab, &st); err != nil {
		return err
	}
	if st.Held(workflow.Now(ctx)) {
		return r.finish(runapi.Skipped, fmt.Sprintf(runapi.OnHold+" %s, by %s: %s", st.Hold.Until.UTC().Format(time.RFC3339), st.Hold.By, st.Hold.Reason))
	}
	return nil
}

func (r *run) lock(ctx workflow.Context) error {
	if len(r.p.Scopes()) == 0 {
		return nil
	}
	r.enter(ctx, runapi.PhaseLock, lockWords(r.p))
	err := r.call(ctx, lockOptions(r.p), plan.TakeLocks, r.lockRequest(ctx), nil)
	if app := new(temporal.ApplicationError); errors.As(err, &app) && app.Type() == ledger.Locked {
		return r.finish(r.lockedOutcome(ctx, app), app.Message())
	}
	if r.p.Wait {
		r.due = workflow.Now(ctx) // it may have waited long, and has not looked yet
	}
	return err
}

// skipIfLocked is the change under workflow.GetVersion: before it, scheduled runs were refused.
const skipIfLocked = "skip-if-locked"

// lockedOutcome is how a run ends that finds the lock taken: one that the clock has begun is skipped, as under a hold. Not where
// the lock is an orphan: it would be skipped every night, and nobody told.
func (r *run) lockedOutcome(ctx workflow.Context, locked *temporal.ApplicationError) string {
	var lock ledger.Lock
	if orphan := false; locked.HasDetails() && locked.Details(&lock, &orphan) == nil && orphan {
		r.orphan = lock.Holder.Workflow
		return runapi.Refused
	}
	if r.p.Scheduled && workflow.GetVersion(ctx, skipIfLocked, workflow.DefaultVersion, 1) >= 1 {
		return runapi.Skipped
	}
	return runapi.Refused
}

func (r *run) lockRequest(ctx workflow.Context) plan.LockRequest {
	info := workflow.GetInfo(ctx)
	return plan.LockRequest{Lab: r.p.Lab, Scopes: r.p.Scopes(), Workflow: info.WorkflowExecution.ID,
		FirstRun: info.FirstRunID, Runbook: r.p.Runbook, By: r.p.By, Wait: r.p.Wait}
}

// plan has the lab inspected and takes in the plan. No steps: the run is done. Blockers, or another plan than the one
// that was asked for: refused.
func (r *run) plan(ctx workflow.Context) error {
	r.enter(ctx, runapi.PhasePlan, "")
	var reply plan.Reply
	if err := r.call(ctx, planOptions(), plan.MakePlan, r.request(ctx), &reply); err != nil {
		return err
	}
	r.Title, r.Hash, r.Settings, r.packed = reply.Title, reply.Hash, settings(reply.Settings, r.p), reply.Packed
	r.Warnings, r.Blockers, r.Versions = reply.Warnings, reply.Blockers, reply.Versions
	if err := r.load(); err != nil {
		return err
	}
	switch {
	case len(reply.Blockers) > 0:
		return r.finish(runapi.Refused, theFirst(reply.Blockers))
	case r.p.PlanHash != "" && r.p.PlanHash != reply.Hash:
		return r.finish(runapi.Refused, fmt.Sprintf("the lab has changed since the plan was made: plan %s was asked for, now it would be %s",
			plan.ShortHash(r.p.PlanHash), plan.ShortHash(reply.Hash)))
	case reply.Steps == 0:
		return r.finish(runapi.Done, reply.Title)
	}
	return nil
}

// theFirst names the first of some blockers, and how many there are.
func theFirst(blockers []plan.Finding) string {
	if len(blockers) == 1 {
		return "1 blocker: " + blockers[0].String()
	}
	return words.Count(len(blockers), "blocker") + ", the first: " + blockers[0].String()
}

func (r *run) request(ctx workflow.Context) plan.Request {
	return plan.Request{Runbook: r.p.Runbook, Lab: r.p.Lab, Parameters: r.p.Parameters, Run: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Scheduled: r.p.Scheduled}
}

// verify has the lab inspected again: what the plan did must not be planned once more.
func (r *run) verify(ctx workflow.Context) {
	if r.Aborted != "" {
		r.Outcome, r.Why = runapi.Aborted, r.Aborted
		return
	}
	r.enter(ctx, runapi.PhaseVerify, "")
	if r.asMade() {
		r.verifySteps(ctx)
		return
	}
	left, err := r.stillToDo(ctx)
	r.Outcome = runapi.Done
	if n := r.count[runapi.StepSkip]; n > 0 {
		r.Outcome, r.Why = runapi.Partial, words.Of(n, len(r.steps), "step")+" skipped"
	}
	switch {
	case r.Aborted != "":
		r.Outcome, r.Why = runapi.Aborted, r.Aborted+" (every step was done; the end state was not verified)"
	case err != nil:
		r.Outcome, r.Why = runapi.Partial, "every step is behind, but the end state could not be verified: "+cause(err)
	case len(left) > 0:
		r.Left = left
		r.Outcome, r.Why = runapi.Partial, "every step is behind, but "+words.Of(len(left), len(r.steps), "step")+" would have to be done again, the first: "+left[0].Text
	}
	if left := r.graph.Left; len(left) > 0 && r.Aborted == "" {
		r.say("left as it is, as the warnings say: " + strings.Join(bounded(left), ", "))
	}
}

// stillToDo plans again and keeps what this run's plan has too. An order to a UPS is planned each time: nobody sees from
// outside that it was given.
func (r *run) stillToDo(ctx workflow.Context) ([]plan.Finding, error) {
	var reply plan.Reply
	request := r.request(ctx)
	request.Again = true
	if err := r.call(ctx, planOptions(), plan.MakePlan, request, &reply); err != nil {
		return nil, err
	}
	again, err := plan.Unpack(reply.Packed)
	if err != nil {
		return nil, err
	}
	var left []plan.Finding
	for _, s := range again.Steps {
		if i, ours := r.graph.Index(s.ID); ours && r.steps[i] == runapi.StepDone && s.Changes() && s.Action != plan.OrderLoadOff {
			left = append(left, plan.Finding{Subject: s.Target.String(), Text: s.Title})
		}
	}
	return left, nil
}

// end releases the locks, writes down what is owed, and closes the run.
func (r *run) end(ctx workflow.Context) (runapi.Sheet, error) {
	if len(r.p.Scopes()) > 0 {
		octx := workflow.WithActivityOptions(ctx, ledgerOptions("release the locks of this run"))
		if err := workflow.ExecuteActivity(octx, plan.ReleaseLocks, r.lockRequest(ctx)).Get(ctx, nil); err != nil {
			r.say("its locks could not be released: " + cause(err))
		}
	}
	if r.graph != nil { // otherwise nothing was touched
		octx := workflow.WithActivityOptions(ctx, ledgerOptions("read what is owed"))
		var st ledger.State
		if err := workflow.ExecuteActivity(octx, plan.ReadLedger, r.p.Lab).Get(ctx, &st); err != nil {
			r.say("what is owed could not be read: " + cause(err))
		}
		r.Owed = st.Debts
	}
	r.Ended = workflow.Now(ctx).UTC()
	r.enter(ctx, runapi.PhaseEnd, "")
	r.meterEnd(ctx)
	workflow.GetLogger(ctx).Info(runapi.LogEnded, "lab", r.p.Lab, "runbook", r.p.Runbook, "outcome", r.Outcome, "why", r.Why)
	r.tell(runapi.Event(r.Outcome), func() bool { return true })
	err := r.rest(ctx)
	return r.sheet(), err
}

// say adds to Why what went wrong at the very end. A run that was done is so in part only.
func (r *run) say(what string) {
	if r.Outcome == runapi.Done {
		r.Outcome = runapi.Partial
	}
	if r.Why != "" {
		what = r.Why + "; " + what
	}
	r.Why = what
}

// finish sets how the run ends, and returns an error for the phases to end with.
func (r *run) finish(outcome, why string) error {
	r.Outcome, r.Why = outcome, why
	return errors.New(why)
}

// call runs one activity of the run itself. A cancelled or aborted run does not wait for it.
func (r *run) call(ctx workflow.Context, o workflow.ActivityOptions, name string, arg, out any) error {
	f := workflow.ExecuteActivity(workflow.WithActivityOptions(r.acts, o), name, arg)
	for !f.IsReady() {
		r.await(ctx, f)
		if r.Aborted != "" {
			if o.WaitForCancellation {
				_ = f.Get(ctx, nil) // how it ended does not matter, only that it has
			}
			return errAborted
		}
	}
	return f.Get(ctx, out)
}

// settings are those of the lab file where the person, or the schedule, who asked did not say otherwise.
func settings(s plan.Settings, p runapi.Params) plan.Settings {
	if p.OnFailure != "" {
		s.OnFailure = p.OnFailure
	}
	if p.Deadline > 0 {
		s.Deadline = p.Deadline
	}
	return s
}
