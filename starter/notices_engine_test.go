package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Of the messages that were given up the last one is told, with what it was about and why it was not sent.
func TestUnsentMessagesOnTheEmbeddedEngine(t *testing.T) {
	c := embeddedClient(t)
	runs := &temporalRuns{client: c, namespace: "default"}
	w := worker.New(c, plan.TaskQueue("home"), worker.Options{})
	w.RegisterWorkflowWithOptions(func(_ workflow.Context, n runapi.Notice) error {
		if n.Event == runapi.EventDone {
			return nil
		}
		return temporal.NewNonRetryableApplicationError("not sent through channel mail: "+n.Run, "NotSent", nil)
	}, workflow.RegisterOptions{Name: runapi.NotifyType})
	require.NoError(t, w.Start())
	defer w.Stop()
	send := func(run string, e runapi.Event) {
		r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: run + "-notify", TaskQueue: plan.TaskQueue("home")}, runapi.NotifyType, runapi.Notice{Event: e, Run: run})
		require.NoError(t, err)
		_ = r.Get(t.Context(), nil) // most of them fail
	}
	since := time.Now().Add(-time.Hour)
	none, err := runs.Unsent(t.Context(), "home", since)
	require.NoError(t, err)
	require.Nil(t, none)

	send("run-1", runapi.EventFailed)
	send("run-2", runapi.EventBlocked)
	send("run-3", runapi.EventDone)
	var got *unsent
	require.Eventually(t, func() bool { // the list lags behind
		got, err = runs.Unsent(t.Context(), "home", since)
		return err == nil && got != nil && got.Number == 2
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, "blocked", got.Event)
	require.Equal(t, "run-2", got.Run)
	require.Equal(t, "not sent through channel mail: run-2", got.Error)

	for lab, since := range map[string]time.Time{"elsewhere": since, "home": time.Now().Add(time.Hour)} {
		none, err := runs.Unsent(t.Context(), lab, since)
		require.NoError(t, err)
		require.Nil(t, none, "of this lab, and not for ever")
	}
}
