package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A call that is on its way in the lab takes up a slot there, whoever counts: the step that sent it gets its slot back
// before a step that has the longer way to go.
func TestAfterAHandOverWhatWasSentKeepsItsSlots(t *testing.T) {
	sent, long := step("sent"), step("long")
	sent.Holds, long.Holds, long.Estimate = []string{"vcenter:vc1"}, []string{"vcenter:vc1"}, plan.Duration(time.Hour)
	b := newBench(t, long, sent)
	b.plan.Limits = nil // one at a time
	b.planned = 1
	packed, err := b.plan.Pack()
	require.NoError(t, err)
	b.run(runapi.Params{Approved: true}, packed, State{Phase: runapi.PhaseExecute, Steps: "..", BegunAt: []int64{-1, 3}, EndedAt: []int64{-1, -1},
		Memos: map[string]*plan.Memo{"sent": {Intent: "PowerOff", Phase: "powerOff"}}})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Equal(t, []string{"sent", "long"}, b.ran())
}

// What was sent goes on before there is a new plan, also in a run that was paused and resumes while the lab is read; and that plan is not
// made of a lab in which it is under way. Nothing else begins.
func TestAfterAHandOverWhatWasSentGoesOnBeforeTheNewPlan(t *testing.T) {
	t.Run("it lands before the plan", func(t *testing.T) { goesOnBeforeTheNewPlan(t, false) })
	t.Run("paused", func(t *testing.T) { goesOnBeforeTheNewPlan(t, true) })
}

func goesOnBeforeTheNewPlan(t *testing.T, paused bool) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("sent"), step("other"))
	b.planned = 1
	st := State{Phase: runapi.PhaseExecute, Hash: b.plan.Hash(), Steps: "...", BegunAt: []int64{2, 3, -1}, EndedAt: []int64{-1, -1, -1},
		Memos:  map[string]*plan.Memo{"sent": {Intent: "Shutdown", Phase: "shutdown"}},
		Replan: "guest g1 is on host esx22 now", Asking: []string{"g1"}, Notes: map[string]string{"g1": "guest g1 is on host esx22 now"}}
	if paused {
		st.Paused = "ann: look"
	}
	goesOn, answered, begun := make(chan struct{}), make(chan struct{}), false
	b.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == plan.MakePlan && b.planned == 2 {
			close(answered)
		}
	})
	b.does["sent"] = func(plan.Call) (plan.Outcome, error) {
		close(goesOn)
		if paused {
			b.mu.Unlock()
			defer b.mu.Lock()
			<-answered
		}
		return plan.Outcome{}, nil
	}
	b.again = func(n int) (plan.Plan, error) {
		p := b.plan
		switch n {
		case 2:
			if paused {
				b.RegisterDelayedCallback(func() { b.say(runapi.Resume, runapi.Order{By: "ann"}, "") }, 0)
			}
			<-goesOn
			p.Blockers = []plan.Finding{{Subject: "host esx21", Text: "nobody knows what it does"}}
		case 3:
			begun = len(b.ran()) > 1
		default:
			return b.left, nil
		}
		return p, nil
	}
	packed, err := b.plan.Pack()
	require.NoError(t, err)
	b.run(runapi.Params{Approved: true}, packed, st)
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, "sent", b.ran()[0])
	require.False(t, begun)
	require.Len(t, b.ran(), 3)
	require.Len(t, s.Amendments, 1)
	require.Empty(t, s.Amendments[0].Refused)
}

// A step that only waits doesn't hold up the hand-over, and its time goes on in the next run.
func TestAStepThatOnlyWaitsIsLeftBehind(t *testing.T) {
	wait := step("check")
	wait.Action = plan.CheckGuest
	b := newBench(t, wait)
	b.does["check"] = func(plan.Call) (plan.Outcome, error) {
		b.hang(func() { b.SetCurrentHistoryLength(9000) }, func() { b.say(runapi.Pause, runapi.Order{By: "ann"}, "") })
		return plan.Outcome{}, nil
	}
	begun := b.Now().UTC()
	b.run(runapi.Params{Approved: true})
	var can *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &can)
	var st State
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &runapi.Params{}, &[]byte{}, &st))
	require.Equal(t, ".", st.Steps)
	require.False(t, st.Memos["check"].Sent())
	require.WithinDuration(t, begun, st.Memos["check"].At, time.Minute)
}
