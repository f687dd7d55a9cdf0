package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

func change(env *testsuite.TestWorkflowEnvironment, id string, at time.Duration, c ledger.Change, then func(error)) {
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(ledger.Update, id, &testsuite.TestUpdateCallback{OnAccept: func() { then(nil) }, OnReject: then, OnComplete: func(any, error) {}}, c)
	}, at)
}

func TestLedgerRefusesATakenLockAndSaysWho(t *testing.T) {
	var s testsuite.WorkflowTestSuite
	env := s.NewTestWorkflowEnvironment()
	env.RegisterWorkflowWithOptions(Ledger, workflow.RegisterOptions{Name: ledger.Workflow})
	granted := func(err error) { require.NoError(t, err) }
	ann := ledger.Holder{Workflow: "power-down-home-1", FirstRun: "r1", Runbook: "power-down", By: "ann"}
	bob := ledger.Holder{Workflow: "power-up-home-1", FirstRun: "r2", Runbook: "power-up", By: "bob"}
	take := func(h ledger.Holder) ledger.Change {
		return ledger.Change{Acquire: &ledger.Acquire{Scopes: []string{ledger.LabScope}, Holder: h}}
	}
	change(env, "1", time.Second, take(ann), granted)
	change(env, "2", 2*time.Second, take(ann), granted) // again: the answer was lost
	change(env, "3", 3*time.Second, take(bob), func(err error) {
		app := new(temporal.ApplicationError)
		require.True(t, errors.As(err, &app))
		require.Equal(t, ledger.Locked, app.Type())
		var l ledger.Lock
		require.NoError(t, app.Details(&l))
		require.Equal(t, ann, l.Holder)
		require.ErrorContains(t, err, "lab is locked by run power-down-home-1 (power-down, by ann)")
	})
	change(env, "4", 4*time.Second, ledger.Change{Release: &ann}, granted)
	change(env, "5", 5*time.Second, take(bob), granted)
	change(env, "6", 6*time.Second, ledger.Change{Owe: &plan.Debt{ID: "d", Was: "true"}}, func(err error) {
		granted(err)
		env.SetContinueAsNewSuggested(true)
	})
	env.ExecuteWorkflow(ledger.Workflow, ledger.State{Lab: "home"})
	var can *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &can)
	var st ledger.State
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &st))
	require.Equal(t, bob, st.Locks[0].Holder)
	require.Len(t, st.Debts, 1, "a change in the last task is not lost")
}
