package activities

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

func (w *world) Datastores(context.Context, string) ([]live.Datastore, error) {
	return []live.Datastore{{Ref: "ds-1", Name: "vmfs1", Accessible: w.host.Connection == live.Connected}}, nil
}

func TestEnterMaintenance(t *testing.T) {
	c := hostCall(plan.HostParams{Host: "esx21"})
	w := offWorld()
	out, err := attemptOf(t, newActivities(w), plan.EnterMaintenance, c, nil)
	require.NoError(t, err)
	require.Equal(t, "was already connected, in maintenance mode", out.Note)
	w.host.Maintenance = false
	out, err = attemptOf(t, newActivities(w), plan.EnterMaintenance, c, nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, 1, w.count("EnterMaintenance"))
	owe, act := slices.Index(w.events, "owe"), slices.Index(w.events, "EnterMaintenance")
	require.True(t, owe >= 0 && owe < act, "a debt before the act, and none for what was so already: %v", w.events)
	require.Equal(t, plan.Maintenance, w.book.Debts[0].Setting)

	_, err = attemptOf(t, newActivities(w), plan.ExitMaintenance, c, nil)
	require.NoError(t, err)
	require.Empty(t, w.book.Debts)
}

func TestAKeptClusterIsLeftAlone(t *testing.T) {
	w := newWorld()
	w.host.Maintenance = false
	a := newActivities(w)
	a.lab.Clusters = []inventory.Cluster{{Name: "c1", VCenter: "vc1", Keep: true}}
	_, err := attemptOf(t, a, plan.EnterMaintenance, hostCall(plan.HostParams{Host: "esx21"}), nil)
	requireType(t, err, Unsafe)
	_, err = attemptOf(t, a, plan.SuspendSetting, clusterCall(plan.HA), nil)
	requireType(t, err, Unsafe)
	require.Empty(t, w.events)
}

func TestWaits(t *testing.T) {
	for action, params := range map[plan.Action]any{
		plan.AwaitHost:       plan.HostParams{Host: "esx21"},
		plan.AwaitDatastores: plan.AwaitDatastoresParams{Host: "esx21", Datastores: []string{"ds-1"}},
	} {
		w := newWorld()
		out, err := attemptOf(t, newActivities(w), action, hostCall(params), nil)
		require.NoError(t, err)
		require.False(t, out.Acted)

		w.host.Connection = live.NotResponding
		_, err = attemptOf(t, newActivities(w), action, hostCall(params), nil)
		requireType(t, err, Precondition)
	}
}

// A wait that yields goes on with the time that is left, not with the whole of it.
func TestAWaitKeepsItsTimeOverAYield(t *testing.T) {
	w := newWorld()
	w.host.Connection = live.NotResponding
	c := hostCall(plan.HostParams{Host: "esx21"})
	out, err := attemptIn(t, stopped(), newActivities(w), plan.AwaitHost, c, nil)
	require.NoError(t, err)
	require.NotNil(t, out.Yield)
	require.False(t, out.Yield.Sent())
	require.False(t, out.Acted)

	c.Memo = out.Yield
	c.Memo.At = c.Memo.At.Add(-time.Hour)
	_, err = attemptIn(t, stopped(), newActivities(w), plan.AwaitHost, c, nil)
	requireType(t, err, Precondition)
}

// A vCenter that has not noticed that a host was off calls it connected before it has booted.
func TestAnOldConnectionProvesNothing(t *testing.T) {
	w := newWorld()
	c := hostCall(plan.HostParams{Host: "esx21", Unnoticed: true})
	out, err := attemptIn(t, stopped(), newActivities(w), plan.AwaitHost, c, nil)
	require.NoError(t, err)
	require.NotNil(t, out.Yield, "it waits")

	c.Memo = out.Yield
	c.Memo.At = c.Memo.At.Add(-believed)
	out, err = attemptIn(t, stopped(), newActivities(w), plan.AwaitHost, c, nil)
	require.NoError(t, err)
	require.Nil(t, out.Yield, "no vCenter takes longer to notice")

	w, c.Memo = newWorld(), nil
	w.host.Connection = live.NotResponding
	w.onHost = func() { w.host.Connection = live.Connected }
	out, err = attemptOf(t, newActivities(w), plan.AwaitHost, c, nil)
	require.NoError(t, err)
	require.Nil(t, out.Yield, "it was seen to go and come back")
}

// A host that was switched on and goes off again is not waited for as long as one that boots. One that starts itself anew
// while it boots is, and so is one of which nobody knows.
func TestAHostThatGoesOffAgain(t *testing.T) {
	await := func(change func(*world, *Activities), through string) error {
		w := newWorld()
		w.host.Connection, w.bmc.Power = live.NotResponding, live.Off
		w.away = func() bool { return true }
		a := newActivities(w)
		if through != "" {
			a = directActivities(w)
		}
		a.lab.Policies.Host.Boot = within(time.Hour)
		change(w, a)
		c := hostCall(plan.HostParams{Host: "esx21"})
		c.Target.Direct = through
		_, err := attemptOf(t, a, plan.AwaitHost, c, nil)
		return err
	}
	for _, through := range []string{"", "esx21"} {
		err := await(func(*world, *Activities) {}, through)
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, "it is off again: its BMC says Off")
		require.ErrorContains(t, err, "nightshift retry")
	}
	for name, change := range map[string]func(*world, *Activities){
		"off for a moment": func(w *world, _ *Activities) {
			looks := 0
			w.onHost = func() {
				if looks++; looks > 2 {
					w.bmc.Power = live.On
				}
			}
		},
		"the BMC is another's": func(w *world, _ *Activities) { w.bmc.Serial = "TAG2" },
		"without a BMC":        func(_ *world, a *Activities) { a.lab.Hosts[0].BMC = nil },
		"it is on":             func(w *world, _ *Activities) { w.bmc.Power = live.On },
	} {
		err := await(func(w *world, a *Activities) {
			change(w, a)
			a.lab.Policies.Host.Boot = within(100 * time.Millisecond)
		}, "")
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, "still notResponding after 100ms", name)
	}
}

// stopped is an environment whose worker ends: a step gets one look.
func stopped() *testsuite.TestActivityEnvironment {
	env, stop := newEnv(), make(chan struct{})
	close(stop)
	env.SetWorkerStopChannel(stop)
	return env
}

// A host that does not come up: what its BMC knows, where to look, and what to type.
func TestAHostThatDoesNotBootSaysWhereToLook(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world, *Activities)
		want   []string
	}{
		"the BMC tells": {func(w *world, _ *Activities) { w.bmc.Boot = "MemoryInitializationStarted" },
			[]string{"still notResponding after 60ms; its BMC says On, and of its boot MemoryInitializationStarted. Next: look at its console, through its BMC at https://bmc21 (a POST error",
				"then `nightshift retry` (or `nightshift skip`)"}},
		"it tells no more than power": {func(*world, *Activities) {}, []string{"; its BMC says On. Next: look at its console, through its BMC at https://bmc21 "}},
		"it is another's":             {func(w *world, _ *Activities) { w.bmc.Serial = "TAG2" }, []string{"its BMC does not tell more: ", "look at its BMC at https://bmc21, then at its console"}},
		"none":                        {func(_ *world, a *Activities) { a.lab.Hosts[0].BMC = nil }, []string{"it has no BMC that could tell more. Next: look at its screen"}},
		"the vCenter does not answer": {func(w *world, _ *Activities) { w.readErr = fault.As(fault.Unreachable, errors.New("no answer")) },
			[]string{"nothing could be read for 60ms: ", "; its BMC says On. Next: look at its console"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.host.Connection = "notResponding"
			a := newActivities(w)
			a.lab.Hosts[0].BMC.URL = "https://bmc21"
			tc.change(w, a)
			_, err := attemptOf(t, a, plan.AwaitHost, hostCall(plan.HostParams{Host: "esx21"}), nil)
			requireType(t, err, Precondition)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
