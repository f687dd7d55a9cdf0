package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/runapi"
)

// Metrics of runs. The SDK leaves them out of a replay; they are no part of a history.

// meterEnd counts the run that ends, and how long it took.
func (r *run) meterEnd(ctx workflow.Context) {
	m := workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"lab": r.p.Lab, "runbook": r.p.Runbook, "outcome": r.Outcome})
	m.Counter(runapi.MetricRunEnded).Inc(1)
	m.Timer(runapi.MetricRunDuration).Record(r.Ended.Sub(r.Started))
}

// meterStep tells how long a step took that had begun, without its waits for operators.
func (r *run) meterStep(ctx workflow.Context, i int, letter byte) {
	if r.BegunAt[i] < 0 {
		return
	}
	state := "done"
	switch letter {
	case runapi.StepSkip:
		state = "skipped"
	case runapi.HalfDone, runapi.Untouched:
		state = "half done"
	}
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"lab": r.p.Lab, "runbook": r.p.Runbook, "action": string(r.graph.Steps[i].Action), "state": state}).
		Timer(runapi.MetricStepDuration).Record(time.Duration(r.EndedAt[i]-r.BegunAt[i]-r.Asked[r.graph.Steps[i].ID]) * 100 * time.Millisecond)
}
