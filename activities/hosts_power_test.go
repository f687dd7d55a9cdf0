package activities

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

func offWorld() *world {
	w := newWorld()
	w.guest.Power = live.PoweredOff
	return w
}

// hung hosts take the request and stay up, lost to their vCenter.
func hung() *world {
	w := offWorld()
	w.react["ShutdownHost"] = func() error { w.host.Connection = live.NotResponding; return nil }
	return w
}

func down(limit time.Duration) plan.ShutdownHostParams {
	return plan.ShutdownHostParams{Host: "esx21", Via: "vcenter", NoRights: "leave", Timeout: within(limit), OnTimeout: "leave"}
}

func TestShutdownHostIsDoneWhenTheBMCSaysOff(t *testing.T) {
	w := offWorld()
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(time.Minute)), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Evidence: "off (the BMC says Off)", Acted: true}, out)
	require.False(t, w.memos[0].GuestsOff.IsZero())

	out, err = attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(time.Minute)), nil)
	require.NoError(t, err)
	require.Equal(t, "was already off (the BMC says Off)", out.Note)
	require.Equal(t, 1, w.count("ShutdownHost"))
}

// A host that its vCenter does not see any more is not down.
func TestALostHostIsNotDown(t *testing.T) {
	w := hung()
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(15*time.Millisecond)), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.False(t, out.Unclear.NeverArrived)
	require.False(t, out.Unclear.Memo.GuestsOff.IsZero())
	require.Zero(t, w.count("Reset ForceOff"))
}

// Off counts when it was asked for, or when the vCenter lost the host too. The BMC alone may be another machine's.
func TestAnOffThatNobodyAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *plan.Call)
		down   bool
	}{
		"the vCenter lost it":               {func(w *world, _ *plan.Call) { w.host.Connection = live.NotResponding }, true},
		"stands by":                         {func(w *world, _ *plan.Call) { w.host.Power = "standBy" }, true},
		"emptied, and not noticed yet":      {func(w *world, _ *plan.Call) { w.host.Maintenance, w.guest.Power = true, live.PoweredOff }, true},
		"asked by an attempt that is over":  {func(_ *world, c *plan.Call) { c.Before = &plan.Memo{Intent: "ShutdownHost", Phase: viaVCenter} }, true},
		"the vCenter sees it run":           {func(*world, *plan.Call) {}, false},
		"in maintenance mode, with a guest": {func(w *world, _ *plan.Call) { w.host.Maintenance = true }, false},
		"emptied, not in maintenance mode":  {func(w *world, _ *plan.Call) { w.guest.Power = live.PoweredOff }, false},
	} {
		for _, force := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, force %v", name, force), func(t *testing.T) {
				w, call := newWorld(), hostCall(down(time.Minute))
				w.bmc.Power, w.host.Maintenance, call.Force = live.Off, false, force
				c.change(w, &call)
				_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, call, nil)
				if c.down {
					require.NoError(t, err)
				} else {
					requireType(t, err, Transient)
				}
				require.Empty(t, w.events)
			})
		}
	}
}

func TestShutdownHostRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *Activities, *plan.Call)
		fails  string
	}{
		"a guest is on":              {func(w *world, _ *Activities, _ *plan.Call) { w.guest.Power = live.PoweredOn }, Precondition},
		"a guest's state is unknown": {func(w *world, _ *Activities, _ *plan.Call) { w.guest.Power = "unknown" }, Precondition},
		"nightshift runs on it":      {func(w *world, _ *Activities, _ *plan.Call) { w.guest.Name, w.guest.Power = "nuc-vm", live.PoweredOn }, Unsafe},
		"the vCenter runs on it":     {func(w *world, _ *Activities, _ *plan.Call) { w.guest.Name, w.guest.Power = "vcsa", live.PoweredOn }, Unsafe},
		"it is nightshift's host":    {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Self.Host = "esx21" }, Unsafe},
		"it is kept":                 {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].Keep = true }, Unsafe},
		"it is another host":         {func(_ *world, _ *Activities, c *plan.Call) { c.Target.Name = "nuc.lab" }, Unsafe},
		"it has another UUID":        {func(w *world, _ *Activities, _ *plan.Call) { w.host.UUID = "u-other" }, Unsafe},
		"the BMC is another's":       {func(w *world, _ *Activities, _ *plan.Call) { w.bmc.Serial = "TAG2" }, Unsafe},
		"the BMC's UUID differs": {func(w *world, a *Activities, _ *plan.Call) {
			a.lab.Hosts[0].BMC.Serial, w.bmc.UUID = "", "99999999-0037-3510-8051-b7c04f4d3332"
		}, Unsafe},
		"the vCenter lost it":       {func(w *world, _ *Activities, _ *plan.Call) { w.host.Connection = live.NotResponding }, Precondition},
		"it has no BMC":             {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].BMC = nil }, InvalidInput},
		"it is not in the lab file": {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].Name = "esx99" }, Unsafe},
		"its cluster is kept": {func(_ *world, a *Activities, _ *plan.Call) {
			a.lab.Clusters = []inventory.Cluster{{Name: "c1", VCenter: "vc1", Keep: true}}
		}, Unsafe},
		"the BMC says nothing": {func(w *world, _ *Activities, _ *plan.Call) { w.bmc.Power = "" }, Transient},
	} {
		t.Run(name, func(t *testing.T) {
			w := offWorld()
			a, call := newActivities(w), hostCall(down(time.Minute))
			c.change(w, a, &call)
			for _, call.Force = range []bool{false, true} {
				if call.Force && name == "the vCenter lost it" {
					c.fails = Unsafe
				}
				_, err := attemptOf(t, a, plan.ShutdownHost, call, nil)
				requireType(t, err, c.fails)
				require.Empty(t, w.events)
			}
		})
	}
}

func TestForceOffNeedsAllGuestsSeenOff(t *testing.T) {
	p := down(15 * time.Millisecond)
	p.OnTimeout = "forceOff"
	sent := func() *plan.Memo {
		return &plan.Memo{Intent: "ShutdownHost to host esx21.lab", Phase: viaVCenter, At: time.Now(), Answered: true}
	}
	t.Run("seen before the shutdown", func(t *testing.T) {
		w := hung()
		out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), nil)
		require.NoError(t, err)
		require.Nil(t, out.Unclear)
		require.Equal(t, 1, w.count("Reset ForceOff"))
	})
	t.Run("never seen", func(t *testing.T) {
		w := hung()
		w.host.Connection = live.NotResponding
		_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), sent())
		requireType(t, err, Unsafe)
		require.Zero(t, w.count("Reset ForceOff"))
	})
	t.Run("one came back", func(t *testing.T) {
		w := hung()
		w.guest.Power = live.PoweredOn
		m := sent()
		m.GuestsOff = time.Now()
		_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), m)
		requireType(t, err, Precondition)
		require.Zero(t, w.count("Reset ForceOff"))
	})
	t.Run("seen by the attempt that was given up", func(t *testing.T) {
		w := hung()
		w.host.Connection = live.NotResponding
		c := hostCall(p)
		c.Force, c.Decision, c.Before = true, 1, &plan.Memo{GuestsOff: time.Now()}
		_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, c, nil)
		require.NoError(t, err)
		require.Equal(t, 1, w.count("Reset ForceOff"))
	})
}

func TestWithoutRightsTheBMCIsAskedWhereThePolicySaysSo(t *testing.T) {
	for name, no := range map[string]struct {
		err  error
		kind string
	}{
		"not allowed":   {fault.As(fault.Permission, errors.New("ShutdownHost_Task: no")), Permission},
		"not known":     {fault.As(fault.Unsupported, errors.New("ShutdownHost_Task: no")), Precondition},
		"not just now":  {fault.As(fault.State, errors.New("ShutdownHost_Task: no")), ""},
		"not this host": {fault.As(fault.NotFound, errors.New("ShutdownHost_Task: no")), ""},
	} {
		for policy, resets := range map[string]int{"leave": 0, "graceful": 1} {
			t.Run(name+", "+policy, func(t *testing.T) {
				if no.kind == "" {
					resets = 0
				}
				w := offWorld()
				w.react["ShutdownHost"] = func() error { return no.err }
				p := down(time.Minute)
				p.NoRights = policy
				_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), nil)
				require.Equal(t, resets, w.count("Reset GracefulShutdown"))
				switch {
				case resets > 0:
					require.NoError(t, err)
				case no.kind != "":
					requireType(t, err, no.kind)
					require.ErrorContains(t, err, "ShutdownHost_Task: no")
					require.ErrorContains(t, err, "retry` with -p noRights=graceful", "the way out is named")
					a := newActivities(w)
					a.lab.Runbooks = map[string]inventory.Runbook{"power-down": {Approval: true}}
					c := hostCall(p)
					c.Runbook = "power-down"
					_, err = attemptOf(t, a, plan.ShutdownHost, c, nil)
					require.ErrorContains(t, err, "noRights: graceful")
					require.NotContains(t, err.Error(), "-p noRights", "an approved plan is not changed")
				default:
					require.Error(t, err)
					require.NotContains(t, err.Error(), "noRights")
				}
			})
		}
	}
}

// An unanswered ForceOff proves nothing, whatever the BMC shows: only a person may send it again.
func TestAnUnansweredForceOffIsNeverRepeated(t *testing.T) {
	w := offWorld()
	m := &plan.Memo{Intent: "ForceOff", Phase: forceOff, At: time.Now().Add(-forceOffLimit), GuestsOff: time.Now()}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(time.Minute)), m)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.False(t, out.Unclear.NeverArrived)
	require.Zero(t, w.count("Reset ForceOff"))
}

func TestAnUnansweredShutdownOfAHostWithoutATask(t *testing.T) {
	w := offWorld()
	m := &plan.Memo{Intent: "ShutdownHost", Phase: viaVCenter, At: time.Now(), Tasks: []string{"task-1"}}
	w.tasks = []vsphere.TaskInfo{{Ref: "task-1", Name: "HostSystem.enterMaintenanceMode"}}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(time.Minute)), m)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.True(t, out.Unclear.NeverArrived)
	require.Contains(t, out.Unclear.Evidence, "no task of it")
}

func TestShutdownHostSurvivesACrashAtEveryEvent(t *testing.T) {
	begin := func() *world {
		w := offWorld()
		w.tasks = []vsphere.TaskInfo{{Ref: "task-1", Name: "HostSystem.enterMaintenanceMode"}}
		return w
	}
	crashEverywhere(t, plan.ShutdownHost, hostCall(down(time.Minute)), begin, func(w *world, at, _ int) {
		require.Equal(t, live.Off, w.bmc.Power)
		require.Equal(t, 1, w.count("ShutdownHost"), "event %d", at)
	})
}

func TestPowerOnHost(t *testing.T) {
	c := hostCall(plan.PowerOnHostParams{Host: "esx21"})
	w := newWorld()
	out, err := attemptOf(t, newActivities(w), plan.PowerOnHost, c, nil)
	require.NoError(t, err)
	require.Equal(t, "was already on (the BMC says On)", out.Note)
	require.Empty(t, w.events)

	w.bmc.Power = live.Off
	out, err = attemptOf(t, newActivities(w), plan.PowerOnHost, c, nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, 1, w.count("Reset On"))

	w.bmc.Power, w.bmc.Serial = live.Off, "TAG2"
	_, err = attemptOf(t, newActivities(w), plan.PowerOnHost, c, nil)
	requireType(t, err, Unsafe)
	require.Equal(t, 1, w.count("Reset On"))
}

// The vCenter may be off when a host is switched on: what the plan says must fit the lab file by itself.
func TestPowerOnOfAnotherHostThanTheLabFileSays(t *testing.T) {
	w := newWorld()
	w.bmc.Power = live.Off
	c := hostCall(plan.PowerOnHostParams{Host: "esx21"})
	c.Target.Name = "esx22.lab"
	_, err := attemptOf(t, newActivities(w), plan.PowerOnHost, c, nil)
	requireType(t, err, Unsafe)
	require.Empty(t, w.events)
}

// 409 "already on": somebody else pressed the button.
func TestAlreadySoAtTheCall(t *testing.T) {
	w := newWorld()
	w.bmc.Power = live.Off
	w.react["Reset On"] = func() error {
		w.bmc.Power = live.On
		return fault.As(fault.State, errors.New("409 already on"))
	}
	out, err := attemptOf(t, newActivities(w), plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"}), nil)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
}

// A host that may never have been asked to shut down does not lose its power by policy.
func TestAnUnansweredShutdownIsNotFollowedByForce(t *testing.T) {
	w := offWorld()
	p := down(10 * time.Millisecond)
	p.Via, p.OnTimeout = "graceful", "forceOff"
	m := &plan.Memo{Intent: "GracefulShutdown", Phase: graceful, At: time.Now(), GuestsOff: time.Now()}
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), m)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.False(t, out.Unclear.NeverArrived)
	require.Zero(t, w.count("Reset ForceOff"))
}
