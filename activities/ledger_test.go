package activities

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

func request(workflow string) plan.LockRequest {
	return plan.LockRequest{Lab: "home", Scopes: []string{ledger.LabScope}, Workflow: workflow, FirstRun: workflow + "-1", Runbook: "power-down", By: "ann"}
}

func takeLocks(t *testing.T, a *Activities, r plan.LockRequest) error {
	t.Helper()
	env := newEnv()
	env.RegisterActivity(a.TakeLocks)
	_, err := env.ExecuteActivity(a.TakeLocks, r)
	return err
}

func TestLocks(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	require.NoError(t, takeLocks(t, a, request("run-1")))
	require.NoError(t, takeLocks(t, a, request("run-1")), "again is fine")

	err := takeLocks(t, a, request("run-2"))
	requireType(t, err, Locked)
	require.ErrorContains(t, err, "run-1")

	env := newEnv()
	env.RegisterActivity(a.ReleaseLocks)
	_, err = env.ExecuteActivity(a.ReleaseLocks, request("run-1"))
	require.NoError(t, err)
	require.NoError(t, takeLocks(t, a, request("run-2")))
}

// freedOnce gives a lock back as soon as somebody was told that it is taken.
type freedOnce struct {
	worldLedger
	lock    ledger.Change
	refused int
}

func (f *freedOnce) change(ctx context.Context, lab string, c ledger.Change) error {
	err := f.worldLedger.change(ctx, lab, c)
	if err != nil {
		f.refused++
		return errors.Join(err, f.worldLedger.change(ctx, lab, f.lock))
	}
	return err
}

func TestWaitingForALock(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	require.NoError(t, takeLocks(t, a, request("run-1")))
	h := holder(request("run-1"))
	a.ledger = &freedOnce{worldLedger: worldLedger{w}, lock: ledger.Change{Release: &h}}
	r := request("run-2")
	r.Wait = true
	require.NoError(t, takeLocks(t, a, r))
	require.Equal(t, 1, a.ledger.(*freedOnce).refused)
}

// A leavingRun gives its lock back and ends just when it is asked whether it has ended.
type leavingRun struct {
	worldLedger
	asked int
}

func (l *leavingRun) ended(ctx context.Context, h ledger.Holder) (bool, error) {
	l.asked++
	return true, l.change(ctx, "home", ledger.Change{Release: &h})
}

func TestALockThatIsGivenBackInTheLastMomentIsNoOrphan(t *testing.T) {
	for _, wait := range []bool{false, true} {
		w := newWorld()
		a := newActivities(w)
		require.NoError(t, takeLocks(t, a, request("run-1")))
		l := &leavingRun{worldLedger: worldLedger{w}}
		a.ledger = l
		r := request("run-2")
		r.Wait = wait
		require.NoError(t, takeLocks(t, a, r))
		require.Equal(t, 1, l.asked)
		require.Equal(t, "run-2", w.book.Locks[0].Holder.Workflow)
	}
}

// The ledger's memory may be long, and every run would have it in its history.
func TestARunReadsNoMemory(t *testing.T) {
	w := newWorld()
	w.book.Memory, w.book.Acts = []plan.RememberedGuest{{Name: "web01"}}, []ledger.Act{{What: "x"}}
	w.book.Debts, w.book.Hold = []plan.Debt{{ID: "d"}}, &ledger.Hold{By: "ann"}
	a := newActivities(w)
	env := newEnv()
	env.RegisterActivity(a.ReadLedger)
	v, err := env.ExecuteActivity(a.ReadLedger, "home")
	require.NoError(t, err)
	var got ledger.State
	require.NoError(t, v.Get(&got))
	require.Equal(t, ledger.State{Lab: "home", Debts: w.book.Debts, Hold: w.book.Hold}, got)
	require.Len(t, w.book.Memory, 1)
}

func TestAnOrphanIsNamedAndNotWaitedFor(t *testing.T) {
	a := newActivities(newWorld())
	require.NoError(t, takeLocks(t, a, request("orphan")))
	r := request("run-2")
	r.Wait = true
	env := stopped() // who waits all the same is told to go home
	env.RegisterActivity(a.TakeLocks)
	_, err := env.ExecuteActivity(a.TakeLocks, r)
	requireType(t, err, Locked)
	require.ErrorContains(t, err, "nightshift unlock orphan --reason")
	var lock ledger.Lock
	var orphan bool
	require.NoError(t, errors.Unwrap(err).(*temporal.ApplicationError).Details(&lock, &orphan)) //nolint:errorlint // as requireType has found it
	require.True(t, orphan, "a scheduled run must not be skipped for it night after night")
}

func TestMemory(t *testing.T) {
	w := newWorld()
	w.book.Memory = nil
	a := newActivities(w)
	c := plan.Call{Run: "run-1", Lab: "home", Params: plan.Encode(plan.RememberParams{Guests: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "u1", Name: "web01"}}})}
	for range 2 {
		_, err := attemptOf(t, a, plan.RememberRunning, c, nil)
		require.NoError(t, err)
	}
	require.Len(t, w.book.Memory, 1)
	require.Equal(t, "run-1", w.book.Memory[0].Run)
}

// A power-up that is aborted half-way forgets what it has started and nothing else.
func TestOnlyWhatRunsAgainIsForgotten(t *testing.T) {
	there := plan.RememberedGuest{Endpoint: "vc1", UUID: "U-GUEST", Name: "web01", Ref: "vm-1"}
	for name, tc := range map[string]struct {
		power  string
		change func(*plan.RememberedGuest)
		left   int
	}{
		"runs":    {power: live.PoweredOn},
		"off":     {power: live.PoweredOff, left: 1},
		"another": {power: live.PoweredOn, change: func(g *plan.RememberedGuest) { g.UUID = "u-other" }, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.guest.Power = tc.power
			g := there
			if tc.change != nil {
				tc.change(&g)
			}
			w.book.Memory = []plan.RememberedGuest{g}
			c := plan.Call{Run: "run-2", Lab: "home", Params: plan.Encode(plan.RememberParams{Guests: w.book.Memory})}
			_, err := attemptOf(t, newActivities(w), plan.ForgetRunning, c, nil)
			require.NoError(t, err)
			require.Len(t, w.book.Memory, tc.left)
		})
	}
	w := newWorld()
	w.book.Memory = []plan.RememberedGuest{there}
	w.readErr = fault.As(fault.Unreachable, errors.New("no answer"))
	_, err := attemptOf(t, newActivities(w), plan.ForgetRunning, plan.Call{Lab: "home", Params: plan.Encode(plan.RememberParams{Guests: w.book.Memory})}, nil)
	requireType(t, err, Transient)
	require.Len(t, w.book.Memory, 1)
}

// Of a guest whose host the vCenter does not reach nobody knows whether it runs: it is looked at again for a while.
func TestAGuestOutOfSightIsLookedAtAgain(t *testing.T) {
	for name, left := range map[string]int{"for a moment": 0, "for good": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.guest.Power, w.guest.Connection = "unknown", live.Disconnected
			w.book.Memory = []plan.RememberedGuest{{Endpoint: "vc1", UUID: "U-GUEST", Name: "web01", Ref: "vm-1"}}
			a := newActivities(w)
			a.settle = 50 * time.Millisecond
			reads := 0
			w.onGuest = func() {
				if reads++; reads == 3 && left == 0 {
					w.guest.Power, w.guest.Connection = live.PoweredOn, live.Connected
				}
			}
			_, err := attemptOf(t, a, plan.ForgetRunning, plan.Call{Lab: "home", Params: plan.Encode(plan.RememberParams{Guests: w.book.Memory})}, nil)
			require.NoError(t, err)
			require.Len(t, w.book.Memory, left)
		})
	}
}

// A vCenter that hangs at the login must not look like a worker that died.
func TestForgetBeatsWhileItLogsIn(t *testing.T) {
	w := newWorld()
	w.book.Memory = []plan.RememberedGuest{{Endpoint: "vc1", UUID: "U-GUEST", Name: "web01", Ref: "vm-1"}}
	a, env, beat := newActivities(w), newEnv(), make(chan struct{})
	var once sync.Once
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { once.Do(func() { close(beat) }) })
	dial := a.clients.dialVC
	a.clients.dialVC = func(ctx context.Context, r endpoint.Resolved) (vcenter, error) {
		select {
		case <-beat:
			return dial(ctx, r)
		case <-time.After(10 * time.Second):
			return nil, errors.New("no heartbeat")
		}
	}
	_, err := attemptIn(t, env, a, plan.ForgetRunning, plan.Call{Lab: "home", Params: plan.Encode(plan.RememberParams{Guests: w.book.Memory})}, nil)
	require.NoError(t, err)
	require.Empty(t, w.book.Memory)
}

func TestLedgerErrors(t *testing.T) {
	lock := ledger.Lock{Scope: "lab", Holder: ledger.Holder{Workflow: "run-1"}}
	taken := new(ledger.Conflict)
	require.ErrorAs(t, ledgerError("change", "home", temporal.NewNonRetryableApplicationError("taken", Locked, nil, lock)), &taken)
	require.Equal(t, lock, taken.Lock)
	require.ErrorIs(t, ledgerError("change", "home", temporal.NewNonRetryableApplicationError("no", "Refused", nil)), fault.State)
	require.ErrorIs(t, ledgerError("change", "home", serviceerror.NewUnavailable("away")), fault.Unreachable)
	require.ErrorIs(t, ledgerError("read", "home", errors.New("?")), fault.Unreachable)
	require.NoError(t, ledgerError("read", "home", nil))
}
