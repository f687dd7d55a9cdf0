package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A person is told to unlock what held locks, and nothing else: the caretaker of messages is open in every backup.
func TestWhichWorkflowsArePeoplesRuns(t *testing.T) {
	require.False(t, holdsLocks(runapi.CaretakerType))
	require.False(t, holdsLocks(runapi.NotifyType))
	require.True(t, holdsLocks("PowerDown"))
}

// An approval that is not yet enough must not be told as if the run went on, and one that is must not be told as waiting.
func TestWhetherAPlanHasAllItsApprovals(t *testing.T) {
	two := &plan.Approvers{Need: 2}
	require.True(t, enough(runapi.Sheet{}, "h"), "no approvers: one yes is enough")
	require.False(t, enough(runapi.Sheet{Approvers: two, Approvals: []runapi.Consent{{Name: "ann", Hash: "h"}}}, "h"))
	require.False(t, enough(runapi.Sheet{Approvers: two, Approvals: []runapi.Consent{{Name: "ann", Hash: "h"}, {Name: "ann", Hash: "h"}}}, "h"), "one person twice")
	require.False(t, enough(runapi.Sheet{Approvers: two, Approvals: []runapi.Consent{{Name: "ann", Hash: "h"}, {Name: "bob", Hash: "old"}}}, "h"), "of another plan")
	require.True(t, enough(runapi.Sheet{Approvers: two, Approvals: []runapi.Consent{{Name: "ann", Hash: "h"}, {Name: "bob", Hash: "h"}}}, "h"))
}
