package activities

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// What is owed is to be read at the cluster, from before the act until it is given back.
func TestTheNoteAtTheClusterFollowsTheDebts(t *testing.T) {
	w := newWorld()
	w.host.Maintenance, w.guest.Power = false, live.PoweredOff
	a := newActivities(w)
	do := func(action plan.Action, c plan.Call) {
		t.Helper()
		_, err := attemptOf(t, a, action, c, nil)
		require.NoError(t, err)
	}
	host := hostCall(plan.HostParams{Host: "esx21"})
	w.react["SetHA"] = func() error {
		require.Contains(t, w.note, "HA=true; run run-1; since ", "it is there before the act")
		w.cluster.HA = false
		return nil
	}
	do(plan.SuspendSetting, clusterCall(plan.HA))
	delete(w.react, "SetHA")
	do(plan.SuspendSetting, clusterCall(plan.VCLS))
	do(plan.EnterMaintenance, host)
	require.Contains(t, w.note, "HA=true; vCLS=default; hosts put into maintenance mode by nightshift: esx21.lab; run run-1; since ")
	do(plan.ExitMaintenance, host)
	require.NotContains(t, w.note, "esx21")
	do(plan.SettleDebt, clusterCall(plan.HA))
	require.Contains(t, w.note, "vCLS=default; run")
	require.NotContains(t, w.note, "HA")
	do(plan.SettleDebt, clusterCall(plan.VCLS))
	require.Empty(t, w.note)
	require.Empty(t, w.book.Debts)
}

// A vCenter that forbids the note is worth a remark, no more; one that does not answer is tried again.
func TestANoteThatIsForbidden(t *testing.T) {
	w := newWorld()
	w.react["SetClusterNote"] = func() error { return fault.As(fault.Permission, errors.New("lacks Global.SetCustomField")) }
	out, err := attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(plan.HA), nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Contains(t, out.Note, "could not be noted at the cluster: lacks Global.SetCustomField")
	require.False(t, w.cluster.HA)
	require.Len(t, w.book.Debts, 1)

	w = newWorld()
	w.react["SetClusterNote"] = func() error { return fault.As(fault.Unreachable, errors.New("no answer")) }
	_, err = attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(plan.HA), nil)
	requireType(t, err, Transient)
	require.Zero(t, w.count("SetHA"))
}

// Steps that go to the host itself write the note where there is a session at the vCenter already, and never wait for one.
func TestTheNoteAfterDirectSteps(t *testing.T) {
	host := hostCall(plan.HostParams{Host: "esx21"})
	do := func(a *Activities, action plan.Action, c plan.Call) {
		t.Helper()
		_, err := attemptOf(t, a, action, c, nil)
		require.NoError(t, err)
	}
	open := func(w *world) *Activities { // the vCenter was asked for something before
		a := directActivities(w)
		ready := make(chan struct{})
		close(ready)
		a.clients.vcs["vc1"] = &session{ready: ready, vc: w}
		return a
	}

	w := offWorld()
	w.host.Maintenance = false
	a := open(w)
	do(a, plan.EnterMaintenance, direct(host))
	require.Contains(t, w.note, "maintenance mode by nightshift: esx21.lab; run run-1")
	do(a, plan.ExitMaintenance, direct(host))
	require.Empty(t, w.note)
	require.Empty(t, w.book.Debts)

	for name, activities := range map[string]func(*world) *Activities{
		"no session": directActivities,
		"it does not answer": func(w *world) *Activities {
			w.react["SetClusterNote"] = func() error { return fault.As(fault.Unreachable, errors.New("no answer")) }
			return open(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := offWorld()
			w.host.Maintenance, w.note = false, "of another run"
			a := activities(w)
			do(a, plan.EnterMaintenance, direct(host))
			do(a, plan.ExitMaintenance, direct(host))
			require.Empty(t, w.book.Debts)
			require.Equal(t, "of another run", w.note)
			require.LessOrEqual(t, w.count("SetClusterNote"), 1, "it is left alone for a while")
			if name == "no session" {
				require.NotContains(t, a.clients.vcs, "vc1", "none was begun")
			}

			w.react = map[string]func() error{}
			do(newActivities(w), plan.AwaitHost, host)
			require.Empty(t, w.note, "when the vCenter is connected to it again")
		})
	}
}

// A vCenter that forbids the note does not hold up the wait for a host.
func TestAwaitHostSaysThatTheNoteIsForbidden(t *testing.T) {
	w := newWorld()
	w.note = "of another run"
	w.react["SetClusterNote"] = func() error { return fault.As(fault.Permission, errors.New("lacks Global.SetCustomField")) }
	out, err := attemptOf(t, newActivities(w), plan.AwaitHost, hostCall(plan.HostParams{Host: "esx21"}), nil)
	require.NoError(t, err)
	require.Equal(t, "what is to be given back could not be noted at the cluster: lacks Global.SetCustomField", out.Note)
}

func TestRestoreNoteFits(t *testing.T) {
	debts := []plan.Debt{{Setting: plan.HA, Was: "true", Run: "nightshift-home-power-down-20261120-2301", Since: time.Now()}}
	for i := range 40 {
		debts = append(debts, plan.Debt{Setting: plan.Maintenance, Target: plan.Target{Name: fmt.Sprintf("esx%02d.example.com", i)}, Since: time.Now()})
	}
	text := restoreNote(debts)
	require.LessOrEqual(t, len(text), noteLimit)
	require.Contains(t, text, "HA=true; ")
	require.Contains(t, text, " more; run nightshift-home-power-down-20261120-2301; since ")
	require.Empty(t, restoreNote(nil))
}
