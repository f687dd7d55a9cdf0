package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

func requireType(t *testing.T, err error, name string) {
	t.Helper()
	app := new(temporal.ApplicationError)
	require.ErrorAs(t, err, &app)
	require.Equal(t, name, app.Type(), app.Message())
	require.Equal(t, name != Transient, app.NonRetryable())
}

var patient = plan.ShutdownGuestParams{Method: "shutdown", Timeout: within(time.Minute), OnTimeout: "leave", NoTools: "leave"}

func TestAlreadyThereSendsNothing(t *testing.T) {
	w := newWorld()
	w.guest.Power = live.PoweredOff
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Note: "was already off", Evidence: "off"}, out)
	require.Empty(t, w.events)
}

func TestTheIntentIsWrittenBeforeTheCall(t *testing.T) {
	w := newWorld()
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Evidence: "off", Acted: true}, out)
	require.Equal(t, []string{"memo shutdown", "sending ShutdownGuest", "ShutdownGuest", "memo shutdown"}, w.events)
	require.False(t, w.memos[0].Answered)
	require.True(t, w.memos[1].Answered)
}

func TestNothingIsSentWhereTheIntentCannotBeWritten(t *testing.T) {
	for name, refusal := range map[string]error{
		"server away":                 serviceerror.NewUnavailable("away"),
		"another attempt took over":   serviceerror.NewNotFound("activity not found"),
		"the step was cancelled":      temporal.NewCanceledError(),
		"the memo is refused by rule": serviceerror.NewInvalidArgument("too large"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.record = func() error { return refusal }
			out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
			if err != nil {
				requireType(t, err, Transient)
			} else {
				require.NotNil(t, out.Yield)
				require.False(t, out.Yield.Sent())
				require.False(t, out.Acted)
			}
			require.Empty(t, w.events)
		})
	}
}

// A slowGuest is off at the last of some looks.
type slowGuest struct {
	*world
	looks int
}

func (s *slowGuest) Guest(ctx context.Context, ref string) (live.Guest, error) {
	s.mu.Lock()
	if s.looks--; s.looks == 0 {
		s.guest.Power = live.PoweredOff
	}
	s.mu.Unlock()
	return s.world.Guest(ctx, ref)
}

// An attempt with a memo waits for the call of the memo, from wherever the memo comes.
func TestWithAMemoTheCallIsNotSent(t *testing.T) {
	memo := plan.Memo{Intent: "ShutdownGuest to guest web01", Phase: askTools, At: time.Now(), Answered: true}
	for name, give := range map[string]func(*plan.Call) *plan.Memo{
		"of an attempt that died":     func(*plan.Call) *plan.Memo { return &memo },
		"of an activity that yielded": func(c *plan.Call) *plan.Memo { c.Memo = &memo; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c := guestCall(patient)
			heartbeat := give(&c)
			a := newActivities(w)
			a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) { return &slowGuest{world: w, looks: 3}, nil }
			out, err := attemptOf(t, a, plan.ShutdownGuest, c, heartbeat)
			require.NoError(t, err)
			require.Equal(t, plan.Outcome{Evidence: "off", Acted: true}, out)
			require.Zero(t, w.count("ShutdownGuest"))
		})
	}
}

func TestAnUnansweredCall(t *testing.T) {
	memo := func(phase string) *plan.Memo {
		return &plan.Memo{Intent: phase + " to web01", Phase: phase, At: time.Now(), Tasks: []string{"task-old"}}
	}
	old := vsphere.TaskInfo{Ref: "task-old", Name: "VirtualMachine.powerOff"}
	for name, c := range map[string]struct {
		phase   string
		tasks   []vsphere.TaskInfo
		unclear bool // else done
		never   bool
	}{
		"harmless twice":          {phase: askTools, unclear: true, never: true},
		"no task of it":           {phase: powerOff, tasks: []vsphere.TaskInfo{old}, unclear: true, never: true},
		"a task that may be its":  {phase: powerOff, tasks: []vsphere.TaskInfo{old, {Ref: "task-new", Name: "VirtualMachine.reconfigure"}}, unclear: true},
		"its task, which goes on": {phase: powerOff, tasks: []vsphere.TaskInfo{old, {Ref: "task-new", Name: "VirtualMachine.powerOff"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.tasks = c.tasks
			m := memo(c.phase)
			if !c.never && c.unclear {
				m.At = m.At.Add(-powerOffLimit) // its time is over as well
			}
			if !c.unclear {
				w.record = func() error { // the task was found; now it ends
					w.guest.Power = live.PoweredOff
					return nil
				}
			}
			out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), m)
			require.NoError(t, err)
			require.Zero(t, w.count("PowerOffGuest")+w.count("ShutdownGuest"))
			if !c.unclear {
				require.Nil(t, out.Unclear)
				require.Equal(t, "task-new", w.memos[0].Task)
				return
			}
			require.NotNil(t, out.Unclear)
			require.Equal(t, c.never, out.Unclear.NeverArrived, out.Unclear.Evidence)
			require.Equal(t, c.phase, out.Unclear.Memo.Phase)
		})
	}
}

func TestALostAnswerIsWaitedFor(t *testing.T) {
	w := newWorld()
	w.react["ShutdownGuest"] = func() error {
		w.guest.Power = live.PoweredOff
		return fault.As(fault.Unreachable, errors.New("connection reset"))
	}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.Equal(t, 1, w.count("ShutdownGuest"))
}

func TestACleanNoIsAFailure(t *testing.T) {
	for kind, name := range map[error]string{fault.State: Precondition, fault.Permission: Permission, fault.Unsupported: Precondition} {
		w := newWorld()
		w.react["ShutdownGuest"] = func() error { return fault.As(kind, errors.New("no")) }
		_, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
		requireType(t, err, name)
		require.Equal(t, 1, w.count("ShutdownGuest"))
	}
}

// A failed task is final, whatever its fault: what it says cannot change any more.
func TestAFailedTaskIsAFailure(t *testing.T) {
	w := newWorld()
	w.tasks = []vsphere.TaskInfo{{Ref: "task-9", Name: "VirtualMachine.powerOff", State: vsphere.TaskError, Err: errors.New("disk full")}}
	m := &plan.Memo{Intent: "PowerOff", Phase: powerOff, At: time.Now(), Task: "task-9", Answered: true}
	_, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), m)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "disk full")
}

func TestAChangedIdentityIsUnsafe(t *testing.T) {
	for name, change := range map[string]func(*live.Guest){
		"ref":  func(g *live.Guest) { g.Ref = "vm-2" },
		"name": func(g *live.Guest) { g.Name = "web02" },
		"uuid": func(g *live.Guest) { g.UUID = "u-other" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			change(&w.guest)
			_, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
			requireType(t, err, Unsafe)
			require.Empty(t, w.events)
		})
	}
}

// stubborn guests ignore the request; the policy pulls the plug.
func stubborn(limit time.Duration) (*world, plan.ShutdownGuestParams) {
	w := newWorld()
	w.react["ShutdownGuest"] = func() error { return nil }
	return w, plan.ShutdownGuestParams{Method: "shutdown", Timeout: within(limit), OnTimeout: "powerOff", NoTools: "leave"}
}

func TestEscalation(t *testing.T) {
	w, p := stubborn(15 * time.Millisecond)
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Note: "the power-off of guest web01 was sent, as the shutdown of guest web01 had no effect", Evidence: "off", Acted: true}, out)
	last := w.memos[len(w.memos)-1]
	require.Equal(t, powerOff, last.Phase)
	require.Equal(t, []string{"the shutdown of guest web01"}, last.Earlier)
	require.Equal(t, 1, w.count("ShutdownGuest"))
	require.Equal(t, 1, w.count("PowerOffGuest"))
}

// crashEverywhere runs a step to its end again and again. Each time the process dies at another event, and what is left
// on the server goes to the next attempt. An attempt never sends the call of its memo. Where a step ends unclear, the
// executor's rule applies: with NeverArrived it is done again, by a recorded decision.
func crashEverywhere(t *testing.T, action plan.Action, c plan.Call, begin func() *world, end func(w *world, at, decisions int)) {
	t.Helper()
	for at := 1; ; at++ {
		w := begin()
		w.crashAt = at
		a, c := newActivities(w), c
		decisions, crashed := 0, false
		var memo *plan.Memo
		for attempt := 1; ; attempt++ {
			require.Less(t, attempt, 6, "event %d: no end", at)
			n := len(w.events)
			out, err := attemptOf(t, a, action, c, memo)
			if sends := map[string]string{askTools: "ShutdownGuest", powerOff: "PowerOffGuest", viaVCenter: "ShutdownHost"}; memo.Sent() && sends[memo.Phase] != "" && len(w.events) > n {
				require.NotContains(t, w.events[n:], "sending "+sends[memo.Phase], "event %d: sent by an attempt that has a memo of it", at)
			}
			if err != nil {
				require.ErrorContains(t, err, errCrash.Error())
				crashed = true
				if n := len(w.memos); n > 0 {
					memo = &w.memos[n-1]
				}
				continue
			}
			if out.Unclear == nil {
				break
			}
			require.True(t, out.Unclear.NeverArrived, "event %d: %+v", at, out.Unclear)
			decisions++
			memo, c.Decision, c.Before = nil, c.Decision+1, &out.Unclear.Memo
		}
		end(w, at, decisions)
		if !crashed {
			require.Greater(t, at, 4, "the step has fewer events than thought")
			return
		}
	}
}

func TestEscalationSurvivesACrashAtEveryEvent(t *testing.T) {
	_, p := stubborn(30 * time.Millisecond)
	begin := func() *world { w, _ := stubborn(0); return w }
	crashEverywhere(t, plan.ShutdownGuest, guestCall(p), begin, func(w *world, at, decisions int) {
		require.Equal(t, live.PoweredOff, w.guest.Power)
		require.Equal(t, 1, w.count("PowerOffGuest"), "event %d", at)
		require.LessOrEqual(t, w.count("ShutdownGuest"), 1+decisions, "event %d", at)
		require.GreaterOrEqual(t, w.count("ShutdownGuest"), 1, "event %d: a guest that was never asked lost its power", at)
	})
}

func TestYield(t *testing.T) {
	for name, leave := range map[string]func(a *Activities, stop chan struct{}){
		"nudge":       func(a *Activities, _ chan struct{}) { a.hub.nudge(runID) },
		"worker stop": func(_ *Activities, stop chan struct{}) { close(stop) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			a := newActivities(w)
			env, stop := newEnv(), make(chan struct{})
			env.SetWorkerStopChannel(stop)
			w.react["ShutdownGuest"] = func() error { leave(a, stop); return nil } // the call on the wire is finished first
			out, err := attemptIn(t, env, a, plan.ShutdownGuest, guestCall(patient), nil)
			require.NoError(t, err)
			require.True(t, out.Acted)
			require.NotNil(t, out.Yield)
			require.Equal(t, askTools, out.Yield.Phase)
			require.True(t, out.Yield.Answered)

			c := guestCall(patient)
			c.Memo = out.Yield
			w.guest.Power = live.PoweredOff
			out, err = attemptOf(t, a, plan.ShutdownGuest, c, nil)
			require.NoError(t, err)
			require.Equal(t, plan.Outcome{Evidence: "off", Acted: true}, out)
			require.Equal(t, 1, w.count("ShutdownGuest"))
		})
	}
}

// runID is that of the test suite's workflow.
const runID = "default-test-run-id"

func TestCancelIsHeardWithAHeartbeatAndYields(t *testing.T) {
	w := newWorld()
	w.react["ShutdownGuest"] = func() error {
		w.record = func() error { return temporal.NewCanceledError() }
		return nil
	}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Yield)
	require.True(t, out.Yield.Answered)
}

func TestAnUnreachableVCenterDecidesNothing(t *testing.T) {
	w, p := stubborn(time.Millisecond)
	w.react["ShutdownGuest"] = func() error {
		w.readErr = fault.As(fault.Unreachable, errors.New("no route"))
		return nil
	}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.False(t, out.Unclear.NeverArrived)
	require.Zero(t, w.count("PowerOffGuest"), "the plug was pulled on an old picture")
}

// The run is told whether a step that failed has sent anything.
func TestAFailedStepSaysThatItSentNothing(t *testing.T) {
	says := func(err error) bool {
		app, what := new(temporal.ApplicationError), ""
		require.ErrorAs(t, err, &app)
		return app.HasDetails() && app.Details(&what) == nil && what == plan.NothingSent
	}
	w := newWorld()
	w.guest.Question = &live.Question{Text: "moved or copied?"}
	_, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), nil)
	requireType(t, err, Precondition)
	require.True(t, says(err))

	w, p := stubborn(15 * time.Millisecond)
	p.OnTimeout = "leave"
	_, err = attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	requireType(t, err, Precondition)
	require.False(t, says(err), "it was asked to shut down")
}
