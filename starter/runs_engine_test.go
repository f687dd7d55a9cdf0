package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/workflows"
)

// standsIn is a run as lists see it: it says what it is about, hands over once where it is asked to, and ends as its
// parameters say; without an outcome it stays open.
func standsIn(ctx workflow.Context, p runapi.Params) error {
	err := workflow.UpsertTypedSearchAttributes(ctx, workflows.LabAttribute.ValueSet(p.Lab), workflows.RunbookAttribute.ValueSet(p.Runbook),
		workflows.TargetAttribute.ValueSet(p.Parameters["target"]), workflows.PhaseAttribute.ValueSet(runapi.PhaseExecute))
	if err != nil {
		return err
	}
	if p.HandOverAt > 0 {
		p.HandOverAt = 0
		return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, p)
	}
	outcome := p.Parameters["outcome"]
	if outcome == "" {
		return workflow.Await(ctx, func() bool { return false })
	}
	return workflow.UpsertTypedSearchAttributes(ctx, workflows.PhaseAttribute.ValueSet(runapi.PhaseEnd), workflows.OutcomeAttribute.ValueSet(outcome))
}

// Every flag of `runs` narrows what a real server lists, alone and with others, and what is typed is text in its query.
func TestRunsOnTheEmbeddedEngine(t *testing.T) {
	client := embeddedClient(t)
	work := func(lab string) {
		w := worker.New(client, plan.TaskQueue(lab), worker.Options{})
		for _, name := range plan.RunWorkflows() {
			w.RegisterWorkflowWithOptions(standsIn, workflow.RegisterOptions{Name: name})
		}
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
	}
	work("home")
	work("other")
	c := newConsole(t, &fakeLab{})
	c.now = time.Now
	c.dial = func(context.Context, where) (*session, error) {
		s := newSession(client, where{Lab: "home"})
		s.close = nil // the test's
		return s, nil
	}
	begin := func(lab, id, kind, runbook, by, target, outcome string, handOver int) {
		t.Helper()
		require.NoError(t, newSession(client, where{Lab: lab}).runs.Start(t.Context(), kind, id, runapi.Params{Lab: lab, Runbook: runbook, By: by, HandOverAt: handOver,
			Parameters: map[string]string{"target": target, "outcome": outcome}}))
	}
	listed := func(args ...string) string {
		require.Equal(t, exitDone, c.run(append([]string{"runs", "-o", "json"}, args...)...), "%s: %s", args, c.stderr)
		var got []runInfo
		require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
		ids := []string{}
		for _, r := range got {
			ids = append(ids, r.Run)
		}
		return strings.Join(ids, " ")
	}
	await := func(want string, args ...string) { // the list lags behind
		t.Helper()
		require.Eventually(t, func() bool { return listed(args...) == want }, time.Minute, 100*time.Millisecond, want)
	}
	odd := `it's "O'Brien" \ %` // a name as people have them
	begin("home", "a", plan.PowerDownWorkflow, "power-down", "ann@desk", "home", runapi.Done, 0)
	await("a")
	begin("home", "b", plan.PowerDownWorkflow, "power-down", "schedule nightly", odd, runapi.Partial, 0)
	await("b a")
	middle := time.Now()
	begin("other", "x", plan.PowerDownWorkflow, "power-down", "ann@desk", "home", runapi.Done, 0)
	begin("home", "c", plan.StepsWorkflow, "cbt-reset", "bob@nas", "home", runapi.Done, 1) // a chain of two
	await("c a", "--outcome", "done")
	begin("home", "d", plan.PowerUpWorkflow, "power-up", "ann@desk", "home", "", 0)
	await("d c b a")
	begin("home", "e", plan.PowerUpWorkflow, "power-up", "ann@desk", "home", "", 0)
	await("e d c a", "--target", "home")
	require.NoError(t, client.TerminateWorkflow(t.Context(), "e", "", "impatience"))
	await("e", "--outcome", "terminated")
	await("d", "--open")

	at := func(moment time.Time) string { return moment.UTC().Format(time.RFC3339Nano) }
	for _, q := range []struct{ args, want string }{
		{"", "e d c b a"},
		{"-n 2", "e d"},
		{"--runbook power-down", "b a"},
		{"--runbook cbt-reset", "c"},
		{"--runbook settle", ""},
		{"--outcome done", "c a"},
		{"--outcome partial", "b"},
		{"--outcome failed", ""},
		{"--open --runbook power-up", "d"},
		{"--open --runbook power-down", ""},
		{"--target home", "e d c a"},
		{"--target nowhere", ""},
		{"--by ann", "e d a"},
		{"--by bob", "c"},
		{"--by ANN -n 1", "e"},
		{"--since " + at(middle), "e d c"},
		{"--until " + at(middle), "b a"},
		{"--since 1h", "e d c b a"},
		{"--since 1h --until " + at(middle) + " --runbook power-down --outcome done --target home --by ann", "a"},
		{"--since 2h --until 1h", ""},
	} {
		require.Equal(t, q.want, listed(strings.Fields(q.args)...), q.args)
	}
	require.Equal(t, "b", listed("--target", odd))
	require.Equal(t, "b", listed("--by", "schedule nightly"))
	for _, bad := range []string{`' OR '1'='1`, `\' OR Target != \'`, "%", `home' --`} {
		require.Empty(t, listed("--target", bad), fmt.Sprintf("%q is a name and no query", bad))
	}
}
