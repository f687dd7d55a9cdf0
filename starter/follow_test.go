package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// The sheet is read again when the run's pulse is another, or when it is old; a run that tells no pulse is read each time.
func TestASheetIsReadWhenItMayBeAnother(t *testing.T) {
	now := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	lab := &fakeLab{script: []runapi.Sheet{{Phase: runapi.PhaseExecute}}}
	f := &follower{app: &app{now: func() time.Time { return now }}, session: &session{runs: lab}, run: "r"}
	for _, c := range []struct {
		pulse string
		after time.Duration
		read  bool
	}{
		{"", 0, true}, {"", time.Second, true}, // an older worker
		{"a/3", time.Second, true}, {"a/3", time.Second, false}, {"a/9", time.Second, true}, {"a/9", time.Second, false},
		{"b/3", time.Second, true}, {"b/3", mostAge - 1, false}, {"b/3", 1, true}, // only Temporal knows of retries
		{"", time.Second, true}, {"b/3", time.Second, true},
	} {
		now = now.Add(c.after)
		lab.pulse = c.pulse
		before := lab.looks
		s, err := f.look(context.Background())
		require.NoError(t, err)
		require.Equal(t, runapi.PhaseExecute, s.Phase)
		require.Equal(t, c.read, lab.looks > before, "%+v", c)
	}
	lab.broken = errNoWorker
	lab.pulse = "c/3"
	_, err := f.look(context.Background())
	require.ErrorIs(t, err, errNoWorker)
	lab.broken = nil
	before := lab.looks
	_, err = f.look(context.Background())
	require.NoError(t, err)
	require.Greater(t, lab.looks, before, "what could not be read is read again")
}

// What is left is simulated once for a sheet; between, time goes by.
func TestWhatIsLeftOfASheet(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{{ID: "a", Estimate: plan.Duration(time.Minute)}}}
	v := view{Plan: &p, Sheet: runapi.Sheet{Phase: runapi.PhaseExecute, Steps: "."}, Now: time.Now(), outlook: &outlook{}}
	left, ok := v.left()
	require.True(t, ok)
	require.Equal(t, time.Minute, left)
	p.Steps[0].Estimate = plan.Duration(time.Hour)
	v.Now = v.Now.Add(20 * time.Second)
	left, ok = v.left()
	require.True(t, ok)
	require.Equal(t, 40*time.Second, left)
	v.outlook = &outlook{}
	left, _ = v.left()
	require.Equal(t, time.Hour, left)
}
