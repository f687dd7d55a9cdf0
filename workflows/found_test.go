package workflows

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What a step that only looks has found is in the run's sheet; a state of an earlier nightshift, which knew of none, takes it.
func TestWhatAStepHasFound(t *testing.T) {
	for name, earlier := range map[string][]any{"from the start": nil, "handed over": {State{Phase: runapi.PhaseExecute, Steps: "..", BegunAt: []int64{-1, -1}, EndedAt: []int64{-1, -1}}}} {
		b := newBench(t, step("map"), step("other", "map"))
		b.does["map"] = func(plan.Call) (plan.Outcome, error) { return plan.Outcome{Note: "1 LUN", Found: "naa.6001\n"}, nil }
		if earlier == nil {
			b.run(runapi.Params{Approved: true})
		} else {
			b.planned = 1
			packed, err := b.plan.Pack()
			require.NoError(t, err)
			b.run(runapi.Params{Approved: true}, append([]any{packed}, earlier...)...)
		}
		s := b.sheet()
		require.Equal(t, runapi.Done, s.Outcome, name)
		require.Equal(t, map[string]string{"map": "naa.6001\n"}, s.Found, name)
		require.Equal(t, "1 LUN", s.Notes["map"], name)
	}
}

// Who only looks holds nobody up.
func TestARunThatOnlyLooksTakesNoLock(t *testing.T) {
	b := newBench(t, step("map"))
	b.lock = errors.New("somebody has it")
	b.run(runapi.Params{Runbook: "lun-map", Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
}
