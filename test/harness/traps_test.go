//go:build e2e

package harness

import (
	"context"
	"slices"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"nightshift/internal/plan"
	"nightshift/test/kinds"
)

// traps stand between Temporal and the activities of a worker. One is set at a time.
type traps struct {
	interceptor.WorkerInterceptorBase
	mu   sync.Mutex
	set  *trap
	seen []kinds.Kind // of steps that came since they were asked for
}

// kinds answers which kinds of steps have come, and begins anew.
func (t *traps) kinds() []kinds.Kind {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.seen
	t.seen = nil
	return seen
}

// A trap waits for the first step with an action, and then breaks that step, and no other.
type trap struct {
	action kinds.Kind
	fault  fault
	rig    *rig
	run    string

	step     string // of the first step that came, then of no other
	call     plan.Call
	attempts int
	sprung   chan struct{} // closed when the first attempt has come
	second   chan struct{} // closed when the second has
	unstruck int           // how many faults had struck in the lab when one was put there for this step; -1: none was
}

func (t *traps) arm(r *rig, run string, action kinds.Kind, f fault) *trap {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set = &trap{action: action, fault: f, rig: r, run: run, sprung: make(chan struct{}), second: make(chan struct{}), unstruck: -1}
	return t.set
}

// disarm takes the trap away, and answers what the step that walked into it was about.
func (t *traps) disarm() (target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set != nil {
		target = t.set.call.Target.Name
	}
	t.set = nil
	return target
}

// catch answers the trap into which the attempt has walked, and which attempt of its step it is.
func (t *traps) catch(info activity.Info, call plan.Call) (*trap, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := kinds.Of(plan.Step{Action: plan.Action(info.ActivityType.Name), Target: call.Target, Params: call.Params})
	if !slices.Contains(t.seen, k) {
		t.seen = append(t.seen, k)
	}
	s := t.set
	if s == nil || s.action != k || s.step != "" && s.step != call.Step {
		return nil, 0
	}
	s.attempts++
	switch s.attempts {
	case 1:
		s.step, s.call = call.Step, call
		close(s.sprung)
	case 2:
		close(s.second)
	}
	return s, s.attempts
}

// InterceptActivity is how Temporal hands over every activity.
func (t *traps) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, traps: t}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	traps *traps
}

// ExecuteActivity lets the fault of the trap do its work.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	next := func() (any, error) { return i.Next.ExecuteActivity(ctx, in) }
	if len(in.Args) != 1 {
		return next()
	}
	call, ok := in.Args[0].(plan.Call)
	if !ok {
		return next()
	}
	t, attempt := i.traps.catch(activity.GetInfo(ctx), call)
	if t == nil {
		return next()
	}
	return t.fault.at(ctx, t, attempt, next)
}
