package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/test/bench/ideal"
)

// A fake carries steps out by waiting, in the shape of the real ones: an intent that is written down before the call, a
// second heartbeat for its answer, one every five seconds, and the memo as result when the run hands over. What it
// measures is the executor, the worker and the engine; the device clients have their own tests.
type fake struct {
	client client.Client
	delay  ideal.Delayer

	mu     sync.Mutex
	steps  map[string]plan.Step
	packed []byte
	plan   plan.Plan
	spans  map[string]*ideal.Span // of the attempts of a step together
	epoch  time.Time
	sent   map[string]int
	nudges map[string]chan struct{} // by run
}

func newFake(c client.Client) *fake { return &fake{client: c} }

// carry makes p the plan of the next run.
func (f *fake) carry(p plan.Plan, delay ideal.Delayer) error {
	packed, err := p.Pack()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.packed, f.delay, f.epoch = p, packed, delay, time.Now()
	f.steps, f.spans, f.sent, f.nudges = map[string]plan.Step{}, map[string]*ideal.Span{}, map[string]int{}, map[string]chan struct{}{}
	for _, s := range p.Steps {
		f.steps[s.ID] = s
	}
	return nil
}

func (f *fake) register(r interface {
	RegisterActivityWithOptions(any, activity.RegisterOptions)
}) {
	for _, action := range plan.Actions() {
		r.RegisterActivityWithOptions(f.step, activity.RegisterOptions{Name: string(action)})
	}
	for name, fn := range map[string]any{plan.MakePlan: f.makePlan, plan.TakeLocks: f.lock, plan.ReleaseLocks: f.lock, plan.ReadLedger: f.ledger, plan.Nudge: f.nudge,
		plan.WantedNotices: f.wanted} {
		r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}

func (f *fake) lock(context.Context, plan.LockRequest) error { return nil }
func (f *fake) ledger(context.Context, string) (ledger.State, error) {
	return ledger.State{}, nil
}
func (f *fake) wanted(context.Context, string) ([]runapi.Event, error) { return nil, nil }

// makePlan answers the plan at first, and none when the end state is verified.
func (f *fake) makePlan(context.Context, plan.Request) (plan.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, packed := f.plan, f.packed
	if len(f.spans) > 0 {
		p.Steps = nil
		var err error
		if packed, err = p.Pack(); err != nil {
			return plan.Reply{}, err
		}
	}
	return plan.Reply{Title: p.Title, Hash: p.Hash(), Steps: len(p.Steps), Packed: packed,
		Settings: plan.Settings{OnFailure: plan.Ask, BlockedDeadline: plan.Duration(time.Hour), ApprovalDeadline: plan.Duration(time.Hour)}}, nil
}

func (f *fake) step(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	info := activity.GetInfo(ctx)
	nudged, span, delay, waits := f.begin(info.WorkflowExecution.RunID, c.Step)
	memo := plan.Memo{At: time.Now().UTC()}
	switch {
	case activity.HasHeartbeatDetails(ctx):
		if err := activity.GetHeartbeatDetails(ctx, &memo); err != nil {
			return plan.Outcome{}, err
		}
	case c.Memo != nil:
		memo = *c.Memo
	}
	record := func() error {
		return f.client.RecordActivityHeartbeatWithOptions(context.WithoutCancel(ctx), client.RecordActivityHeartbeatOptions{TaskToken: info.TaskToken,
			Details: []any{memo}, WorkflowID: info.WorkflowExecution.ID, ActivityType: info.ActivityType.Name, TaskQueue: info.TaskQueue})
	}
	if !memo.Sent() && !waits {
		memo = plan.Memo{Intent: c.Title, Phase: "act", At: time.Now().UTC()}
		if err := record(); err != nil {
			return plan.Outcome{Yield: &plan.Memo{}}, nil
		}
		f.act(c.Step)
		memo.Answered = true
		_ = record() // late is fine: the next heartbeat has it
	}
	done := time.NewTimer(time.Until(memo.At.Add(delay)))
	defer done.Stop()
	beat := time.NewTicker(info.HeartbeatTimeout / 3)
	defer beat.Stop()
	for {
		select {
		case <-done.C:
			f.end(span)
			return plan.Outcome{Acted: true, Evidence: "powered off, as read"}, nil
		case <-beat.C:
			if record() != nil {
				return plan.Outcome{Yield: &memo, Acted: true}, nil
			}
		case <-nudged:
			if waits { // left behind, as the real ones are
				return plan.Outcome{}, activity.ErrResultPending
			}
			return plan.Outcome{Yield: &memo, Acted: true}, nil
		case <-activity.GetWorkerStopChannel(ctx):
			return plan.Outcome{Yield: &memo, Acted: true}, nil
		}
	}
}

func (f *fake) begin(run, step string) (nudged chan struct{}, span *ideal.Span, delay time.Duration, waits bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nudges[run] == nil {
		f.nudges[run] = make(chan struct{})
	}
	if f.spans[step] == nil {
		f.spans[step] = &ideal.Span{Begun: time.Since(f.epoch)}
	}
	s := f.steps[step]
	return f.nudges[run], f.spans[step], f.delay(s), s.Waits()
}

func (f *fake) end(s *ideal.Span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Ended == 0 { // of two that wait for the same, the one that was left behind may come last
		s.Ended = time.Since(f.epoch)
	}
}

func (f *fake) act(step string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent[step]++
}

func (f *fake) nudge(_ context.Context, run string) (map[string]plan.Memo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.nudges[run]; c != nil {
		close(c)
		f.nudges[run] = nil
	}
	return nil, nil
}

// trace is when the steps of the plan were under way, and how many of them acted more than once.
func (f *fake) trace() (spans []ideal.Span, twice int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.plan.Steps {
		span := f.spans[s.ID]
		if span == nil || span.Ended == 0 {
			return nil, 0, fmt.Errorf("step %s was not carried out", s.ID)
		}
		if f.sent[s.ID] > 1 {
			twice++
		}
		spans = append(spans, *span)
	}
	return spans, twice, nil
}
