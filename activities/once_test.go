package activities

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// An actCase is a verb that changes something, and the one call that it sends.
type actCase struct {
	action plan.Action
	call   plan.Call
	begin  func(*world)
	sends  string
}

// actCases has every call that activities send, but those that TestEscalation and its like look at. What may also go
// through a host's own API is there twice.
func actCases() map[string]actCase {
	all := throughVCenter()
	for name, c := range throughVCenter() {
		if c.call.Target.Kind != plan.Cluster && c.action != plan.PowerOnHost && c.action != plan.SuspendSetting && !ofSteps(c.action) {
			c.call = direct(c.call)
			all[name+", direct"] = c
		}
	}
	return all
}

func throughVCenter() map[string]actCase {
	guest := func(p plan.ShutdownGuestParams) plan.Call {
		p.Timeout, p.OnTimeout, p.NoTools = within(30*time.Millisecond), plan.LeaveGuest, plan.LeaveGuest
		return guestCall(p)
	}
	off := func(w *world) { w.guest.Power = live.PoweredOff }
	host := hostCall(plan.HostParams{Host: "esx21"})
	graceful := down(time.Minute)
	graceful.Via = plan.GracefulBMC
	cut := hostCall(down(time.Minute))
	cut.Force = true
	ofGuest := func(params any) plan.Call {
		c := guestCall(plan.ShutdownGuestParams{})
		c.Params = plan.Encode(params)
		return c
	}
	snapshot := plan.SnapshotParams{Name: "CBT off"}
	made := []vsphere.Snapshot{{Ref: "snapshot-1", Name: "CBT off", Description: ours + "step x of run y"}}
	return map[string]actCase{
		"shut down a guest": {plan.ShutdownGuest, guest(plan.ShutdownGuestParams{Method: "shutdown"}), func(*world) {}, "ShutdownGuest"},
		"power off a guest": {plan.ShutdownGuest, guest(plan.ShutdownGuestParams{Method: powerOff}), func(*world) {}, "PowerOffGuest"},
		"suspend a guest":   {plan.ShutdownGuest, guest(plan.ShutdownGuestParams{Method: suspend}), func(*world) {}, "SuspendGuest"},
		"start a guest":     {plan.PowerOnGuest, guest(plan.ShutdownGuestParams{}), off, "PowerOnGuest"},
		"enter maintenance": {plan.EnterMaintenance, host, func(w *world) { off(w); w.host.Maintenance = false }, "EnterMaintenance"},
		"exit maintenance":  {plan.ExitMaintenance, host, func(*world) {}, "ExitMaintenance"},
		"shut down a host":  {plan.ShutdownHost, hostCall(down(time.Minute)), off, "ShutdownHost"},
		"ask the BMC":       {plan.ShutdownHost, hostCall(graceful), off, "Reset GracefulShutdown"},
		"cut the power":     {plan.ShutdownHost, cut, off, "Reset ForceOff"},
		"switch a host on":  {plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"}), func(w *world) { w.bmc.Power = live.Off }, "Reset On"},
		"HA":                {plan.SuspendSetting, clusterCall(plan.HA), func(*world) {}, "SetHA"},
		"DRS":               {plan.SuspendSetting, clusterCall(plan.DRS), func(*world) {}, "SetDRSLevel"},
		"DPM":               {plan.SuspendSetting, clusterCall(plan.DPM), func(*world) {}, "SetDPM"},
		"alarms of a host":  {plan.SuspendSetting, hostCall(plan.SettingParams{Setting: plan.Alarms}), func(*world) {}, "SetAlarmActions host-1"},
		"alarms":            {plan.SuspendSetting, clusterCall(plan.Alarms), func(*world) {}, "SetAlarmActions domain-c1"},
		"vCLS":              {plan.SuspendSetting, clusterCall(plan.VCLS), func(*world) {}, "SetVCLS"},

		"reboot a host":     {plan.RebootHost, hostCall(plan.RebootParams{Host: "esx21", Timeout: within(30 * time.Millisecond)}), off, "RebootHost"},
		"set an option":     {plan.SetHostOption, hostCall(plan.OptionParams{Host: "esx21", Option: "UserVars.X", Value: "1"}), func(*world) {}, "SetHostOption"},
		"CBT off":           {plan.SetChangeTracking, ofGuest(plan.TrackingParams{}), func(w *world) { w.tracked.Enabled = true }, "SetTracking"},
		"CBT on":            {plan.SetChangeTracking, ofGuest(plan.TrackingParams{Enabled: true}), func(*world) {}, "SetTracking"},
		"make a snapshot":   {plan.SnapshotGuest, ofGuest(snapshot), func(*world) {}, "CreateSnapshot"},
		"remove a snapshot": {plan.RemoveSnapshot, ofGuest(snapshot), func(w *world) { w.tracked.Snapshots = slices.Clone(made) }, "RemoveSnapshot"},
		"run in a guest":    {plan.RunInGuest, ofGuest(plan.GuestCommandParams{Run: []string{"/bin/x"}, Timeout: within(time.Minute)}), func(*world) {}, "StartProgram"},
	}
}

// ofSteps tells whether only step runbooks have the action: none of theirs goes to a host itself.
func ofSteps(a plan.Action) bool {
	return slices.Contains([]plan.Action{plan.RebootHost, plan.SetHostOption, plan.SetChangeTracking, plan.SnapshotGuest, plan.RemoveSnapshot, plan.RunInGuest}, a)
}

// blind: after a lost answer, or a restart, nobody can read whether it was carried out.
func (c actCase) blind() bool { return c.action == plan.RunInGuest }

// activities are those that the call needs: of a lab without a vCenter, where it goes to the host itself.
func (c actCase) activities(w *world) *Activities {
	if c.call.Target.Direct != "" {
		return directActivities(w)
	}
	a := newActivities(w)
	if c.blind() {
		a.lab.Guests = append(a.lab.Guests, inventory.Guest{Name: "web01", VCenter: "vc1", Login: &inventory.Login{User: "root", Password: "env:PATH"}})
	}
	return a
}

func (c actCase) world() *world {
	w := newWorld()
	c.begin(w)
	return w
}

// The process dies at every event of every verb, and once the answer is lost: what arrives is never more than what was
// decided. A new decision is taken only with proof that the call did not arrive.
func TestEveryVerbIsSentOnceForADecision(t *testing.T) {
	for name, c := range actCases() {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				w := c.world()
				w.crashAt = at
				decisions := c.toItsEnd(t, w)
				require.LessOrEqual(t, w.count(c.sends), decisions, "event %d: %v", at, w.events)
				if at > len(w.events) {
					require.Equal(t, 1, w.count(c.sends))
					for _, m := range w.memos {
						require.True(t, c.action == plan.ShutdownHost || m.GuestsOff.IsZero(), "nobody saw guests off")
					}
					break
				}
			}
			w, env, stop := c.world(), newEnv(), make(chan struct{})
			env.SetWorkerStopChannel(stop)
			w.react[c.sends] = func() error {
				close(stop) // it looks once more, and yields
				return fault.As(fault.Unreachable, errors.New("connection reset"))
			}
			a := c.activities(w)
			out, err := attemptIn(t, env, a, c.action, c.call, nil)
			require.NoError(t, err)
			if c.blind() {
				require.NotNil(t, out.Unclear)
				require.False(t, out.Unclear.NeverArrived)
				require.Equal(t, 1, w.count(c.sends))
				return
			}
			require.NotNil(t, out.Yield)
			next := c.call
			next.Memo = out.Yield
			_, err = attemptIn(t, stopped(), a, c.action, next, nil)
			require.NoError(t, err)
			require.Equal(t, 1, w.count(c.sends), "the call was sent again after an answer that was lost")
		})
	}
}

// toItsEnd runs the step as the executor does, and counts the decisions to send.
func (c actCase) toItsEnd(t *testing.T, w *world) (decisions int) {
	t.Helper()
	a, call := c.activities(w), c.call
	decisions = 1
	var memo *plan.Memo
	for attempt := 1; attempt < 8; attempt++ {
		out, err := attemptOf(t, a, c.action, call, memo)
		switch {
		case err != nil && c.blind() && memo.Sent():
			require.ErrorContains(t, err, "is not known")
			return decisions // a person's turn
		case err != nil:
			require.ErrorContains(t, err, errCrash.Error())
			if n := len(w.memos); n > 0 {
				last := w.memos[n-1]
				last.At = last.At.Add(-time.Hour) // it takes long until somebody goes on
				memo = &last
			}
		case out.Unclear == nil, !out.Unclear.NeverArrived:
			return decisions // done, or a person's turn
		default:
			decisions++
			memo, call.Decision, call.Before = nil, call.Decision+1, &out.Unclear.Memo
		}
	}
	return decisions
}

// Where the intent is not on the server's disk, nothing is sent: nobody would know of it.
func TestNoIntentNoAct(t *testing.T) {
	for name, c := range actCases() {
		for why, e := range map[string]error{"no answer": serviceerror.NewUnavailable("away"), "given up": serviceerror.NewNotFound("no such activity")} {
			t.Run(name+", "+why, func(t *testing.T) {
				w := c.world()
				w.record = func() error { return e }
				_, _ = attemptOf(t, c.activities(w), c.action, c.call, nil)
				require.Zero(t, w.count("sending "+c.sends))
			})
		}
	}
}

// A step that is to leave sends nothing any more: nobody may be there to hear the answer.
func TestALeavingStepSendsNothing(t *testing.T) {
	for name, c := range actCases() {
		t.Run(name, func(t *testing.T) {
			w := c.world()
			out, err := attemptIn(t, stopped(), c.activities(w), c.action, c.call, nil)
			require.NoError(t, err)
			require.NotNil(t, out.Yield)
			require.False(t, out.Yield.Sent())
			require.Zero(t, w.count(c.sends))
			require.Empty(t, w.memos)
		})
	}
}

// When a step is asked to leave, Temporal does not try it again: what is transient must not end it for good.
func TestAStepThatIsAskedToLeaveYieldsOnATransientError(t *testing.T) {
	away := fault.As(fault.Unreachable, errors.New("away"))
	for name, c := range actCases() {
		for where, hinder := range map[string]func(*world, *Activities){
			"at the login": func(_ *world, a *Activities) {
				a.clients.resolve = func(context.Context, string, inventory.Endpoint, string) (endpoint.Resolved, error) {
					return endpoint.Resolved{}, away
				}
			},
			"at the ledger": func(w *world, a *Activities) { a.ledger = awayLedger{worldLedger{w}, away} },
			"at a read":     func(w *world, _ *Activities) { w.readErr = away },
		} {
			if c.call.Force && where == "at a read" {
				continue // nobody knows what its guests do: refused
			}
			t.Run(name+", "+where, func(t *testing.T) {
				w := c.world()
				a := c.activities(w)
				hinder(w, a)
				out, err := attemptIn(t, stopped(), a, c.action, c.call, nil)
				require.NoError(t, err)
				require.NotNil(t, out.Yield)
				require.False(t, out.Yield.Sent())
				require.Zero(t, w.count(c.sends))
			})
		}
	}
}

// An awayLedger takes no change.
type awayLedger struct {
	worldLedger
	err error
}

func (l awayLedger) change(context.Context, string, ledger.Change) error { return l.err }

// A vCenter that hangs at the login must not look like a worker that died: the attempt beats by then.
func TestAStepBeatsWhileItLogsIn(t *testing.T) {
	c := plan.Call{Run: "run-1", Lab: "home", Target: plan.Target{Name: "vc1", Endpoint: "vc1"}}
	cases := actCases()
	cases["mark"] = actCase{plan.MarkLab, c, func(*world) {}, ""}
	cases["settle"] = actCase{plan.SettleDebt, clusterCall(plan.HA), func(*world) {}, ""}
	cases["check"] = actCase{plan.CheckGuest, guestCall(plan.ShutdownGuestParams{}), func(*world) {}, ""}
	cases["await a host"] = actCase{plan.AwaitHost, hostCall(plan.HostParams{Host: "esx21"}), func(*world) {}, ""}
	cases["await datastores"] = actCase{plan.AwaitDatastores, hostCall(plan.AwaitDatastoresParams{Host: "esx21"}), func(*world) {}, ""}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a, beats, logins := c.activities(c.world()), 0, 0
			dial := a.clients.resolve
			a.clients.resolve = func(ctx context.Context, name string, e inventory.Endpoint, dir string) (endpoint.Resolved, error) {
				logins++
				a.hub.mu.Lock()
				defer a.hub.mu.Unlock()
				if a.hub.runs[runID] != nil {
					beats++
				}
				return dial(ctx, name, e, dir)
			}
			_, _ = attemptIn(t, stopped(), a, c.action, c.call, nil)
			require.Positive(t, logins)
			require.Equal(t, logins, beats)
		})
	}
}

func TestAMemoThatCannotBeReadIsNoPermissionToAct(t *testing.T) {
	for name, c := range actCases() {
		t.Run(name, func(t *testing.T) {
			w, env := c.world(), newEnv()
			env.SetHeartbeatDetails("of another version")
			_, err := attemptIn(t, env, c.activities(w), c.action, c.call, nil)
			requireType(t, err, Unsafe)
			require.Empty(t, w.events)
		})
	}
}
