package activities

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

func TestTheDebtIsWrittenBeforeTheIntentAndTheAct(t *testing.T) {
	for setting, call := range map[plan.Setting]string{plan.HA: "SetHA", plan.DRS: "SetDRSLevel", plan.VCLS: "SetVCLS"} {
		w := newWorld()
		w.agents = []string{"vCLS-1", "vCLS-2", "vCLS-3"}
		out, err := attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(setting), nil)
		require.NoError(t, err)
		require.True(t, out.Acted)
		require.Equal(t, []string{"owe", "sending SetClusterNote", "SetClusterNote", "memo set", "sending " + call, call, "memo set"}, w.events)
		if setting == plan.VCLS {
			require.Empty(t, w.agents, "done before the last vCLS VM was gone")
		}
	}
}

func TestTheFirstDebtStands(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	_, err := attemptOf(t, a, plan.SuspendSetting, clusterCall(plan.DRS), nil)
	require.NoError(t, err)
	w.cluster.DRSLevel = "partiallyAutomated" // somebody meddles, and a second power-down comes
	_, err = attemptOf(t, a, plan.SuspendSetting, clusterCall(plan.DRS), nil)
	require.NoError(t, err)
	require.Len(t, w.book.Debts, 1)
	require.Equal(t, "fullyAutomated", w.book.Debts[0].Was)
}

func TestWhatIsOffAlreadyIsNoDebt(t *testing.T) {
	w := newWorld()
	w.cluster.HA, w.cluster.DRS = false, false
	for _, s := range []plan.Setting{plan.HA, plan.DRS} {
		out, err := attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(s), nil)
		require.NoError(t, err)
		require.NotEmpty(t, out.Note)
	}
	require.Empty(t, w.events)
	require.Empty(t, w.book.Debts)
}

func TestSuspendAndSettleSurviveACrashAtEveryEvent(t *testing.T) {
	crashEverywhere(t, plan.SuspendSetting, clusterCall(plan.HA), newWorld, func(w *world, at, _ int) {
		require.False(t, w.cluster.HA)
		require.Len(t, w.book.Debts, 1)
		require.Equal(t, "true", w.book.Debts[0].Was, "event %d", at)
		require.Less(t, slices.Index(w.events, "owe"), slices.Index(w.events, "SetHA"), "event %d", at)
	})
	begin := func() *world {
		w := newWorld()
		_, err := attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(plan.HA), nil)
		require.NoError(t, err)
		w.events, w.memos = nil, nil
		return w
	}
	crashEverywhere(t, plan.SettleDebt, clusterCall(plan.HA), begin, func(w *world, at, _ int) {
		require.True(t, w.cluster.HA, "event %d", at)
		require.Empty(t, w.book.Debts, "event %d", at)
	})
}

func TestSettleDebt(t *testing.T) {
	w := newWorld()
	out, err := attemptOf(t, newActivities(w), plan.SettleDebt, clusterCall(plan.VCLS), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Note: "nothing owed"}, out)

	_, err = attemptOf(t, newActivities(w), plan.SuspendSetting, clusterCall(plan.VCLS), nil)
	require.NoError(t, err)
	require.Equal(t, "", w.book.Debts[0].Was)
	_, err = attemptOf(t, newActivities(w), plan.SettleDebt, clusterCall(plan.VCLS), nil)
	require.NoError(t, err)
	require.Empty(t, w.book.Debts)
	require.Equal(t, 2, w.count("SetVCLS"))
}

func TestAnotherClusterIsNotTouched(t *testing.T) {
	for name, change := range map[string]func(*world){
		"ref":  func(w *world) { w.cluster.Ref = "domain-c2" },
		"name": func(w *world) { w.cluster.Name = "c2" },
	} {
		for _, action := range []plan.Action{plan.SuspendSetting, plan.SettleDebt} {
			t.Run(name+" "+string(action), func(t *testing.T) {
				w := newWorld()
				w.book.Debts = []plan.Debt{{ID: plan.DebtID("vc1", "domain-c1", plan.HA), Setting: plan.HA, Was: "false"}}
				change(w)
				_, err := attemptOf(t, newActivities(w), action, clusterCall(plan.HA), nil)
				requireType(t, err, Unsafe)
				require.Empty(t, w.events)
				require.Len(t, w.book.Debts, 1)
			})
		}
	}
}

// What cannot be written down as owed is not switched off.
func TestWithoutALedgerNothingIsSwitchedOff(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	a.ledger = deafLedger{worldLedger{w}}
	_, err := attemptOf(t, a, plan.SuspendSetting, clusterCall(plan.HA), nil)
	requireType(t, err, Transient)
	require.Empty(t, w.events)
	require.True(t, w.cluster.HA)
}

type deafLedger struct{ worldLedger }

func (deafLedger) change(context.Context, string, ledger.Change) error {
	return fault.As(fault.Unreachable, errors.New("the ledger does not answer"))
}

func TestMarks(t *testing.T) {
	w := newWorld()
	c := plan.Call{Target: plan.Target{Kind: plan.Lab, Name: "home", Endpoint: "vc1"}}
	_, err := attemptOf(t, newActivities(w), plan.MarkLab, c, nil)
	require.NoError(t, err)
	require.Equal(t, "me", w.mark)
	_, err = attemptOf(t, newActivities(w), plan.UnmarkLab, c, nil)
	require.NoError(t, err)
	require.Empty(t, w.mark)

	w.mark = "another"
	_, err = attemptOf(t, newActivities(w), plan.MarkLab, c, nil)
	requireType(t, err, Precondition)
	_, err = attemptOf(t, newActivities(w), plan.UnmarkLab, c, nil)
	require.NoError(t, err)
	require.Equal(t, "another", w.mark)
	require.Equal(t, 2, w.count("SetMark"))
}
