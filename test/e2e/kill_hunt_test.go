//go:build e2e

package e2e

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"nightshift/internal/nut/nuttest"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
	"nightshift/test/kinds"
)

// A hunt kills nightshift at the first step of each of some kinds. It asks Temporal which steps are under way.
type hunt struct {
	*rig
	nut *nuttest.Server

	mu       sync.Mutex    // who has it decides whether nightshift lives
	id       string        // of the run
	named    chan struct{} // closed when that is known
	left     []kinds.Kind  // at which nightshift is still to be killed
	temporal client.Client // of the nightshift that lives; nil: it does not, or nobody hunts
	since    time.Time     // when that had begun
	killed   chan struct{} // one for each kill
	lives    atomic.Int64  // how many nightshifts were killed
	down     bool          // the last of them was, and no other has been started
	known    map[string]begun
}

// A begun step is one of which Temporal has been told.
type begun struct {
	step  plan.Step // as far as its activity is told
	id    string    // of the activity
	kind  kinds.Kind
	over  bool // before it could be killed
	fresh bool // it began while the hunt looked on
}

// through goes through a run to its end, which must be good.
func (h *hunt) through(l leg) {
	h.t.Helper()
	calls := len(h.lab.Calls())
	h.attach()
	named := make(chan struct{})
	h.mu.Lock()
	h.named, h.left, h.killed, h.known = named, slices.Clone(l.at), make(chan struct{}, 1), map[string]begun{}
	h.mu.Unlock()
	h.id = h.begin(l.run...)
	close(named)
	for h.next() {
		h.revive()
	}
	rep := h.report(h.id)
	require.Equal(h.t, runapi.Done, rep.Outcome, "%v: %s", l.run, rep.Why)
	require.Empty(h.t, h.left, "%v has no such steps", l.run)
	require.Empty(h.t, kinds.Twice(h.lab.Calls()[calls:], h.steps(), rep.Decisions))
	h.t.Logf("%v: %d steps, %d kills so far, %d decisions", l.run, rep.Counts.Total, h.kills, len(rep.Decisions))
}

// revive starts nightshift again. The hunt goes on as soon as there is somebody to ask, before all of its steps.
func (h *hunt) revive() {
	h.t.Helper()
	h.mu.Lock()
	h.down = false
	h.mu.Unlock()
	h.work("serve", "--port", "0", "--ui-port", "0")
	h.eventually("serve listens", func() bool {
		a, err := statedir.ReadAddress(h.state())
		return err == nil && a.Started.After(h.since) // what the killed one was just starting may hold its lock for a moment yet
	})
}

// next goes on until nightshift was killed, or the run has ended.
func (h *hunt) next() (killed bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), patience)
	defer cancel()
	steps := make(chan begun)
	c := h.attach()
	if c == nil {
		<-h.killed
		return true
	}
	go follow(ctx, c, h.id, steps)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-h.killed:
			return true
		case s := <-steps:
			h.known[s.step.ID] = s
			h.look(ctx)
		case <-tick.C:
			h.look(ctx)
			if n%50 == 0 && h.over(ctx, c) {
				return h.detach()
			}
		case <-ctx.Done():
			require.FailNow(h.t, "neither a step at which to kill nor the end of the run came", "%s: left %v", h.id, h.left)
		}
	}
}

// attach connects to the nightshift that runs now; nil: it was killed, which may be before anybody looks for the run that it began.
func (h *hunt) attach() client.Client {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down || h.temporal != nil {
		return h.temporal
	}
	a, err := statedir.ReadAddress(h.state())
	require.NoError(h.t, err)
	h.temporal, err = client.Dial(client.Options{HostPort: a.Temporal, Namespace: a.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(h.t, err)
	h.since = a.Started
	return h.temporal
}

// detach ends the hunt, and tells whether nightshift was killed at last.
func (h *hunt) detach() (killed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.temporal == nil {
		<-h.killed
		return true
	}
	h.temporal.Close()
	h.temporal = nil
	return false
}

// steps are those of the run, of which the hunt knows what they are about.
func (h *hunt) steps() (all []plan.Step) {
	for _, s := range h.known {
		all = append(all, s.step)
	}
	return all
}

// follow tells of the steps whose activities Temporal is told of, those before it began as well.
func follow(ctx context.Context, c client.Client, run string, steps chan<- begun) {
	var old int64
	if d, err := c.DescribeWorkflowExecution(ctx, run, ""); err == nil {
		old = d.GetWorkflowExecutionInfo().GetHistoryLength()
	}
	events := c.GetWorkflowHistory(ctx, run, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return // nightshift was killed
		}
		a := e.GetActivityTaskScheduledEventAttributes()
		var call plan.Call
		if a == nil || converter.GetDefaultDataConverter().FromPayloads(a.GetInput(), &call) != nil || call.Step == "" {
			continue
		}
		s := plan.Step{ID: call.Step, Action: plan.Action(a.GetActivityType().GetName()), Target: call.Target, Params: call.Params}
		select {
		case steps <- begun{s, a.GetActivityId(), kinds.Of(s), false, e.GetEventId() > old}:
		case <-ctx.Done():
			return
		}
	}
}

// call is one that a system has received, and has not answered yet.
func (h *hunt) call(system, verb string) {
	h.heard(func(k kinds.Kind) bool { return k.Sends(system, verb) })
}

// asks are the requests to what is beside the lab.
var asks = map[string]plan.Action{"/silence": plan.SilenceMonitoring, "/resume": plan.ResumeMonitoring, "/probe": plan.ProbeHTTP}

// asked is the same of a request to what is beside the lab.
func (h *hunt) asked(path string) {
	h.heard(func(k kinds.Kind) bool { return asks[path] == k.Action })
}

// heard kills nightshift where what was received is of a step at which it is to be killed.
func (h *hunt) heard(of func(kinds.Kind) bool) {
	life := h.lives.Load()
	h.mu.Lock()
	defer h.mu.Unlock()
	if named := h.named; named != nil {
		h.mu.Unlock()
		<-named
		h.mu.Lock()
	}
	at := slices.IndexFunc(h.left, of)
	switch {
	case at < 0:
		return
	case h.down || life != h.lives.Load():
		h.t.Logf("killed at %s: its call had arrived by then", h.left[at])
		h.left = slices.Delete(h.left, at, at+1)
		return
	case h.temporal == nil:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, a := range h.underWay(ctx) {
		if a.GetActivityType().GetName() == string(h.left[at].Action) && h.ours(a) {
			h.slay(h.left[at], "its call has arrived")
			return
		}
	}
}

// look kills nightshift where a step is under way that no system is told of.
func (h *hunt) look(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var watched []begun
	for _, s := range h.known {
		if h.temporal != nil && !s.over && unheard(s.kind) && slices.Contains(h.left, s.kind) {
			watched = append(watched, s)
		}
	}
	if len(watched) == 0 {
		return
	}
	acts := h.underWay(ctx)
	for _, s := range watched {
		at := slices.IndexFunc(acts, func(a *workflow.PendingActivityInfo) bool { return a.GetActivityId() == s.id })
		switch {
		case at >= 0 && h.ours(acts[at]):
			h.slay(s.kind, "it is under way")
			return
		case at < 0 && s.fresh:
			h.slay(s.kind, "it was over as soon as it was seen")
			return
		case at < 0:
			s.over = true
			h.known[s.step.ID] = s
		}
	}
}

// unheard are kinds that no system is told of: they read, or go to Temporal only.
func unheard(k kinds.Kind) bool {
	for _, a := range asks {
		if a == k.Action {
			return false
		}
	}
	return len(k.Calls()) == 0
}

// underWay are the activities of the run that Temporal has not heard the end of.
func (h *hunt) underWay(ctx context.Context) []*workflow.PendingActivityInfo {
	d, err := h.temporal.DescribeWorkflowExecution(ctx, h.id, "")
	if err != nil {
		return nil
	}
	return d.GetPendingActivities()
}

// ours tells whether it is the nightshift that lives that does the activity, and not one that was killed.
func (h *hunt) ours(a *workflow.PendingActivityInfo) bool {
	return a.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED && a.GetLastStartedTime().AsTime().After(h.since)
}

// slay is kill -9 at a kind.
func (h *hunt) slay(k kinds.Kind, why string) {
	h.kill()
	h.temporal.Close()
	h.temporal, h.down = nil, true
	h.lives.Add(1)
	h.left = slices.DeleteFunc(h.left, func(o kinds.Kind) bool { return o == k })
	h.t.Logf("killed at %s: %s", k, why)
	h.killed <- struct{}{}
}

// over tells whether the run has ended. What it waits for is answered.
func (h *hunt) over(ctx context.Context, c client.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	v, err := c.QueryWorkflow(ctx, h.id, "", runapi.SheetQuery)
	var s runapi.Sheet
	if err != nil || v.Get(&s) != nil {
		return false // killed just now, or not begun yet
	}
	if s.Stuck() {
		h.answer()
	}
	return s.Outcome != "" && s.Phase == runapi.PhaseEnd
}

// answer says what a person does who has looked: of commands nobody else can tell whether they were carried out.
func (h *hunt) answer() {
	h.t.Helper()
	for _, s := range h.report(h.id).Steps {
		known, told := h.known[s.ID]
		if s.State != report.StateBlocked || !told { // follow is still to tell of it
			continue
		}
		switch known.kind.Action {
		case plan.Confirm:
			_, _ = h.run("confirm", h.id, s.ID)
		case plan.RunCommand, plan.RunInGuest:
			_, _ = h.run("retry", h.id, s.ID, "--reason", "looked")
		default:
			require.FailNow(h.t, "a step is blocked", "%s: %s", s.ID, s.Note)
		}
	}
}
