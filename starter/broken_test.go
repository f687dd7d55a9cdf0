package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
)

// A run that Temporal closed tells no end by itself: its report says what is half done, and what to type.
func TestReportOfATerminatedRun(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("dr.")}, broken: &brokenError{Status: "terminated"}}
	c := newConsole(t, lab)
	require.Equal(t, exitFailed, c.run("report", runA))
	for _, want := range []string{"terminated", "Half done", "Untouched", "nightshift unlock " + runA} {
		require.Contains(t, c.stdout.String(), want)
	}
}
