package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What a run tells people. Each message is a workflow of its own (Notify), and is made beside the run: the run goes on
// meanwhile, and neither a hand-over nor its end waits for more than the server to take the message.

const (
	// notices is the change under workflow.GetVersion: before it, runs told nobody.
	notices = "notices"
	// gather is how long a run waits for more steps to block before it tells of them, as two hundred are one message, and for a
	// person who is there to answer before it calls one.
	gather = 20 * time.Second
)

// tell tells of an event, unless it is over (still says no) when the message is made.
func (r *run) tell(e runapi.Event, still func() bool) {
	r.beside(func(ctx workflow.Context) {
		if !r.wants(ctx, e) {
			return
		}
		if e == runapi.EventApproval { // whoever started the run at a terminal is asked there, at the same moment
			_, _ = workflow.AwaitWithTimeout(ctx, gather, func() bool { return r.closing || !still() }) // the context is never cancelled
		}
		if still() {
			r.send(ctx, e, nil)
		}
	})
}

// tellBlocked tells of a step that has just blocked, together with those that do so soon after.
func (r *run) tellBlocked(id string) {
	r.freshly = append(r.freshly, id)
	if len(r.freshly) > 1 { // somebody waits for them already
		return
	}
	r.beside(func(ctx workflow.Context) {
		wanted := r.wants(ctx, runapi.EventBlocked)
		if wanted {
			_, _ = workflow.AwaitWithTimeout(ctx, gather, func() bool { return r.closing }) // the context is never cancelled
		}
		fresh := r.freshly
		r.freshly = nil
		fresh = slices.DeleteFunc(fresh, func(id string) bool {
			i, ok := r.graph.Index(id)
			return !ok || r.steps[i] != runapi.Blocked
		})
		if wanted && len(fresh) > 0 {
			r.send(ctx, runapi.EventBlocked, fresh)
		}
	})
}

// beside does something in a coroutine of its own; rest waits for it.
func (r *run) beside(do func(workflow.Context)) {
	r.telling++
	workflow.Go(r.root, func(ctx workflow.Context) {
		do(ctx)
		r.telling--
	})
}

// rest waits until what is to be told is on its way, for a run of the chain that ends.
func (r *run) rest(ctx workflow.Context) error {
	r.closing = true
	return workflow.Await(ctx, func() bool { return r.telling == 0 && workflow.AllHandlersFinished(ctx) })
}

// wants asks whether somebody is to be told. It is asked each time, as the lab file changes while a run waits for a person.
func (r *run) wants(ctx workflow.Context, e runapi.Event) bool {
	if workflow.GetVersion(ctx, notices, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return false
	}
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 5 * time.Second,
		Summary: "who is to be told", RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2}})
	var wanted []runapi.Event
	if err := workflow.ExecuteLocalActivity(ctx, plan.WantedNotices, r.p.Runbook).Get(ctx, &wanted); err != nil {
		workflow.GetLogger(ctx).Warn("nobody is told: the channels could not be read", "event", e, "error", err)
	}
	return slices.Contains(wanted, e)
}

// send makes the message, with these blocked steps, and starts it.
func (r *run) send(ctx workflow.Context, e runapi.Event, blocked []string) {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	s := r.sheet()
	n := runapi.Notice{Event: e, Lab: r.p.Lab, Runbook: r.p.Runbook, Run: id, At: workflow.Now(ctx).UTC(), Sheet: s.Brief(), Parameters: r.p.Parameters,
		More: max(0, len(blocked)-runapi.MostNoticeSteps)}
	n.Sheet.Notes = runapi.Notes{}
	for _, step := range blocked[:len(blocked)-n.More] {
		i, _ := r.graph.Index(step)
		st := r.graph.Steps[i]
		n.Steps = append(n.Steps, plan.Step{ID: st.ID, Title: st.Title, Action: st.Action, Target: st.Target, Params: st.Params})
		n.Sheet.Notes[step] = r.Notes[step]
	}
	startNotice(ctx, noticeID(ctx, id, e), n)
}
