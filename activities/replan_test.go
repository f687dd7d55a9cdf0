package activities

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// requireReplan: it says why, and has sent nothing.
func requireReplan(t *testing.T, w *world, out plan.Outcome, err error, why string) {
	t.Helper()
	require.NoError(t, err)
	require.Contains(t, out.Replan, why)
	require.False(t, out.Acted)
	require.Nil(t, out.Unclear)
	require.Nil(t, out.Yield)
	require.Empty(t, w.memos)
}

func lost(w *world) {
	w.guest.Connection, w.guest.Power = live.Disconnected, "unknown"
	w.host.Connection, w.bmc.Power = live.NotResponding, live.Off
}

// Two witnesses say that the guest's host is off: a new plan is needed. One is not enough.
func TestAHostThatDiedIsToldAtOnce(t *testing.T) {
	for action, c := range map[plan.Action]plan.Call{
		plan.ShutdownGuest: guestCall(patient), plan.PowerOnGuest: guestCall(plan.ShutdownGuestParams{}),
		plan.CheckGuest: guestCall(plan.ShutdownGuestParams{}),
	} {
		w := newWorld()
		lost(w)
		out, err := attemptOf(t, newActivities(w), action, c, nil)
		requireReplan(t, w, out, err, "host esx21, on which guest web01 ran, is off")
		for name, change := range map[string]func(*world, *Activities){
			"the BMC says On":               func(w *world, _ *Activities) { w.bmc.Power = live.On },
			"the BMC is another's":          func(w *world, _ *Activities) { w.bmc.Serial = "TAG2" },
			"the vCenter sees the host":     func(w *world, _ *Activities) { w.host.Connection = live.Connected },
			"the host is not in the lab":    func(_ *world, a *Activities) { a.lab.Hosts[0].Address = "other.lab" },
			"the host has no BMC":           func(_ *world, a *Activities) { a.lab.Hosts[0].BMC = nil },
			"the BMC does not say just now": func(w *world, _ *Activities) { w.bmc.Power = "" },
		} {
			if action == plan.CheckGuest {
				continue // it waits
			}
			t.Run(string(action)+", "+name, func(t *testing.T) {
				w := newWorld()
				lost(w)
				a := newActivities(w)
				change(w, a)
				_, err := attemptOf(t, a, action, c, nil)
				requireType(t, err, Transient)
			})
		}
	}
	w := newWorld()
	lost(w)
	m := &plan.Memo{Intent: "ShutdownGuest to guest web01", Phase: askTools, At: time.Now(), Answered: true}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(patient), m)
	require.NoError(t, err)
	require.Empty(t, out.Replan, "something was sent")
	require.NotNil(t, out.Unclear)
	require.False(t, out.Unclear.NeverArrived)
	require.Contains(t, out.Unclear.What, "is off")
}

func TestAGuestThatMovedIsPlannedAnew(t *testing.T) {
	p := patient
	p.Host = "host-9"
	w := newWorld()
	out, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	requireReplan(t, w, out, err, "guest web01 is on host esx21.lab now")
	p.Host = "host-1"
	_, err = attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	require.NoError(t, err)
	require.Equal(t, 1, w.count("ShutdownGuest"))

	w = newWorld()
	w.gone = true
	out, err = attemptOf(t, directActivities(w), plan.ShutdownGuest, direct(guestCall(patient)), nil)
	requireReplan(t, w, out, err, "guest web01 is not on host esx21 any more")
	out, err = attemptOf(t, directActivities(w), plan.PowerOnGuest, direct(guestCall(patient)), nil)
	requireReplan(t, w, out, err, "guest web01 is not on host esx21 any more")
}

// Guests that nobody knew of when the plan was made run on the host: they are named, and nothing is sent.
func TestNewcomersOnAHostArePlannedFor(t *testing.T) {
	for _, through := range []string{"", "esx21"} {
		for action, params := range map[plan.Action]any{plan.EnterMaintenance: plan.HostParams{Host: "esx21"}, plan.ShutdownHost: down(time.Minute)} {
			t.Run(string(action)+" "+through, func(t *testing.T) {
				w := newWorld()
				w.host.Maintenance = action == plan.ShutdownHost
				a := newActivities(w)
				if through != "" {
					a = directActivities(w)
				}
				c := hostCall(params)
				c.Target.Direct = through
				w.book.Memory = nil
				out, err := attemptOf(t, a, action, c, nil)
				requireReplan(t, w, out, err, "guests run on host esx21.lab that were not there when the plan was made: web01")
				require.Empty(t, w.events)

				w.guest.VCLS = true // vSphere's own is not planned for
				out, err = attemptOf(t, a, action, c, nil)
				require.Empty(t, out.Replan)
				if action == plan.ShutdownHost {
					requireType(t, err, Precondition)
				}
			})
		}
	}
}

// Those of the plan are off by then: whoever runs on the host all the same has moved there, or was started again, and the
// vCenter would wait for them in vain.
func TestAHostIsEmptiedBeforeItEntersMaintenance(t *testing.T) {
	w := newWorld()
	w.host.Maintenance = false
	out, err := attemptOf(t, newActivities(w), plan.EnterMaintenance, hostCall(plan.HostParams{Host: "esx21"}), nil)
	requireReplan(t, w, out, err, "guests run on host esx21.lab: web01")
	require.Empty(t, w.events)
}

// Nothing is sent about a host that its vCenter has lost. Where its BMC says Off it needs a new plan.
func TestALostHostDoesNotEnterMaintenance(t *testing.T) {
	w := offWorld()
	lost(w)
	w.host.Maintenance = false
	c := hostCall(plan.HostParams{Host: "esx21"})
	out, err := attemptOf(t, newActivities(w), plan.EnterMaintenance, c, nil)
	requireReplan(t, w, out, err, "host esx21.lab is off")
	w.bmc.Power = live.On
	_, err = attemptOf(t, newActivities(w), plan.EnterMaintenance, c, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "what its guests do is unknown")
	require.Empty(t, w.events)
}

// What a person said between the plan and the act counts.
func TestTagsAreReadJustBeforeTheAct(t *testing.T) {
	for action, power := range map[plan.Action]string{plan.ShutdownGuest: live.PoweredOn, plan.PowerOnGuest: live.PoweredOff} {
		w := newWorld()
		w.guest.Power, w.tags = power, []string{"Else", "KeepOn"}
		_, err := attemptOf(t, newActivities(w), action, guestCall(patient), nil)
		requireType(t, err, Unsafe)
		require.ErrorContains(t, err, "bears the tag KeepOn since the plan was made")
		require.Empty(t, w.events)

		w.tags, w.tagErr = nil, fault.As(fault.Unreachable, errors.New("the tag service does not answer"))
		_, err = attemptOf(t, newActivities(w), action, guestCall(patient), nil)
		requireType(t, err, Transient)
		require.Empty(t, w.events, "not known is not untagged")
	}
}

func TestPowerOnOfAKeptGuest(t *testing.T) {
	for name, change := range map[string]func(*world, *Activities){
		"kept": func(_ *world, a *Activities) {
			a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Keep: true}}
		},
		"tagged":       func(w *world, _ *Activities) { w.guest.Tags = []string{"KeepOn"} },
		"a template":   func(w *world, _ *Activities) { w.guest.Template = true },
		"vSphere's":    func(w *world, _ *Activities) { w.guest.VCLS = true },
		"nightshift's": func(_ *world, a *Activities) { a.lab.Self.Guest = "web01" },
	} {
		t.Run(name, func(t *testing.T) {
			for _, through := range []string{"", "esx21"} {
				w := newWorld()
				w.guest.Power = live.PoweredOff
				a := directActivities(w)
				if through == "" {
					a = newActivities(w)
				}
				change(w, a)
				c := guestCall(plan.ShutdownGuestParams{})
				c.Target.Direct = through
				_, err := attemptOf(t, a, plan.PowerOnGuest, c, nil)
				requireType(t, err, Unsafe)
				require.Empty(t, w.events)
			}
		})
	}
}
