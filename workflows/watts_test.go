package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// metered is a bench whose hosts take these watts, reading by reading; fewer readings than are asked for: an error.
func metered(t *testing.T, readings ...float64) (*bench, *int) {
	host := step("host")
	host.Action = plan.ShutdownHost
	b := newBench(t, step("guest"), host)
	n := new(int)
	b.register(plan.MeasurePower, func(context.Context, string) (plan.PowerReading, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if *n++; *n > len(readings) {
			return plan.PowerReading{}, errors.New("no BMC answers")
		}
		return plan.PowerReading{Watts: readings[*n-1], Hosts: map[string]float64{"esx21": readings[*n-1]}}, nil
	})
	return b, n
}

func TestWattsBeforeAndAfter(t *testing.T) {
	b, n := metered(t, 200, 10)
	b.does["guest"] = func(plan.Call) (plan.Outcome, error) {
		require.Equal(t, 1, *n, "read before the first step")
		return plan.Outcome{}, nil
	}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, 200.0, s.Power.Before.Watts)
	require.Equal(t, 10.0, s.Power.After.Watts)
}

// It is told, and decides nothing: a lab that nobody meters is switched off all the same.
func TestARunThatNobodyMeters(t *testing.T) {
	b, n := metered(t)
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Nil(t, s.Power)
	require.Equal(t, 1, *n, "one try, and no reading at the end that nothing could be compared with")
}

func TestTheLabIsMeteredAfterAnAbortToo(t *testing.T) {
	b, _ := metered(t, 200, 150)
	b.does["host"] = failing(1, "it does not go")
	b.run(runapi.Params{Approved: true, OnFailure: plan.Abort})
	s := b.sheet()
	require.Equal(t, runapi.Aborted, s.Outcome)
	require.Equal(t, 150.0, s.Power.After.Watts)
}

func TestWithoutAReadingAtTheEnd(t *testing.T) {
	b, _ := metered(t, 200)
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, 200.0, s.Power.Before.Watts)
	require.Nil(t, s.Power.After)
}

// A reading that hangs, or that no worker takes, holds up the run for less than half a minute, and is not tried again.
func TestAReadingHasLittleTime(t *testing.T) {
	o := powerOptions("")
	require.Less(t, o.ScheduleToCloseTimeout, 30*time.Second)
	require.EqualValues(t, 1, o.RetryPolicy.MaximumAttempts)
}

// Aborted while the watts are read, a run has touched nothing.
func TestAbortedBeforeTheFirstStep(t *testing.T) {
	b, _ := metered(t, 200, 10)
	b.during(plan.MeasurePower, 1, func() { b.say(runapi.Abort, runapi.Order{By: "ann", Reason: "not tonight"}, "") })
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Aborted, s.Outcome)
	require.Empty(t, b.ran())
}

func TestARunThatSwitchesNoHostIsNotMetered(t *testing.T) {
	b, n := metered(t, 200, 10)
	b.plan.Steps = b.plan.Steps[:1]
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Zero(t, *n)
}

func TestWattsGoThroughAHandOver(t *testing.T) {
	b, _ := metered(t, 10)
	packed, err := b.plan.Pack()
	require.NoError(t, err)
	b.planned = 1
	b.run(runapi.Params{Approved: true}, packed, State{Phase: runapi.PhaseExecute, Started: b.Now(), Hash: b.plan.Hash(), Steps: "d.",
		Power: &plan.Power{Before: &plan.PowerReading{Watts: 200}}, Versions: map[string]string{"nightshift": "v1"}})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, []float64{200, 10}, []float64{s.Power.Before.Watts, s.Power.After.Watts})
	require.Equal(t, "v1", s.Versions["nightshift"])
}
