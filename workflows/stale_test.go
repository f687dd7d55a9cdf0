package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// asleep runs the plan of the bench as the next run of a chain that should have gone on so long ago.
func (b *bench) asleep(p runapi.Params, ago time.Duration, st State) {
	b.t.Helper()
	packed, err := b.plan.Pack()
	require.NoError(b.t, err)
	b.planned = 1
	st.Phase, st.Hash, st.Due, st.Started = runapi.PhaseExecute, b.plan.Hash(), b.Now().Add(-ago), b.Now().Add(-ago-time.Hour)
	if st.Settings.BlockedDeadline == 0 {
		st.Settings = plan.Settings{OnFailure: plan.Ask, BlockedDeadline: plan.Duration(12 * time.Hour), OnStale: st.Settings.OnStale, Deadline: st.Settings.Deadline}
	}
	st.Begun = st.Started
	b.run(p, packed, st)
}

// It wakes at nine in the morning in a power-down of the night before.
func TestARunThatWakesLate(t *testing.T) {
	for name, c := range map[string]struct {
		p       runapi.Params
		onStale string
		order   string
		outcome string
		ran     []string
	}{
		"asked for by a person: asks":          {order: runapi.Resume, outcome: runapi.Done, ran: []string{"g1", "unmark"}},
		"a person does not want it any more":   {order: runapi.Abort, outcome: runapi.Aborted, ran: []string{"unmark"}},
		"unattended, nothing said: asks":       {p: runapi.Params{Approved: true}, order: runapi.Resume, outcome: runapi.Done, ran: []string{"g1", "unmark"}},
		"unattended, ask: nobody answers":      {p: runapi.Params{Approved: true}, onStale: "ask", outcome: runapi.Aborted, ran: []string{"unmark"}},
		"unattended, stop":                     {p: runapi.Params{Approved: true}, onStale: "stop", outcome: runapi.Aborted, ran: []string{"unmark"}},
		"unattended, continue":                 {p: runapi.Params{Approved: true}, onStale: "continue", outcome: runapi.Done, ran: []string{"g1", "unmark"}},
		"onStale is not for attended runs":     {onStale: "continue", order: runapi.Resume, outcome: runapi.Done, ran: []string{"g1", "unmark"}},
		"stop is not for attended runs either": {onStale: "stop", order: runapi.Resume, outcome: runapi.Done, ran: []string{"g1", "unmark"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest, "g1"), always("unmark", "g2"))
			b.replanned(guest("g1", plan.LeaveGuest), always("unmark", "g1")) // g2 has been seen to by then
			if c.order != "" {
				b.RegisterDelayedCallback(func() {
					s := b.now()
					require.Contains(t, s.Stale, "nightshift slept, or was stopped, from about ")
					require.Contains(t, s.Paused, "nightshift: it slept")
					require.True(t, s.Stuck(), "it waits for a person")
					require.Empty(t, b.calls)
					require.Equal(t, 2, b.planned, "it has looked")
					require.Equal(t, 1, s.Amendments[0].Dropped)
					b.say(c.order, runapi.Order{By: "ann"}, "")
				}, time.Hour)
			}
			b.asleep(c.p, 11*time.Hour, State{Settings: plan.Settings{OnStale: c.onStale}})
			s := b.sheet()
			require.Equal(t, c.outcome, s.Outcome, s.Why)
			require.Equal(t, c.ran, b.ran())
			require.Equal(t, s.Outcome == runapi.Aborted, s.Aborted != "")
			require.Empty(t, s.Stale)
		})
	}
}

func TestARunThatWakesInTime(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest))
	b.asleep(runapi.Params{}, 14*time.Minute, State{})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Empty(t, b.sheet().Amendments)
}

// A clock that was set back is no lost time, and nothing takes less than no time.
func TestAClockThatIsSetBack(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest))
	b.does["g1"] = failing(1, "still on")
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.asleep(runapi.Params{}, -5*time.Hour, State{})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome)
	require.Empty(t, s.Amendments)
	require.Equal(t, runapi.Tenths{0}, s.Begun)
	require.Equal(t, runapi.Tenths{0}, s.Finished)
}

// The deadline has passed while it slept: it looks first, then it ends in order, without a step more.
func TestADeadlineThatPassedInSleep(t *testing.T) {
	for name, plans := range map[string]error{"it can look": nil, "it cannot": temporal.NewNonRetryableApplicationError("vCenter does not answer", "Precondition", nil)} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guest("g1", plan.LeaveGuest), always("unmark", "g1"))
			b.again = func(n int) (plan.Plan, error) {
				require.Empty(t, b.calls, "it looks first")
				return b.plan, plans
			}
			b.asleep(runapi.Params{}, 11*time.Hour, State{Settings: plan.Settings{Deadline: plan.Duration(2 * time.Hour)}})
			s := b.sheet()
			require.Equal(t, runapi.Aborted, s.Outcome)
			require.Contains(t, s.Why, "deadline of the run (2h)")
			require.Equal(t, "ud", s.Steps)
			require.Equal(t, 2, b.planned)
			require.Equal(t, []string{"unmark"}, b.ran())
			require.Less(t, s.Ended.Sub(b.Now()), time.Minute)
		})
	}
}

// The lab cannot be read after the sleep: it is not gone on with unread, even where it may go on by itself.
func TestALabThatCannotBeReadAfterTheSleep(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest))
	b.again = func(n int) (plan.Plan, error) {
		if n == 2 {
			return plan.Plan{}, temporal.NewNonRetryableApplicationError("vCenter does not answer", "Precondition", nil)
		}
		return b.left, nil
	}
	b.RegisterDelayedCallback(func() {
		require.Contains(t, b.now().Stale, "slept")
		require.Contains(t, b.now().Amendments[0].Refused, "vCenter does not answer")
		require.Empty(t, b.calls)
	}, time.Hour)
	b.order(2*time.Hour, runapi.Resume, runapi.Order{By: "ann"}, "")
	b.asleep(runapi.Params{Approved: true}, 11*time.Hour, State{Settings: plan.Settings{OnStale: "continue"}})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Equal(t, []string{"g1"}, b.ran())
}

// What a call had sent before the sleep is not sent again, and not forgotten with its step.
func TestACallBeforeTheSleep(t *testing.T) {
	memo := &plan.Memo{Intent: "ShutdownGuest to g1", Phase: "shutdown", At: time.Unix(1, 0).UTC()}
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest, "g1"))
	b.replanned(guest("g2", plan.LeaveGuest))
	b.asleep(runapi.Params{Approved: true}, 11*time.Hour, State{Settings: plan.Settings{OnStale: "continue"}, Steps: "..",
		Memos: map[string]*plan.Memo{"g1": memo}, BegunAt: []int64{5, -1}, EndedAt: []int64{-1, -1}})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.ElementsMatch(t, []string{"g1", "g2"}, b.ran())
	for _, c := range b.calls {
		require.Equal(t, c.Step == "g1", c.Memo.Sent())
	}
}

// While steps are under way the run looks at the clock now and then; one that waits for a person does not.
func TestTicksAreFew(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest))
	b.does["g1"] = failing(1, "still on")
	timers := map[time.Duration]int{}
	b.SetOnTimerScheduledListener(func(_ string, d time.Duration) { timers[d.Round(time.Hour)]++ })
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Aborted, b.sheet().Outcome)
	require.LessOrEqual(t, timers[0], 2, "a tick for the step, none for the wait")
	require.LessOrEqual(t, timers[12*time.Hour], 1)
}
