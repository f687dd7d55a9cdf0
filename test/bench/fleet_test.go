package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/runbooks"
	"nightshift/test/bench/ideal"
)

// What the planners make of 10,000 guests is a plan that is right, fits into a payload, and comes out of it as it was.
func TestTenThousandGuestsFitIntoAPayload(t *testing.T) {
	f := newFleet(256, 10000, vcenterLimit)
	for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		p, err := f.plan(runbook)
		require.NoError(t, err)
		require.NoError(t, p.Validate())
		packed, err := p.Pack()
		require.NoError(t, err)
		again, err := plan.Unpack(packed)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
		t.Logf("%s: %d steps, %d KiB packed", runbook, len(p.Steps), len(packed)>>10)
	}
}

// The large lab of the benchmarks is as large as it is said to be: in plans of which no step is there for the number's sake.
func TestTheFleetOfTwoThousandGuestsMakesLongPlans(t *testing.T) {
	f := newFleet(64, 2000, vcenterLimit)
	down, err := f.plan(runbooks.PowerDown)
	require.NoError(t, err)
	up, err := f.plan(runbooks.PowerUp)
	require.NoError(t, err)
	count := func(p plan.Plan, a plan.Action) (n int) {
		for _, s := range p.Steps {
			if s.Action == a {
				n++
			}
		}
		return n
	}
	require.GreaterOrEqual(t, len(up.Steps), 4500)
	require.Equal(t, count(down, plan.SuspendSetting), count(up, plan.SettleDebt))
	require.Equal(t, count(down, plan.StopApplication), count(up, plan.StartApplication))
	require.Equal(t, 2000, count(up, plan.CheckGuest))
}

// A step that waits for a hand-over, or for anything but what it needs, is no matter of taste.
func TestWhatIsWrongIsSaid(t *testing.T) {
	require.Equal(t, "none", result{verdict: ideal.Verdict{Lag: longestWait, Lagged: "a"}}.wrong())
	require.Equal(t, "step a waited 1.2 s, though it could have begun; 2 steps acted twice; meanwhile no processor came for 1.1 s, and a write to the disk took up to 20 ms",
		result{verdict: ideal.Verdict{Lag: 1200 * time.Millisecond, Lagged: "a"}, twice: 2, machine: still{1100 * time.Millisecond, 20 * time.Millisecond}}.wrong())
}
