package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

// recorder writes heartbeats. client.Client is one.
//
// Not activity.RecordHeartbeat: that sends the first heartbeat of an attempt at once and later ones only after up to
// 80 % of the heartbeat time-out, it may let an older memo overtake a newer one, and it hides whether the server took
// it (SDK 1.50, temporalInvoker.Heartbeat). This call answers after the server has the memo on disk, and it is a fence:
// the server refuses it to an attempt that it has given up, so that of two live attempts only the newer one can act.
type recorder interface {
	RecordActivityHeartbeatWithOptions(ctx context.Context, o client.RecordActivityHeartbeatOptions) error
}

const (
	// recordTimeout is for one heartbeat.
	recordTimeout = 10 * time.Second
	// goHome is how long before its time-out an attempt yields at the latest.
	goHome = 5 * time.Second
)

// errLeave says that the run does not want the step to go on here: it yields.
var errLeave = errors.New("asked to leave")

// An attempt is one execution of a step's activity: what it knows, and why it may have to leave.
type attempt struct {
	a     *Activities
	ctx   context.Context // of the activity
	info  activity.Info
	began time.Time
	time  context.Context // ends shortly before the activity's time does, so that the memo still goes home as a result

	mu   sync.Mutex // held while a memo is on its way, so that none overtakes another
	memo plan.Memo

	nudged    <-chan struct{}
	cancelled chan struct{} // the server said with a heartbeat that the activity is to be cancelled
	told      bool          // cancelled is closed
	ends      []func()
}

// attempt begins one. The memo is that of an earlier attempt of this activity, or else that of an earlier activity.
func (a *Activities) attempt(ctx context.Context, c plan.Call) (*attempt, error) {
	t := &attempt{a: a, ctx: ctx, info: activity.GetInfo(ctx), began: time.Now().UTC(), cancelled: make(chan struct{})}
	switch {
	case activity.HasHeartbeatDetails(ctx):
		if err := activity.GetHeartbeatDetails(ctx, &t.memo); err != nil {
			return nil, fault.As(errUnsafe, fmt.Errorf("what an earlier attempt left cannot be read, so it is unknown what it sent: %w", err))
		}
	case c.Memo != nil:
		t.memo = *c.Memo
	}
	if t.memo.At.IsZero() {
		t.memo.At = t.began
	}
	over := func() {}
	t.time = ctx
	if end := t.info.Deadline; !end.IsZero() {
		t.time, over = context.WithDeadline(ctx, end.Add(-min(goHome, end.Sub(t.began)/10)))
	}
	nudged, left := a.hub.join(t.info.WorkflowExecution.RunID)
	t.nudged = nudged
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	t.ends = append(t.ends, over, left, func() { stop(); <-stopped })
	go func() {
		defer close(stopped)
		t.beat(beating)
	}()
	return t, nil
}

func (t *attempt) end() {
	for _, f := range t.ends {
		f()
	}
}

// beat heartbeats until ctx ends, also while a call is on the wire.
func (t *attempt) beat(ctx context.Context) {
	every := 10 * time.Second
	if t.info.HeartbeatTimeout > 0 {
		every = t.info.HeartbeatTimeout / 3
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		err := t.heartbeat(ctx, t.memo)
		t.mu.Unlock()
		if errors.Is(err, errLeave) {
			return
		}
	}
}

// record makes m the step's memo: nil means that the server has it on disk.
func (t *attempt) record(m plan.Memo) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.heartbeat(context.WithoutCancel(t.ctx), m); err != nil {
		return err
	}
	t.memo = m
	return nil
}

// note changes the memo; if the server doesn't get it now, it does with the next heartbeat.
func (t *attempt) note(change func(*plan.Memo)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.memo)
	if err := t.heartbeat(context.WithoutCancel(t.ctx), t.memo); err != nil && !errors.Is(err, errLeave) {
		activity.GetLogger(t.ctx).Warn("heartbeat not recorded", "step", t.info.ActivityID, "error", err)
	}
}

// far says how far a stream is: the next heartbeat tells it.
func (t *attempt) far(p *plan.Progress) {
	if p != nil {
		t.mu.Lock()
		t.memo.Progress = p
		t.mu.Unlock()
	}
}

// heartbeat sends the memo. The caller holds mu.
func (t *attempt) heartbeat(ctx context.Context, m plan.Memo) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := t.a.recorder.RecordActivityHeartbeatWithOptions(ctx, client.RecordActivityHeartbeatOptions{
		TaskToken: t.info.TaskToken, Details: []any{m}, WorkflowID: t.info.WorkflowExecution.ID,
		ActivityType: t.info.ActivityType.Name, TaskQueue: t.info.TaskQueue,
	})
	gone := new(serviceerror.NotFound)
	switch {
	case err == nil:
		return nil
	case temporal.IsCanceledError(err), errors.As(err, &gone): // NotFound: another attempt took over, nobody waits for our answer
		if !t.told {
			t.told = true
			close(t.cancelled)
		}
		return errLeave
	default:
		return fault.As(fault.Unreachable, fmt.Errorf("the intent could not be written down: %w", err))
	}
}

// leaving tells whether the step should yield.
func (t *attempt) leaving() bool { return t.asked() || t.time.Err() != nil }

// leftBehind tells whether the run goes on in another and does not wait for this step, as it only waits itself. Then it
// leaves without a word: were hundreds to come back at that moment, Temporal would refuse to close the run, again and
// again, as something has just happened to it.
func (t *attempt) leftBehind() bool {
	select {
	case <-t.nudged:
		return plan.Step{Action: plan.Action(t.info.ActivityType.Name)}.Waits()
	default:
		return false
	}
}

// asked tells whether the run, or this process, wants the step to yield.
func (t *attempt) asked() bool {
	for _, c := range []<-chan struct{}{t.nudged, t.cancelled, activity.GetWorkerStopChannel(t.ctx)} {
		select {
		case <-c:
			return true
		default:
		}
	}
	return false
}

// pause waits for d, until there are news, or until the step should yield: the only place where a step waits, and so the only one
// where it can be stopped. News may be nil: there are none.
func (t *attempt) pause(d time.Duration, news <-chan struct{}) (leave bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return t.leaving()
	case <-news:
		return t.leaving()
	case <-t.nudged: // the run hands over
	case <-t.cancelled: // the same, heard from the server; or abort
	case <-t.time.Done():
	case <-activity.GetWorkerStopChannel(t.ctx): // this process ends in order
	}
	return true
}
