package telemetry

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/engine"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
	"nightshift/workflows"
)

// A schedule whose last run was done tells when; the reading works on a real server.
func TestSourceReadsSchedules(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	server, err := engine.Start(context.WithoutCancel(t.Context()), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()); require.NoError(t, dir.Close()) })
	c, err := client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, plan.TaskQueue("home"), worker.Options{DisableRegistrationAliasing: true})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ runapi.Params) error {
		return workflow.UpsertTypedSearchAttributes(ctx, temporal.NewSearchAttributeKeyKeyword("Outcome").ValueSet(runapi.Done))
	}, workflow.RegisterOptions{Name: plan.PowerDownWorkflow})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	s := runapi.Schedule{Name: "nightly", Lab: "home", Runbook: "power-down"}
	h, err := c.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: s.ID(), Memo: map[string]any{runapi.ScheduleMemo: s},
		Spec:   client.ScheduleSpec{CronExpressions: []string{"0 23 * * *"}},
		Action: &client.ScheduleWorkflowAction{ID: s.ID(), Workflow: plan.PowerDownWorkflow, TaskQueue: plan.TaskQueue("home"), Args: []any{runapi.Params{}}}})
	require.NoError(t, err)
	require.NoError(t, h.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	from := &source{client: c, namespace: server.Namespace(), lab: "home"}
	require.Eventually(t, func() bool {
		list, err := from.schedules(t.Context())
		return err == nil && len(list) == 1 && list[0].name == "nightly" && !list[0].success.IsZero() && !list[0].next.IsZero()
	}, 2*time.Minute, 200*time.Millisecond)
}
