package worker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// yielders are steps that wait until they are called back: what acts yields its memo then, what only waits leaves without a
// word, as the real ones do. Called again, they are done.
type yielders struct {
	mu     sync.Mutex
	leave  chan struct{}
	begun  map[string]int
	memos  map[string]*plan.Memo // with which each began last
	inLab  chan struct{}         // closed when all steps are under way
	hold   chan struct{}         // steps that were called again end when it is closed; nil: at once
	wanted int
}

func newYielders(steps int) *yielders {
	return &yielders{leave: make(chan struct{}), begun: map[string]int{}, memos: map[string]*plan.Memo{}, inLab: make(chan struct{}), wanted: steps}
}

func (y *yielders) step(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	y.mu.Lock()
	y.begun[c.Step]++
	y.memos[c.Step] = c.Memo
	again, leave := y.begun[c.Step] > 1, y.leave
	if len(y.begun) == y.wanted && !again && y.inLab != nil {
		close(y.inLab)
		y.inLab = nil
	}
	y.mu.Unlock()
	if again {
		if y.hold != nil {
			<-y.hold
		}
		return plan.Outcome{Acted: true}, nil
	}
	for tick := time.NewTicker(time.Second); ; {
		activity.RecordHeartbeat(ctx, plan.Memo{Intent: c.Title, Phase: "act", At: time.Now().UTC()})
		select {
		case <-leave:
			tick.Stop()
			if (plan.Step{Action: plan.Action(activity.GetInfo(ctx).ActivityType.Name)}).Waits() {
				return plan.Outcome{}, activity.ErrResultPending
			}
			return plan.Outcome{Acted: true, Yield: &plan.Memo{Intent: c.Title, Phase: "act", At: time.Now().UTC()}}, nil
		case <-tick.C:
		}
	}
}

func (y *yielders) nudge(context.Context, string) (map[string]*plan.Memo, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	close(y.leave)
	y.leave = make(chan struct{})
	return nil, nil
}

// work starts a worker for the steps of p, or one that runs workflows only.
func (y *yielders) work(t *testing.T, c client.Client, p plan.Plan, steps bool) worker.Worker {
	t.Helper()
	o := Options()
	o.DisableWorkflowWorker = steps
	o.LocalActivityWorkerOnly = !steps
	o.WorkerStopTimeout = time.Second
	w := worker.New(c, plan.TaskQueue("home"), o)
	if !steps {
		RegisterWorkflows(w)
	}
	register := func(name string, f any) { w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	packed, err := p.Pack()
	require.NoError(t, err)
	register(plan.MakePlan, func(_ context.Context, r plan.Request) (plan.Reply, error) {
		return plan.Reply{Title: p.Title, Hash: p.Hash(), Steps: len(p.Steps), Packed: packed, Settings: plan.Settings{OnFailure: plan.Ask, BlockedDeadline: plan.Duration(time.Hour)}}, nil
	})
	register(plan.TakeLocks, func(context.Context, plan.LockRequest) error { return nil })
	register(plan.ReleaseLocks, func(context.Context, plan.LockRequest) error { return nil })
	register(plan.ReadLedger, func(context.Context, string) (ledger.State, error) { return ledger.State{}, nil })
	register(plan.Nudge, y.nudge)
	register(plan.WantedNotices, func(context.Context, string) ([]runapi.Event, error) { return nil, nil })
	for _, a := range plan.Actions() {
		register(string(a), y.step)
	}
	require.NoError(t, w.Start())
	return w
}

func step(id string, action plan.Action, always bool) plan.Step {
	return plan.Step{ID: id, Title: "do " + id, Action: action, Target: plan.Target{Kind: plan.Lab, Name: "home"}, Timeout: plan.Duration(time.Hour), Always: always}
}

// requireNoFailedTask fails when a workflow task of the run did: it would be tried again for ever.
func requireNoFailedTask(t *testing.T, c client.Client, run client.WorkflowRun) {
	t.Helper()
	for _, e := range events(t, c, run) {
		if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil && a.GetCause() != enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND {
			require.Fail(t, "a workflow task failed", a.GetFailure().GetMessage())
		}
	}
}

// give gives an order to the run.
func give(t *testing.T, c client.Client, verb string) {
	t.Helper()
	h, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: "down", UpdateName: verb,
		Args: []any{runapi.Order{By: "ann@desk", Reason: "enough"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(t, err)
	require.NoError(t, h.Get(t.Context(), nil))
}

// events are those of a run's history.
func events(t *testing.T, c client.Client, run client.WorkflowRun) (list []*history.HistoryEvent) {
	t.Helper()
	it := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// A run that ends early calls its steps back, and begins again those that always run. It must come to its end, and answer.
func TestStepsThatAreCalledBackGoOnInTheSameRun(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: []plan.Step{
		step("settle", plan.SettleDebt, true), step("on", plan.PowerOnGuest, false), step("check", plan.CheckGuest, false)}}
	for name, end := range map[string]func(*testing.T, client.Client){
		"cancelled": func(t *testing.T, c client.Client) { require.NoError(t, c.CancelWorkflow(t.Context(), "down", "")) },
		"aborted":   func(t *testing.T, c client.Client) { give(t, c, runapi.Abort) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newEngine(t)
			require.NoError(t, ensureSearchAttributes(t.Context(), c, "default"))
			y := newYielders(len(p.Steps))
			inLab := y.inLab
			for _, steps := range []bool{true, false} {
				w := y.work(t, c, p, steps)
				t.Cleanup(w.Stop)
			}
			run := begin(t, c)
			<-inLab
			end(t, c)
			for ended := false; !ended; { // not through until: a workflow task that fails is the end
				requireNoFailedTask(t, c, run)
				d, err := c.DescribeWorkflowExecution(t.Context(), "down", "")
				require.NoError(t, err)
				ended = d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
			}
			var s runapi.Sheet
			require.NoError(t, run.Get(t.Context(), &s))
			require.Equal(t, []string{runapi.Aborted, "dhu"}, []string{s.Outcome, s.Steps}, "%s %v", s.Why, s.Notes)
			require.True(t, y.memos["settle"].Sent(), "it goes on with what it had sent")
			requireNoFailedTask(t, c, run)
			require.Contains(t, record(t, c, "down", "called-back-"+name), "fresh-ids", "settle has begun again")
		})
	}
}

// A run that is aborted, and then cancelled in the Temporal UI, too, still does what always runs.
func TestAnAbortedRunThatIsCancelledToo(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: []plan.Step{step("settle", plan.SettleDebt, true)}}
	c := newEngine(t)
	require.NoError(t, ensureSearchAttributes(t.Context(), c, "default"))
	y := newYielders(len(p.Steps))
	y.hold = make(chan struct{})
	inLab := y.inLab
	for _, steps := range []bool{true, false} {
		w := y.work(t, c, p, steps)
		t.Cleanup(w.Stop)
	}
	run := begin(t, c)
	<-inLab
	pulse := func() (s string) {
		v, err := c.QueryWorkflow(t.Context(), "down", "", runapi.PulseQuery)
		require.NoError(t, err)
		require.NoError(t, v.Get(&s))
		return s
	}
	before := pulse()
	give(t, c, runapi.Abort)
	require.NotEqual(t, before, pulse(), "the sheet is another")
	until(t, "the step goes on", func() bool {
		y.mu.Lock()
		defer y.mu.Unlock()
		return y.begun["settle"] == 2
	})
	require.NoError(t, c.CancelWorkflow(t.Context(), "down", ""))
	var cancelled, taken bool
	until(t, "the run has heard of it", func() bool {
		for _, e := range events(t, c, run) {
			cancelled = cancelled || e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
			taken = taken || cancelled && e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
		}
		return taken
	})
	close(y.hold)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var s runapi.Sheet
	require.NoError(t, run.Get(ctx, &s))
	require.Equal(t, []string{runapi.Aborted, "d"}, []string{s.Outcome, s.Steps}, "%s %v", s.Why, s.Notes)
	calledBack := 0
	for _, e := range events(t, c, run) {
		if e.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED {
			calledBack++
		}
	}
	require.Equal(t, 1, calledBack, "by the abort, and not again")
}

// Nightshift sleeps while steps are under way in the lab. Awake, it calls them back, looks, and lets them go on.
func TestStepsThatAreCalledBackAfterLostTimeGoOn(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: []plan.Step{
		step("off", plan.ShutdownGuest, false), step("check", plan.CheckGuest, false)}}
	c := newEngine(t)
	require.NoError(t, ensureSearchAttributes(t.Context(), c, "default"))
	y := newYielders(len(p.Steps))
	inLab := y.inLab
	acts := y.work(t, c, p, true)
	t.Cleanup(acts.Stop)
	w := y.work(t, c, p, false)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "down", TaskQueue: plan.TaskQueue("home")}, plan.PowerDownWorkflow,
		runapi.Params{Lab: "home", Runbook: "power-down", By: "ann@desk", Approved: true, StaleAfter: plan.Duration(3 * time.Second)})
	require.NoError(t, err)
	<-inLab
	w.Stop()
	<-time.After(8 * time.Second) // the time that is lost
	w = y.work(t, c, p, false)
	t.Cleanup(w.Stop)
	sheet := func() (s runapi.Sheet) {
		v, err := c.QueryWorkflow(t.Context(), "down", "", runapi.SheetQuery)
		if err == nil {
			err = v.Get(&s)
		}
		if err != nil { // while a workflow task fails: the history tells why
			requireNoFailedTask(t, c, run)
		}
		return s
	}
	for ended := false; !ended; { // a machine that is busy may be late once more
		var s runapi.Sheet
		until(t, "it has looked, or has ended", func() bool {
			s = sheet()
			ended = s.Outcome != ""
			return ended || s.Stale != "" && s.Replanning == "" || slices.ContainsFunc([]byte(s.Steps), func(b byte) bool { return b == runapi.Blocked })
		})
		require.Zero(t, s.Blocked, s.Notes)
		if s.Stale == "" {
			continue
		}
		h, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: "down", UpdateName: runapi.Resume,
			Args: []any{runapi.Order{By: "ann@desk", Reason: "still wanted"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = h.Get(t.Context(), nil)
		}
		require.True(t, err == nil || strings.Contains(err.Error(), "not paused") || strings.Contains(err.Error(), "completed"), "%v", err)
	}
	require.Equal(t, "dd", sheet().Steps)
	require.True(t, y.memos["off"].Sent())
	require.Greater(t, y.begun["check"], 1)
	requireNoFailedTask(t, c, run)
}
