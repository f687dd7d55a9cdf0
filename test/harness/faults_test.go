//go:build e2e

package harness

import (
	"context"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/test/kinds"
)

// A fault is one way in which a step breaks.
type fault struct {
	name string
	// at is called for each attempt of the step that broke; next is the activity itself.
	at func(ctx context.Context, t *trap, attempt int, next func() (any, error)) (any, error)
	// meanwhile is what happens to the run as soon as the step has begun. May be nil.
	meanwhile func(r *rig, run string, t *trap)
	// handOver is the length of history at which the run hands over; 0: the usual one.
	handOver int
	// fails: the step has failed for good then. Where its own policy is to be skipped, nobody is asked, and the run ends partial.
	fails bool
	// answer is what an operator says when the step is blocked. May be nil: it must not be.
	answer func(r *rig, run string, t *trap)
	// ends are the outcomes that are right. Default: done.
	ends []string
	// skip says why the fault is not tried with an action. May be nil.
	skip func(kinds.Kind) string
}

func straight(_ context.Context, _ *trap, _ int, next func() (any, error)) (any, error) {
	return next()
}

// broken fails the step for good until somebody has answered.
func broken(_ context.Context, _ *trap, attempt int, next func() (any, error)) (any, error) {
	if attempt == 1 {
		return nil, temporal.NewNonRetryableApplicationError("injected: refused for good", "Precondition", nil)
	}
	return next()
}

// injected puts a fault between nightshift and the system, for the next call of the step.
func injected(kind simlab.Kind) func(context.Context, *trap, int, func() (any, error)) (any, error) {
	return func(_ context.Context, t *trap, attempt int, next func() (any, error)) (any, error) {
		switch {
		case attempt > 1:
		case t.action.Action == plan.OrderLoadOff && kind == simlab.Hang:
			t.rig.nut.Hang("INSTCMD")
		case t.action.Action == plan.OrderLoadOff:
			t.rig.nut.Lose("INSTCMD")
		default:
			t.unstruck = t.rig.lab.Struck()
			for _, verb := range t.action.Calls() {
				t.rig.Cleanup(t.rig.lab.Inject(simlab.Fault{Verb: verb, Target: targetOf(t), Kind: kind, Times: 1}))
			}
		}
		return next()
	}
}

// targetOf is how the lab names what the call of the step is about.
func targetOf(t *trap) string {
	switch kind := t.call.Target.Kind; {
	case kind == plan.Lab, t.action.Alarms, t.action.Action == plan.RemoveSnapshot: // these calls are about a manager, or the snapshot itself
		return ""
	case kind == plan.ProtectionGroup, t.action.Action == plan.CopyBackup: // about one storage host or the other
		return ""
	case kind == plan.Dataset, kind == plan.LUN:
		return t.call.Target.Endpoint
	}
	return t.call.Target.Name
}

// unseen are actions of which no system tells afterwards whether, or how, they were carried out: a person has to look.
var unseen = []plan.Action{plan.RunCommand, plan.RunInGuest}

// retried is the answer of a person who has looked.
func retried(r *rig, run string, t *trap) {
	if t.action.Action == plan.Confirm { // which retry does not answer
		confirmed(r, run, t)
		return
	}
	r.order(run, runapi.Retry, runapi.Order{Steps: []string{t.step}, Reason: "try again"})
}

// confirmed is a person's yes.
func confirmed(r *rig, run string, t *trap) {
	r.order(run, runapi.Confirm, runapi.Order{Steps: []string{t.step}, Reason: "yes"})
}

// sessionless are the actions that log in nowhere, or anew each time.
var sessionless = []plan.Action{plan.SilenceMonitoring, plan.ResumeMonitoring, plan.RememberRunning, plan.StopApplication, plan.StartApplication,
	plan.CheckMains, plan.OrderLoadOff, plan.RunCommand, plan.ProbeHTTP, plan.Wait, plan.Confirm, plan.SendMessage}

// shortHistory is longer than that of a whole run on this lab.
const shortHistory = 600

// faults lists the ways to break a step.
func faults() []fault {
	noCall := func(k kinds.Kind) string {
		switch {
		case k.Action == plan.SilenceMonitoring || k.Action == plan.ResumeMonitoring:
			return "its call is a program on nightshift's own machine"
		case len(k.Calls()) == 0:
			return "it sends no call that changes a system"
		}
		return ""
	}
	return []fault{
		{name: "done twice", at: func(_ context.Context, _ *trap, attempt int, next func() (any, error)) (any, error) {
			out, err := next()
			if attempt == 1 && err == nil { // its result does not reach Temporal
				return nil, temporal.NewApplicationError("injected: the result was lost", "Transient")
			}
			return out, err
		}},
		{name: "fails once", at: func(_ context.Context, _ *trap, attempt int, next func() (any, error)) (any, error) {
			if attempt == 1 {
				return nil, temporal.NewApplicationError("injected: fails once", "Transient")
			}
			return next()
		}},
		{name: "fails, retried", at: broken, fails: true, answer: retried, skip: func(k kinds.Kind) string {
			if k.Action == plan.SnapshotGroup || k.Action == plan.MarkGroup {
				return "where no snapshot can be taken, or the group cannot be marked, the run ends by its own policy, and the next one begins anew"
			}
			return ""
		}},
		{name: "fails, skipped", at: broken, fails: true, answer: func(r *rig, run string, t *trap) {
			r.order(run, runapi.Skip, runapi.Order{Steps: []string{t.step}, Reason: "without it"})
		}, ends: []string{runapi.Partial, runapi.Aborted}, skip: func(k kinds.Kind) string {
			if k.Action == plan.Confirm {
				return "a question is answered, and not skipped: the order is refused"
			}
			return ""
		}},
		{name: "fails, aborted", at: broken, fails: true, answer: func(r *rig, run string, _ *trap) {
			r.order(run, runapi.Abort, runapi.Order{Reason: "enough"})
		}, ends: []string{runapi.Aborted}},
		{name: "answer lost", at: injected(simlab.LoseAnswer), skip: noCall},
		{name: "call hangs", at: injected(simlab.Hang), skip: noCall, answer: func(r *rig, run string, t *trap) {
			// Of a command there is no task that would tell whether it arrived: a person has to.
			require.Contains(r, append([]plan.Action{plan.StopApplication, plan.StartApplication}, unseen...), t.action.Action)
			retried(r, run, t)
		}},
		{name: "hung", at: func(ctx context.Context, t *trap, attempt int, next func() (any, error)) (any, error) {
			if attempt == 1 {
				select {
				case <-ctx.Done():
				case <-t.rig.over:
				}
				return nil, context.DeadlineExceeded
			}
			return next()
		}},
		{name: "run cancelled", at: straight, meanwhile: func(r *rig, run string, _ *trap) {
			_ = r.server.client.CancelWorkflow(r.Context(), run, "")
		}, ends: []string{runapi.Aborted, runapi.Done}},
		{name: "run paused", at: straight, meanwhile: func(r *rig, run string, _ *trap) {
			if !r.order(run, runapi.Pause, runapi.Order{Reason: "a moment"}) {
				return // it was the last step, and is over
			}
			r.eventually("what is in flight lands", func() bool { s := r.sheet(run); return s.Running == 0 })
			r.order(run, runapi.Resume, runapi.Order{})
		}},
		{name: "worker stopped", at: straight, meanwhile: func(r *rig, _ string, _ *trap) {
			r.worker.Stop()
			r.work()
		}},
		{name: "handed over", at: straight, handOver: shortHistory, meanwhile: func(r *rig, run string, _ *trap) {
			r.lengthen(run, shortHistory)
			if !r.order(run, runapi.Pause, runapi.Order{Reason: "so that it looks how long its history is"}) {
				return // it was the last step, and is over
			}
			r.order(run, runapi.Resume, runapi.Order{})
			r.eventually("the hand-over", func() bool { return r.handedOver(run) })
		}},
		{name: "session expired", at: func(_ context.Context, t *trap, attempt int, next func() (any, error)) (any, error) {
			if attempt == 1 {
				for _, s := range t.rig.systems(t.call.Target) {
					f := simlab.Fault{System: s, Kind: simlab.Error, SOAP: "NotAuthenticated", Times: 1}
					if strings.HasPrefix(s, "bmc:") {
						f.SOAP, f.Status = "", 401
					}
					t.rig.Cleanup(t.rig.lab.Inject(f))
				}
			}
			return next()
		}, skip: func(k kinds.Kind) string {
			if slices.Contains(sessionless, k.Action) {
				return "it has no session that could expire"
			}
			return ""
		}},
		{name: "two at once", at: func(ctx context.Context, t *trap, attempt int, next func() (any, error)) (any, error) {
			if attempt == 1 { // the server gives it up, as it does not beat
				select {
				case <-t.second:
				case <-ctx.Done():
				case <-t.rig.over:
				}
			}
			return next()
		}},
	}
}

// systems are those, by their names at the boundary, that a step on the target talks to.
func (r *rig) systems(t plan.Target) []string {
	var list []string
	if t.Direct != "" {
		list = append(list, "esxi:"+t.Direct)
	} else {
		list = append(list, "vcenter")
	}
	if t.Kind == plan.Host {
		list = append(list, "bmc:"+t.Name)
	}
	return list
}
