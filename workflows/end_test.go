package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A step that ends the run in order is done, and no failure of anything: what has not begun is left, what always runs runs.
func TestAStepEndsTheRun(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("check", "g1"), step("host", "check"), always("unmark", "host"))
	b.does["check"] = func(plan.Call) (plan.Outcome, error) {
		return plan.Outcome{End: "the mains are back"}, nil
	}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, []string{runapi.Aborted, "the mains are back", "ddud"}, []string{s.Outcome, s.Why, s.Steps})
	require.Equal(t, []string{"g1", "check", "unmark"}, b.ran())
	require.Equal(t, 1, b.released)
}

// An order to a UPS is planned anew each time: that is nothing left to do.
func TestALoadOffIsNotPlannedTwice(t *testing.T) {
	off := step("order-load-off:rack")
	off.Action, off.Target = plan.OrderLoadOff, plan.Target{Kind: plan.UPS, Name: "rack"}
	off.Params = plan.Encode(plan.LoadOffParams{UPS: "rack", Hosts: []string{"esx21"}, Delay: plan.Duration(time.Minute), RestartDelay: plan.Duration(time.Minute)})
	b := newBench(t, off)
	b.left.Steps = []plan.Step{off}
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
}

// A run that a UPS asks for does not wait for anybody when the lab is not as it was planned; where the lab file demands
// approvals, it does.
func TestAResoluteRunGoesBeyondItsPlan(t *testing.T) {
	for name, c := range map[string]struct {
		p        runapi.Params
		outcome  string
		newGuest int
	}{
		"resolute":     {runapi.Params{Approved: true, Resolute: true}, runapi.Done, 1},
		"not resolute": {runapi.Params{Approved: true}, runapi.Aborted, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guest("g1", plan.LeaveGuest), step("host", "g1"))
			b.does["host"] = asking(1, "guests run on it that were not there when the plan was made: g2")
			b.replanned(guest("g1", plan.LeaveGuest), guest("g2", plan.PowerOffGuest), step("host", "g1", "g2"))
			b.run(c.p)
			s := b.sheet()
			require.Equal(t, c.outcome, s.Outcome, s.Why)
			require.NotEmpty(t, b.calls)
			for _, call := range b.calls {
				require.Equal(t, c.p.Resolute, call.Resolute, "its steps know it")
			}
			require.Equal(t, c.newGuest, count(b.ran(), "g2"))
		})
	}
	b := newBench(t, guest("g1", plan.LeaveGuest))
	b.set = func(s *plan.Settings) { s.Approval = true }
	b.run(runapi.Params{Approved: true, Resolute: true})
	require.Equal(t, runapi.Refused, b.sheet().Outcome)
	require.Empty(t, b.ran())
}
