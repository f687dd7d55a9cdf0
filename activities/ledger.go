package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// ledgerSystem is the ledger of a lab, from outside.
type ledgerSystem interface {
	// change makes the change, or answers a *ledger.Conflict or another reason why not. Every change may be repeated.
	change(ctx context.Context, lab string, c ledger.Change) error
	// read answers an empty ledger where there is none yet.
	read(ctx context.Context, lab string) (ledger.State, error)
	// ended tells of the run that holds a lock whether it ended without giving it back.
	ended(ctx context.Context, h ledger.Holder) (bool, error)
}

// ledgerClient is the ledger as activities need it: no call outlives their worker, and errors have their kind.
type ledgerClient struct {
	temporal client.Client
	changes  chan struct{} // a place for each change that is on its way
}

// ledgerChanges is how many changes of the ledger a worker has on their way: Temporal refuses more than ten of a workflow at a
// time, and 64 hosts enter maintenance mode at once.
const ledgerChanges = 8

func newLedgerClient(c client.Client) *ledgerClient {
	return &ledgerClient{temporal: c, changes: make(chan struct{}, ledgerChanges)}
}

// stopGrace is how long the ledger has for an answer when this process ends. Its workflow runs in this process, too:
// once the worker stops, nobody answers any more, and every change may be sent again.
const stopGrace = 2 * time.Second

// untilStop ends the context soon after the worker begins to stop.
func untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	if !activity.IsActivity(ctx) {
		return context.WithCancel(ctx)
	}
	stop := activity.GetWorkerStopChannel(ctx)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stop:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(stopGrace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (l *ledgerClient) change(ctx context.Context, lab string, c ledger.Change) error {
	ctx, cancel := untilStop(ctx)
	defer cancel()
	select {
	case l.changes <- struct{}{}:
	case <-ctx.Done():
		return ledgerError("change", lab, ctx.Err())
	}
	defer func() { <-l.changes }()
	return ledgerError("change", lab, LedgerClient{l.temporal}.Change(ctx, lab, c))
}

func (l *ledgerClient) read(ctx context.Context, lab string) (ledger.State, error) {
	ctx, cancel := untilStop(ctx)
	defer cancel()
	st, err := LedgerClient{l.temporal}.State(ctx, lab)
	return st, ledgerError("read", lab, err)
}

// ended: a run that is closed, or whose workflow id belongs to another chain of runs now.
func (l *ledgerClient) ended(ctx context.Context, h ledger.Holder) (bool, error) {
	d, err := l.temporal.DescribeWorkflowExecution(ctx, h.Workflow, "")
	none := new(serviceerror.NotFound)
	if errors.As(err, &none) {
		return true, nil
	}
	if err != nil {
		return false, ledgerError("describe run "+h.Workflow+" for", "", err)
	}
	info := d.GetWorkflowExecutionInfo()
	return info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING || h.FirstRun != "" && info.GetFirstRunId() != h.FirstRun, nil
}

// ledgerError gives an error its kind. What the ledger refuses is an application error, a lock with the lock as detail.
func ledgerError(verb, lab string, err error) error {
	if err == nil {
		return nil
	}
	app := new(temporal.ApplicationError)
	if !errors.As(err, &app) {
		return fault.As(fault.Unreachable, fmt.Errorf("%s the ledger %s: %w", verb, lab, err))
	}
	var lock ledger.Lock
	if app.Type() == Locked && app.HasDetails() && app.Details(&lock) == nil {
		return &ledger.Conflict{Lock: lock}
	}
	return fault.As(fault.State, fmt.Errorf("the ledger of lab %s refuses: %s", lab, app.Message()))
}

// RememberRunning writes down what runs, so that a power-up finds it. Again is fine: the first entry stands.
func (a *Activities) RememberRunning(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.RememberParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.RememberRunning, c.Target, err)
	}
	if len(p.Guests) == 0 {
		return plan.Outcome{Note: "no guests"}, nil
	}
	for i := range p.Guests {
		if p.Guests[i].Run == "" {
			p.Guests[i].Run = c.Run
		}
	}
	if err := a.ledger.change(ctx, c.Lab, ledger.Change{Remember: p.Guests}); err != nil {
		return plan.Outcome{}, classify(plan.RememberRunning, c.Target, err)
	}
	return plan.Outcome{Evidence: words.Count(len(p.Guests), "guest") + " in the ledger", Acted: true}, nil
}

// ForgetRunning strikes out those of the guests that run again. The step runs after an abort too: who was not started
// must still be known to the next power-up.
func (a *Activities) ForgetRunning(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.RememberParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.ForgetRunning, c.Target, err)
	}
	stop := keepBeating(ctx)
	defer stop()
	var back []plan.RememberedGuest
	end := a.soon()
	for _, g := range p.Guests {
		runs, err := a.runsAgain(ctx, g, end)
		if err != nil {
			return plan.Outcome{}, classify(plan.ForgetRunning, c.Target, fmt.Errorf("guest %s: %w", g.Name, err))
		}
		if runs {
			back = append(back, g)
		}
	}
	out := plan.Outcome{Acted: len(back) > 0}
	if left := len(p.Guests) - len(back); left > 0 {
		out.Note = "still remembered, as not running: " + words.Of(left, len(p.Guests), "guest")
	}
	if len(back) == 0 {
		return out, nil
	}
	return out, classify(plan.ForgetRunning, c.Target, a.ledger.change(ctx, c.Lab, ledger.Change{Forget: back}))
}

// runsAgain tells whether the remembered guest was seen powered on. One that is gone, or is another by now, was not. Of one
// whose host the vCenter does not reach it knows nothing: until end it is looked at again.
func (a *Activities) runsAgain(ctx context.Context, g plan.RememberedGuest, end time.Time) (bool, error) {
	for {
		got, err := a.remembered(ctx, g)
		if err != nil || got.Connection != live.Disconnected || !time.Now().Before(end) {
			return err == nil && got.Power == live.PoweredOn && strings.EqualFold(got.UUID, g.UUID), err
		}
		if err := rest(ctx, a.pace.last); err != nil {
			return false, err
		}
	}
}

// remembered reads a guest; an empty one is gone.
func (a *Activities) remembered(ctx context.Context, g plan.RememberedGuest) (live.Guest, error) {
	vc, err := a.clients.vcenter(ctx, g.Endpoint)
	if err != nil {
		return live.Guest{}, err
	}
	got, err := vc.Guest(ctx, g.Ref)
	a.clients.failed(g.Endpoint, vc, err)
	if errors.Is(err, fault.NotFound) {
		return live.Guest{}, nil
	}
	return got, err
}

// ReadLedger answers the ledger of a lab, without its memory, records and acts: they would be in every run's history.
func (a *Activities) ReadLedger(ctx context.Context, lab string) (ledger.State, error) {
	st, err := a.ledger.read(ctx, lab)
	st.Memory, st.Records, st.Acts = nil, nil, nil
	return st, classify(plan.ReadLedger, plan.Target{Kind: plan.Lab, Name: lab}, err)
}
